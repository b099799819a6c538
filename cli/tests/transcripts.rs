//! Every page in `transcripts/` is played in a home of its own: what it shows is what happens.

mod harness;

use harness::Stage;

macro_rules! pages {
    ($($name:ident: $file:literal;)+) => {
        $(#[test]
        fn $name() {
            Stage::new().play($file, include_str!(concat!("transcripts/", $file)));
        })+
    };
}

pages! {
    the_life_of_a_package_is_as_the_page_shows: "life-of-a-package.md";
    mistakes_get_one_clear_line_and_a_next_step: "mistakes.md";
    what_is_found_can_be_counted_and_narrowed: "search.md";
    settings_come_from_five_places: "settings.md";
    every_document_names_its_schema: "formats.md";
    a_mirror_holds_what_it_is_told_to: "mirrors.md";
    two_machines_meet_by_ticket: "two-machines.md";
    a_world_of_mirrors_is_simulated: "sim.md";
    records_come_over_by_difference: "sync.md";
    proofs_are_checked_without_a_store: "proofs.md";
    a_publisher_that_contradicts_itself_waits_for_a_person: "conflicts.md";
    keys_are_kept_and_moved: "keys.md";
    a_node_says_what_it_gives_and_takes: "stats.md";
    who_may_read_is_said_by_the_publisher: "permissions.md";
    credits_are_shown_with_the_sum_behind_them: "credits.md";
}
