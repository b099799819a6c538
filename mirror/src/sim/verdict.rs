//! What a scenario was about, in numbers, beside what they should not exceed.

use std::time::Duration;

use catalog::ByteSize;

use super::Watch;
use super::fleet::{BUSY_EVERY, DECIDED_EVERY, Fleet, SPREADS_IN};
use super::number::NodeNo;
use super::outcome::{Amount, Finding, Run};
use super::settings::{Scenario, Settings};
use super::stage::Carrier;
use super::world::{BEGIN, World};
use crate::lease;

/// Control traffic that a node may have, in and out, in bytes a second.
const CONTROL_RATE_MAX: u64 = 2_000;
/// A hundredth of one core, in hundredths of a percent.
const CPU_SHARE_MAX: u64 = 100;
/// What joining moves at most, in hundredths of the share that the joiners then hold.
const JOIN_TIMES_MAX: u64 = 150;
/// How often a node that flaps makes each package be copied at most.
const FLAP_COPIES_MAX: u64 = 2;
/// After so many audits everybody who holds nothing is found.
const AUDITS_MAX: u32 = 20;
/// How long what became popular takes to be copied, once it is decided.
const COPIED_IN: Duration = Duration::from_secs(300);
/// One part in so many of a line is for mirrors.
const MIRRORS_PART: u64 = 5;

/// What mirrors made of a world.
///
/// - `calm`: the same world without what the scenario does; there for scenarios that
///   [compare](compares) with it.
pub(super) fn findings<W: Watch>(
    world: &World<Fleet<'_, W>>,
    run: &Run,
    calm: Option<&Run>,
) -> Vec<Finding> {
    let settings = &world.settings;
    let seconds = (settings.minutes() - settings.warm_minutes()) * 60;
    let nodes = u64::from(settings.nodes_at_last());
    let control = run.whole.control.as_u64() / nodes / seconds.max(1);
    let cost = world.carrier.cost();
    let cpu = cost.plans + cost.keepers / nodes as u32;
    let cpu = cpu.as_micros() as u64 / (settings.minutes() * 60 * 100).max(1);
    let mut findings = vec![
        Finding::new("control_rate", "said and heard by each node", Amount::Rate(control))
            .at_most(Amount::Rate(CONTROL_RATE_MAX)),
        Finding::new("placement_cpu", "of a core, for deciding on one node", Amount::Share(cpu))
            .at_most(Amount::Share(CPU_SHARE_MAX)),
    ];
    let after = |run: &Run| -> u64 {
        let hours = &run.hours[(settings.fault_minute() / 60) as usize..];
        hours.iter().map(|hour| hour.served.moved.as_u64()).sum()
    };
    let extra = calm.map_or(0, |calm| after(run).saturating_sub(after(calm)));
    match settings.scenario {
        Scenario::Steady | Scenario::Churn => {}
        Scenario::Attack => {
            let found = world.carrier.found_at().unwrap_or(world.stage.now);
            findings.push(
                Finding::new(
                    "found_after",
                    "until every liar was found out",
                    Amount::While(found.since(BEGIN)),
                )
                .at_most(Amount::While(DECIDED_EVERY * AUDITS_MAX)),
            );
            let kept = calm.map_or(0, |calm| calm.whole.hit_rate());
            findings.push(Finding::new(
                "hits_lost",
                "fewer requests served near by than without liars",
                Amount::Share(kept.saturating_sub(run.whole.hit_rate())),
            ));
        }
        Scenario::Join => {
            let share = joiners_share(world, run).max(1);
            findings.push(
                Finding::new(
                    "join_moved",
                    "copied because of the joiners, of what is their share",
                    Amount::Times(extra * 100 / share),
                )
                .at_most(Amount::Times(JOIN_TIMES_MAX)),
            );
        }
        Scenario::Kill => {
            findings.push(
                Finding::new("lost", "packages lost", Amount::Count(run.lost()))
                    .at_most(Amount::Count(0)),
            );
            findings.push(time_until(
                world,
                "repaired_after",
                "until all had as many copies again",
                repair_bound(world),
            ));
        }
        Scenario::HotSpot => findings.push(time_until(
            world,
            "near_after",
            "until what became popular had two copies in its region",
            DECIDED_EVERY * 2 + SPREADS_IN + COPIED_IN,
        )),
        Scenario::Flap => {
            let before = calm.map(|calm| calm.copied.as_slice()).unwrap_or_default();
            let more = run.copied.iter().zip(before).map(|(with, calm)| with.saturating_sub(*calm));
            findings.push(
                Finding::new(
                    "flap_copies",
                    "more copies made of any one package",
                    Amount::Count(more.max().unwrap_or(0).into()),
                )
                .at_most(Amount::Count(FLAP_COPIES_MAX)),
            );
            findings.push(copied_more(extra));
        }
        Scenario::Partition => {
            let from = (settings.fault_minute() / 60) as usize;
            let to = from + (settings.cut_minutes() / 60) as usize;
            let failed = run.hours[from..to].iter().map(|hour| hour.served.failed).sum();
            findings.push(Finding::new(
                "failed_while_cut",
                "requests that nobody served while regions were cut off",
                Amount::Count(failed),
            ));
            findings.push(copied_more(extra));
        }
    }
    findings
}

/// Whether what a scenario does is seen beside the same world without it.
pub(super) fn compares(scenario: Scenario) -> bool {
    matches!(scenario, Scenario::Join | Scenario::Flap | Scenario::Partition | Scenario::Attack)
}

fn copied_more(bytes: u64) -> Finding {
    let words = "copied more than without it";
    Finding::new("copied_more", words, Amount::Bytes(ByteSize::bytes(bytes)))
}

/// Of all that is mirrored, what falls to the joiners by their room.
fn joiners_share<C: Carrier>(world: &World<C>, run: &Run) -> u64 {
    let room = |nodes: &mut dyn Iterator<Item = NodeNo>| -> u64 {
        nodes.map(|node| world.stage.map.site(node).room.as_u64()).sum()
    };
    let all = room(&mut NodeNo::all(world.stage.map.nodes()));
    let joiners = room(&mut world.victims.iter().copied());
    (u128::from(run.stored().as_u64()) * u128::from(joiners) / u128::from(all.max(1))) as u64
}

/// How long it took from the fault on; the rest of the time if it did not happen.
fn time_until<C: Carrier>(
    world: &World<C>,
    name: &'static str,
    words: &'static str,
    most: Duration,
) -> Finding {
    let at = world.met_at.unwrap_or(world.stage.now);
    Finding::new(name, words, Amount::While(at.since(world.fault_at))).at_most(Amount::While(most))
}

/// How long repairs may take: until leases end and everybody has planned, and then what the
/// slowest needs for the part of the copies that its room is of all rooms; twice, because each line
/// gives as much as it takes.
fn repair_bound<C: Carrier>(world: &World<C>) -> Duration {
    let map = &world.stage.map;
    let left =
        || NodeNo::all(map.nodes()).filter(|node| map.is_up(*node)).map(|node| map.site(node));
    let rooms: u64 = left().map(|site| site.room.as_u64()).sum();
    let slowest = left().map(|site| {
        let part =
            |of: u64| (u128::from(of) * u128::from(site.room.as_u64()) / u128::from(rooms)) as u64;
        let bytes = part(world.destroyed_bytes.as_u64()) / (site.line / MIRRORS_PART);
        bytes.max(part(world.destroyed_copies) * BUSY_EVERY.as_secs())
    });
    let repairs = Duration::from_secs(2 * slowest.max().unwrap_or(0));
    lease::LIFE + DECIDED_EVERY * 2 + SPREADS_IN + repairs
}

impl Settings {
    /// How long regions are cut off.
    pub(super) fn cut_minutes(&self) -> u64 {
        self.minutes() / 16
    }
}
