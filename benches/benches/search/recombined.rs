//! More packages than there are: each made of halves of two that exist.
//!
//! A stress test, not a catalog: the vocabulary does not grow with the number, and every text is in
//! the way of the one that it was taken from. Queries are for packages that exist.

use std::collections::HashSet;

use catalog::PackageName;
use catalog_benches::debian::Package;
use catalog_tests::dice::Dice;

/// Adds packages to `packages` until there are `count`; the same ones each time.
pub fn grow(packages: &mut Vec<Package>, count: usize) {
    let real = packages.len() as u64;
    let mut names: HashSet<String> = packages.iter().map(|package| package.name.clone()).collect();
    let mut dice = Dice::new(real);
    while packages.len() < count {
        let [a, b] = [0, 1].map(|_| dice.pick(0..real) as usize);
        let (first, second) = (&packages[a], &packages[b]);
        let mut name = halves(&first.name, &second.name, '-');
        if names.contains(&name) {
            name = format!("{name}-{}", dice.pick(2..1_000_000));
        }
        if name.parse::<PackageName>().is_err() || !names.insert(name.clone()) {
            continue;
        }
        let mut package = first.clone();
        package.name = name;
        package.source = String::new();
        package.summary = halves(&first.summary, &second.summary, ' ');
        package.description = halves(&first.description, &second.description, '\n');
        packages.push(package);
    }
}

/// The first half of the parts of one text, and the second half of those of another.
fn halves(first: &str, second: &str, joint: char) -> String {
    let (first, second): (Vec<&str>, Vec<&str>) =
        (first.split(joint).collect(), second.split(joint).collect());
    let start = &first[..first.len().div_ceil(2)];
    let end = &second[second.len() / 2..];
    [start, end].concat().join(joint.encode_utf8(&mut [0; 4]))
}
