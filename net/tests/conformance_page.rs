//! The page on conformance names tests that exist: each name in `docs/conformance.md` is that of a test,
//! and each clause that is done names one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Adds the names of all functions in the sources of a folder.
fn add_functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            add_functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(path).expect("a source");
            let lines = source.lines().map(str::trim_start);
            let functions =
                lines.filter_map(|line| line.strip_prefix("fn ")?.split_once(['(', '<']));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

#[test]
fn the_page_on_conformance_names_tests_that_exist() {
    let root = Path::new(ROOT);
    let mut functions = BTreeSet::new();
    for folder in ["net/src", "drivers/src", "tests/tests"] {
        add_functions(&root.join(folder), &mut functions);
    }
    let page = fs::read_to_string(root.join("docs/conformance.md")).expect("the page is there");
    let mut clauses = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let [clause, what, state, tests] = row
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!("not four columns: {row}"));
        if clause == "clause" {
            continue;
        }
        clauses += 1;
        let states = ["done", "deviates", "not applicable"];
        assert!(
            states.iter().any(|one| state.starts_with(one)),
            "{what}: {state}"
        );
        let mut names = tests.split(", ").filter(|name| !name.is_empty());
        assert!(
            !state.starts_with("done") || !tests.is_empty(),
            "{what}: no test"
        );
        assert!(
            names.all(|name| functions.contains(name.trim_matches('`'))),
            "{what}: no such test among {tests}"
        );
    }
    assert!(clauses > 70, "{clauses} clauses");
}
