//! The page on counters says what the counters are: `docs/counters.md` has a row for each reason, as
//! the code names and describes it, and no other.

use pollux_net::counters::Reason;
use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/counters.md");

#[test]
fn the_page_on_counters_has_a_row_for_each_reason() {
    let page = fs::read_to_string(PAGE).expect("docs/counters.md is there");
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| format!("| `{}` | {} |", reason.name(), reason.description()))
        .collect();
    assert_eq!(rows, expected, "write these rows:\n{}", expected.join("\n"));
}
