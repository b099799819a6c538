//! Cuts a network of five nodes in two, again and again: both sides go on publishing, and after
//! the cut everybody has everything.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::machine::{Daemon, Machine};
use crate::network::Network;
use crate::parcel::Parcel;
use crate::table::Table;

/// How many nodes there are.
pub const NODES: u8 = 5;
/// How often a node looks at its peers here.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(5);
/// How long a state is waited for before the test says that it never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Cuts that were made and healed.
    pub rounds: usize,
    /// Publishes on either side of a cut.
    pub published: usize,
    /// Rounds in which a side learned what the other published while it was cut off.
    pub leaked: usize,
    /// How long it took, after each cut, until all nodes had the same records.
    pub healed_in: Vec<Duration>,
    /// Acknowledged publishes that a node did not have in the end.
    pub lost: Vec<String>,
}

impl Tally {
    /// Whether nothing was lost and all agreed within two intervals after each cut.
    pub fn is_good(&self) -> bool {
        self.leaked == 0
            && self.lost.is_empty()
            && self.healed_in.len() == self.rounds
            && self.healed_in.iter().all(|&took| took <= 2 * SYNC_INTERVAL)
    }

    /// The result as a page.
    pub fn table(&self, seed: u64) -> Table {
        let title = "Partitions: five nodes, cut in two and healed";
        let mut table = Table::new(title, &["what", "result"]);
        let mut took = self.healed_in.clone();
        took.sort();
        let seconds = |took: Option<&Duration>| match took {
            Some(took) => format!("{:.1} s", took.as_secs_f64()),
            None => "never".to_owned(),
        };
        table.row(["cuts", &self.rounds.to_string()]);
        table.row(["publishes while cut", &self.published.to_string()]);
        table.row(["publishes lost", &self.lost.len().to_string()]);
        table.row(["all agree after a cut, median", &seconds(took.get(took.len() / 2))]);
        table.row(["all agree after a cut, slowest", &seconds(took.last())]);
        for lost in self.lost.iter().take(20) {
            table.note(format!("Lost: `{lost}`"));
        }
        let interval = SYNC_INTERVAL.as_secs();
        table.note(format!("Sync interval {interval} s; seed {seed}."));
        table
    }
}

/// Cuts and heals `rounds` times.
///
/// - `seconds`: how long each cut lasts.
///
/// # Errors
/// When the network cannot be cut.
pub fn run(
    network: &Network,
    rounds: usize,
    seconds: Range<u64>,
    seed: u64,
    work: &Path,
) -> io::Result<Tally> {
    let mut dice = Dice::new(seed);
    let mut tally = Tally { rounds, ..Tally::default() };
    let nodes = Nodes::start(network, work);
    let mut parcels = Vec::new();
    for round in 0..rounds {
        // One or two nodes on one side, the rest on the other.
        let mut island = vec![dice.pick(0..u64::from(NODES)) as u8];
        if dice.roll().is_multiple_of(2) {
            island.push((island[0] + 1) % NODES);
        }
        let outside = (0..NODES).find(|node| !island.contains(node)).expect("at most two are in");
        network.cut(&island)?;
        let cut = Instant::now();
        let alone = Duration::from_secs(dice.pick(seconds.clone()));
        for (side, node) in [island[0], outside].into_iter().enumerate() {
            let parcel = Parcel::new(format!("parcel-{node}"), format!("1.{round}.{side}"));
            parcel.publish(&nodes.machines[usize::from(node)], work).ok();
            parcels.push((node, parcel));
        }
        tally.published += 2;
        // Nobody sends on this one: it is the end of the cut that is waited for.
        let (_never, end) = mpsc::channel::<()>();
        let _ = end.recv_timeout(alone.saturating_sub(cut.elapsed()));
        if nodes.state(island[0]) == nodes.state(outside) {
            tally.leaked += 1;
        }
        network.heal()?;
        if let Some(took) = nodes.agree() {
            tally.healed_in.push(took);
        }
    }
    for (publisher, parcel) in &parcels {
        for machine in &nodes.machines {
            let shown = machine.run(["info", &format!("node-{publisher}/{}", parcel.reference())]);
            if shown.code != Some(0) {
                tally.lost.push(shown.to_string());
            }
        }
    }
    Ok(tally)
}

/// Five nodes that know each other.
struct Nodes {
    machines: Vec<Machine>,
    _daemons: Vec<Daemon>,
}

impl Nodes {
    fn start(network: &Network, work: &Path) -> Self {
        let hosts = network.hosts().iter().cloned().enumerate();
        let machines: Vec<Machine> = hosts
            .map(|(number, host)| Machine::on(work.join(format!("node-{number}")), host))
            .collect();
        let interval = format!("{}s", SYNC_INTERVAL.as_secs());
        let daemons: Vec<Daemon> = machines
            .iter()
            .enumerate()
            .map(|(number, machine)| {
                machine.init(&format!("node-{number}"));
                machine.run(["config", "set", "sync.interval", &interval]).ok();
                machine.daemon()
            })
            .collect();
        for (number, machine) in machines.iter().enumerate() {
            for daemon in daemons.iter().enumerate().filter(|(other, _)| *other != number) {
                machine.meet(daemon.1);
            }
        }
        let nodes = Self { machines, _daemons: daemons };
        nodes.agree().expect("nodes that just met agree");
        nodes
    }

    /// What a node says its records add up to.
    fn state(&self, node: u8) -> String {
        let status = self.machines[usize::from(node)].json(["status"]);
        status["catalog_root"].as_str().expect("a status has a root").to_owned()
    }

    /// Waits until all nodes have the same records; `None` when they never do.
    fn agree(&self) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let first = self.state(0);
            if (1..NODES).all(|node| self.state(node) == first) {
                return Some(begun.elapsed());
            }
        }
        None
    }
}
