//! Warns of a package whose name could be mistaken for one that is better known here.
//!
//! Only publishers that a person named are known in this sense: whoever merely floods us with
//! records cannot make others suspicious. Nothing is refused; both publishers are shown, so that
//! two look-alike names are told apart by something nobody can copy.

use std::cmp::Reverse;

use catalog::lookalike;
use catalog::release::PackageId;
use catalog::store::{PublisherRow, Store, StoreError, Trust};

use crate::shown;

/// One line for each better known package that `package` could be mistaken for.
pub(crate) fn warnings(store: &Store, package: &PackageId) -> Result<Vec<String>, StoreError> {
    let publishers = store.publishers()?;
    // Better known: named by a person rather than seen, then named earlier.
    let standing = |row: &PublisherRow| (Reverse(row.trust), row.since);
    let own = publishers.iter().find(|row| row.id == package.publisher).map(standing);
    let better: Vec<&PublisherRow> = publishers
        .iter()
        .filter(|row| row.id != package.publisher && row.trust > Trust::Seen)
        .filter(|row| own.is_none_or(|own| standing(row) < own))
        .collect();
    if better.is_empty() {
        return Ok(Vec::new());
    }
    let known = store.packages()?.into_iter();
    let known: Vec<PackageId> =
        known.filter(|known| better.iter().any(|row| row.id == known.publisher)).collect();
    let names = known.iter().map(|known| known.name.as_str());
    let alike = lookalike::warnings(package.name.as_str(), names);
    let same = known.iter().filter(|known| {
        known.name == package.name || alike.iter().any(|alike| alike.name == known.name.as_str())
    });
    same.map(|known| {
        Ok(format!(
            "{} is not {}: it is by {}, the other by {}",
            shown::package(store, package)?,
            shown::package(store, known)?,
            package.publisher.fingerprint(),
            known.publisher.fingerprint(),
        ))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use crate::tests::fixture::{Machine, draft, noise, reference};

    /// Threat row 25: a package that is called almost like one of a publisher that was named
    /// earlier is warned about, with both publishers; the better known one is not.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_name_like_a_better_known_one_is_warned_about_with_both_publishers() {
        let (acme, other) = (Machine::publisher("acme").await, Machine::publisher("other").await);
        for (machine, name) in [(&acme, "graphdb"), (&other, "grapdhb"), (&other, "vectors")] {
            let files: &[(&str, Vec<u8>)] = &[("bin/run", noise(100, 1))];
            machine.publish(draft(machine.dir.path(), name, "1.0.0", &[("any", files)])).await;
        }
        let user = Machine::new().await;
        user.meet(&acme).await;
        user.meet(&other).await;
        let install =
            async |name: &str| user.node.install(&reference(name)).await.unwrap().warnings;
        let [warning] = &install("other/grapdhb").await[..] else { panic!("no warning") };
        for machine in [&acme, &other] {
            let fingerprint = machine.node.publisher().unwrap().fingerprint();
            assert!(warning.contains(&fingerprint), "{warning}");
        }
        assert!(warning.starts_with("other/grapdhb is not acme/graphdb: "), "{warning}");
        assert_eq!(install("acme/graphdb").await, Vec::<String>::new());
        assert_eq!(install("other/vectors").await, Vec::<String>::new());
    }
}
