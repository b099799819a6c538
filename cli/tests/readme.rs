//! Plays every console block of the README: what it shows is what happens.

mod harness;

#[test]
fn every_block_of_the_readme_prints_what_it_shows() {
    harness::Stage::new().play("README.md", include_str!("../../README.md"));
}
