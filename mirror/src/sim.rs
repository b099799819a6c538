//! Simulates a world of mirrors, to choose settings by and to see what placing is worth.
//!
//! In: [`Settings`] (how many nodes, regions, packages and days; what happens). Out: a [`Run`] for
//! each [`Way`] of placing copies: hours as a table ([`csv`]) and a picture ([`svg`]), a summary, and
//! what the scenario was about.
//!
//! Guarantees: everything follows from the seed; equal settings give equal bytes on every machine.
//! All ways of placing get the same bytes, nodes, faults and requests. Mirrors are decided by the
//! machines that nodes run; what is simulated is the network, people, and what is compared.
//! Not here: transfers from several sources at once, and contents. A node serves one request after
//! the other.

mod accounts;
mod agenda;
mod chance;
mod demand;
mod even;
mod fleet;
mod liars;
mod map;
mod member;
mod names;
mod number;
mod outcome;
mod plot;
mod rival;
mod settings;
mod shelf;
mod stage;
mod tally;
mod verdict;
mod view;
mod world;

pub use outcome::{Amount, Finding, Run, Way, csv};
pub use plot::svg;
pub use settings::{
    DAYS_MAX, NODES_MAX, PACKAGES_MAX, REGIONS_MAX, REQUESTS_MAX, Scenario, Settings, SettingsError,
};
pub use tally::{LATENCY_MS_MAX, Served};
pub use world::Hour;

use std::time::Duration;

use even::Even;
use fleet::Fleet;
use rival::{Lru, Random};
use stage::Carrier;
use verdict::{compares, findings};
use world::World;

/// Watches a world, and lends it a clock.
pub trait Watch {
    /// So many hours have passed.
    fn hour(&self, _hours: u64) {}

    /// How long the caller has been running; what decisions cost is measured by it. The default
    /// stands still, and says that they cost nothing.
    fn clock(&self) -> Duration {
        Duration::ZERO
    }
}

/// Nobody watches.
impl Watch for () {}

/// Lets a world pass in which copies are placed in one way.
///
/// # Errors
/// [`SettingsError::Range`] when the settings make no world.
pub fn run(settings: &Settings, way: Way, watch: &impl Watch) -> Result<Run, SettingsError> {
    settings.check()?;
    Ok(match way {
        Way::Lru => {
            let world = World::new(settings, false, |map, shelf| Lru::new(map, shelf.units()));
            passed(world, way, watch).0
        }
        Way::Random => {
            passed(World::new(settings, false, |_, _| Random::new(settings.seed)), way, watch).0
        }
        Way::Static => {
            let world = World::new(settings, false, |map, shelf| Even::new(map, shelf.units()));
            passed(world, way, watch).0
        }
        Way::Planned => {
            let world = |calm: bool| {
                let is_attacked = settings.scenario == Scenario::Attack && !calm;
                let liars = if is_attacked { settings.victims() } else { Vec::new() };
                World::new(settings, calm, |map, shelf| {
                    Fleet::new(settings, watch, map.nodes(), shelf.units(), &liars)
                })
            };
            let calm = compares(settings.scenario).then(|| passed(world(true), way, watch).0);
            let (mut run, world) = passed(world(false), way, watch);
            run.findings = findings(&world, &run, calm.as_ref());
            run
        }
    })
}

fn passed<C: Carrier>(mut world: World<C>, way: Way, watch: &impl Watch) -> (Run, World<C>) {
    let mut hours = Vec::new();
    world.run(|hour| {
        hours.push(hour);
        watch.hour(hours.len() as u64);
    });
    let (whole, copied) = (world.stage.whole.served(), world.stage.copied.clone());
    (Run { way, hours, whole, findings: Vec::new(), copied }, world)
}
