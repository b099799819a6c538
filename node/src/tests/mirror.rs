//! Mirrors hold what they were told to, or what is needed, and others find it there.

use std::time::Duration;

use catalog::draft::Draft;
use catalog::profile::Profile;
use catalog::size::ByteSize;
use catalog_mirror::Filter;

use super::fixture::{Files, Machine, draft, noise, reference, simple};
use super::records::until;
use crate::mirror::{MirrorError, Mode, Terms};
use crate::{FetchError, InstallError, NodeConfig};

/// The bytes of one build.
const BUILD_BYTES: usize = 60_000;

/// A family of 26 builds, as many as esbuild has.
fn family(dir: &std::path::Path) -> Draft {
    let systems = ["linux", "macos", "windows", "freebsd", "openbsd", "netbsd", "android"];
    let machines = ["x86_64", "aarch64", "arm", "riscv64"];
    let builds = systems.iter().flat_map(|os| machines.iter().map(move |arch| (*os, *arch)));
    let builds: Vec<_> = builds.take(26).collect();
    let ids: Vec<String> =
        builds.iter().map(|(os, arch)| format!("{os}-{}", arch.replace('_', "-"))).collect();
    let files: Vec<[(&str, Vec<u8>); 2]> = (0..26)
        .map(|seed| [("bin/run", noise(BUILD_BYTES, seed + 1)), ("README", b"a family".to_vec())])
        .collect();
    let variants: Vec<(&str, Files<'_>)> =
        ids.iter().zip(&files).map(|(id, files)| (id.as_str(), files.as_slice())).collect();
    let mut family = draft(dir, "family", "1.0.0", &variants);
    for (variant, (os, arch)) in family.variants.iter_mut().zip(builds) {
        variant.requires.insert("os".parse().unwrap(), os.parse().unwrap());
        variant.requires.insert("cpu.arch".parse().unwrap(), arch.parse().unwrap());
    }
    family
}

fn pi() -> Profile {
    Profile::named("pi-low").unwrap()
}

/// A node that decides often.
async fn quick(change: impl FnOnce(NodeConfig) -> NodeConfig) -> Machine {
    let terms = Terms { interval: Duration::from_millis(200), ..Terms::default() };
    Machine::set_up(|config| change(config.sync_interval(Duration::from_secs(1)).mirror_by(terms)))
        .await
}

/// A mirror of one variant holds a whole signed release and few bytes; what it holds verifies, can
/// be installed from it alone, and be mirrored again.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_one_variant_serves_it_alone_and_so_does_a_mirror_of_the_mirror() {
    let publisher = Machine::publisher("acme").await;
    publisher.publish(family(publisher.dir.path())).await;
    let (first, second) = (Machine::new().await, Machine::new().await);
    first.meet(&publisher).await;
    let family = reference("family");
    let added = first.node.mirror_add(&family, vec![pi()], |_| ()).await.unwrap();
    assert_eq!((added.variants.len(), added.variants_total), (1, 26));
    let share = added.bytes.as_u64() * 100 / added.bytes_total.as_u64();
    assert!(share <= 5 && added.bytes_moved < added.bytes.as_u64() * 21 / 20, "{added:?}");
    publisher.node.shutdown().await.unwrap();

    second.meet(&first).await;
    let again = second.node.mirror_add(&family, vec![pi()], |_| ()).await.unwrap();
    assert_eq!(again.variants, added.variants);
    first.node.shutdown().await.unwrap();
    let guest = Machine::new().await;
    guest.meet(&second).await;
    let installed = guest.node.install(&family).profile(pi()).await.unwrap();
    assert_eq!(installed.variant.as_str(), "linux-aarch64");
    // What was signed is here whole, also of builds that nobody near holds.
    let info = guest.node.info(&family).await.unwrap();
    assert_eq!(info.release.variants.len(), 26);
    for machine in [&second, &guest] {
        let verified = machine.node.verify().await.unwrap();
        assert!(verified.is_clean(), "{verified:?}");
    }
    let other = guest.node.install(&reference("family#windows-arm")).await;
    assert!(matches!(other, Err(InstallError::Fetch(FetchError::Unavailable { .. }))), "{other:?}");
    // Collecting what nothing needs takes none of it.
    assert_eq!(second.node.gc(false).await.unwrap().removed, []);
    assert_eq!(second.node.mirror_list().await.unwrap().len(), 1);
}

/// Who has what is known by what mirrors say: one that nobody gave us the ticket of is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_never_met_is_asked_for_what_it_says_it_holds() {
    let publisher = Machine::publisher("acme").await;
    publisher.publish(simple(publisher.dir.path(), "graphdb", "1.0.0", 1)).await;
    let graphdb = reference("graphdb");
    let hub = Machine::new().await;
    hub.meet(&publisher).await;
    hub.node.serve().await.unwrap();
    let mirror = quick(|config| config.located_in("eu-west".parse().unwrap())).await;
    mirror.meet(&publisher).await;
    mirror.meet(&hub).await;
    mirror.node.mirror_add(&graphdb, vec![], |_| ()).await.unwrap();
    mirror.node.serve().await.unwrap();
    hub.meet(&mirror).await;
    let knows = async |node: &crate::Node| {
        node.sync(None).await.unwrap();
        node.mirror_overview().await.unwrap().mirrors.len() == 1
    };
    until(async || knows(&hub.node).await).await;
    hub.node.forget_peer(&mirror.node.id()).await.unwrap();
    publisher.node.shutdown().await.unwrap();

    let guest = Machine::new().await;
    guest.meet(&hub).await;
    until(async || {
        knows(&guest.node).await
            && !guest.node.sources(&graphdb, None).await.unwrap().sources.is_empty()
    })
    .await;
    let sources = guest.node.sources(&graphdb, None).await.unwrap().sources;
    assert!(sources.iter().any(|source| source.node == mirror.node.id()), "{sources:?}");
    let installed = guest.node.install(&graphdb).await.unwrap();
    assert!(installed.path.unwrap().join("bin/run").exists());
    assert!(guest.node.verify().await.unwrap().is_clean());
}

/// A mirror that was started takes up what comes, keeps to its filter and its budget, and gives up
/// nothing that was added by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_takes_up_what_its_filter_lets_through_within_its_budget() {
    let publisher = Machine::publisher("acme").await;
    for (name, seed) in [("graphdb", 1), ("graphkit", 2), ("notes", 3)] {
        publisher.publish(simple(publisher.dir.path(), name, "1.0.0", seed)).await;
    }
    publisher.node.serve().await.unwrap();
    let mirror = quick(|config| config).await;
    mirror.meet(&publisher).await;
    mirror.node.mirror_add(&reference("acme/notes"), vec![], |_| ()).await.unwrap();
    mirror.node.serve().await.unwrap();
    let filter = Filter { packages: ["graph*".parse().unwrap()].into(), ..Filter::default() };
    let budget = Some(ByteSize::bytes(10_000_000));
    mirror.node.mirror_as(Mode::All, Some(filter), budget).await.unwrap();
    let held = async || {
        let held = mirror.node.mirror_list().await.unwrap();
        held.into_iter().map(|held| held.reference).collect::<Vec<_>>()
    };
    until(async || held().await.len() == 3).await;
    // The budget holds three of these packages: the next one is no reason to drop what was added
    // by hand, nor what nobody else is known to hold.
    publisher.publish(simple(publisher.dir.path(), "graphviz", "1.0.0", 4)).await;
    until(async || mirror.node.status().await.unwrap().packages == 4).await;
    until(async || mirror.node.mirror_overview().await.unwrap().decided.is_some()).await;
    let overview = mirror.node.mirror_overview().await.unwrap();
    assert_eq!((overview.held, overview.pinned), (3, 1), "{overview:?}");
    assert!(held().await.contains(&"acme/notes@1.0.0".to_owned()));
    let dropped = mirror.node.mirror_drop(&reference("acme/notes")).await.unwrap();
    assert_eq!((dropped.held.len(), dropped.comes_back), (1, false));
    until(async || held().await.contains(&"acme/graphviz@1.0.0".to_owned())).await;
    let added = mirror.node.mirror_add(&reference("acme/notes"), vec![], |_| ()).await;
    assert!(matches!(added, Err(MirrorError::Budget { .. })), "{added:?}");
    let gone = mirror.node.mirror_drop(&reference("acme/notes")).await;
    assert!(matches!(gone, Err(MirrorError::NotHeld { .. })), "{gone:?}");
    assert!(mirror.node.verify().await.unwrap().is_clean());
}

/// A mirror that was restarted holds what it held, and goes on as it was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_goes_on_after_a_restart() {
    let publisher = Machine::publisher("acme").await;
    publisher.publish(simple(publisher.dir.path(), "graphdb", "1.0.0", 1)).await;
    let mirror = Machine::new().await;
    mirror.meet(&publisher).await;
    mirror.node.mirror_add(&reference("acme/graphdb"), vec![], |_| ()).await.unwrap();
    mirror.node.mirror_as(Mode::Auto, None, Some(ByteSize::gib(1))).await.unwrap();
    let mirror = mirror.restart().await;
    let overview = mirror.node.mirror_overview().await.unwrap();
    assert_eq!((overview.mode, overview.budget), (Mode::Auto, ByteSize::gib(1)));
    assert_eq!((overview.held, overview.pinned, overview.damaged), (1, 1, 0));
}

/// What not everybody may read is not mirrored, even by somebody who may.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_restricted_is_not_mirrored() {
    let (publisher, mirror) = (Machine::publisher("acme").await, Machine::new().await);
    let mut secret = simple(publisher.dir.path(), "secret", "1.0.0", 1);
    secret.permission = catalog::permission::Permission::Restricted([mirror.node.id()].into());
    publisher.publish(secret).await;
    mirror.meet(&publisher).await;
    let added = mirror.node.mirror_add(&reference("acme/secret"), vec![], |_| ()).await;
    assert!(matches!(added, Err(MirrorError::NotPublic { .. })), "{added:?}");
    mirror.node.mirror_as(Mode::All, None, None).await.unwrap();
    assert_eq!(mirror.node.mirror_plan().await.unwrap().orders, []);
}
