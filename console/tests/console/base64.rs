//! A file that is pasted.

use crate::support::Appliance;
use pollux_console::command::{Command, Grammar};
use pollux_console::commands::base64::{MAXIMUM_FILE, MAXIMUM_FILES, Upload, Uploaded};
use pollux_console::line::LineTooLong;

fn upload(line: &str) -> Upload {
    let request = Grammar::default().parse(line).expect("is right");
    match request.map(|request| request.command) {
        Some(Command::Upload(heading)) => Upload::new(heading),
        other => panic!("{other:?}"),
    }
}

/// What comes of these lines.
fn pasted(lines: &[&str]) -> Result<Uploaded, String> {
    let mut upload = upload("base64 -d > netrx.o <<END");
    for line in lines {
        assert!(!upload.take(line), "{line}");
    }
    assert!(upload.take("END"));
    upload.finish().map_err(|refusal| refusal.to_string())
}

#[test]
fn lines_of_base64_are_the_file() {
    let file = pasted(&["f0VMRgEC", "", " Aw== "]).expect("is right");
    assert_eq!(file.name, "netrx.o");
    assert_eq!(file.octets, b"\x7fELF\x01\x02\x03");
    for line in [
        "base64 -d >netrx.o << END",
        "base64 --decode <<'END' > netrx.o",
    ] {
        let mut upload = upload(line);
        assert!(!upload.take("AAAA") && upload.take("END"), "{line}");
        assert_eq!(upload.finish().expect("is right").octets, [0; 3]);
    }
}

#[test]
fn a_line_that_is_wrong_is_named_and_nothing_is_kept() {
    for (lines, said) in [
        (
            &["AAAA", "AA*A", "AAAA"][..],
            "netrx.o: line 2: no base64: Invalid symbol 42, offset 2; nothing is kept",
        ),
        (
            &["AAAA", "AAA", "status"],
            "netrx.o: line 2: no base64: Invalid padding; nothing is kept",
        ),
        (
            &["AA==", "AAAA"],
            "netrx.o: line 2: it stands behind the end, which '=' marks; nothing is kept",
        ),
        (&[], "netrx.o: no line of base64 came; nothing is kept"),
    ] {
        assert_eq!(pasted(lines).expect_err("is wrong"), said);
    }
    let mut long = upload("base64 -d > a <<END");
    long.take_wrong(LineTooLong);
    let said = long.finish().expect_err("is wrong").to_string();
    assert_eq!(
        said,
        "a: line 1: line ignored: it is longer than 256 octets; nothing is kept"
    );
    let line = "A".repeat(76);
    let lines = vec![line.as_str(); MAXIMUM_FILE / 57 + 1];
    let said = pasted(&lines).expect_err("is too long");
    assert_eq!(
        said,
        "netrx.o: line 2300: more than 131072 octets; nothing is kept"
    );
}

#[test]
fn a_file_takes_the_place_of_one_of_its_name_and_only_so_many_are_kept() {
    let mut kept = Vec::new();
    for number in 0..=MAXIMUM_FILES {
        let file = Uploaded {
            name: format!("file{number}"),
            octets: vec![1],
        };
        assert_eq!(file.keep(&mut kept).is_ok(), number < MAXIMUM_FILES);
    }
    let file = Uploaded {
        name: "file0".into(),
        octets: vec![2],
    };
    file.keep(&mut kept).expect("has a place");
    assert_eq!(kept.len(), MAXIMUM_FILES);
    assert_eq!(kept[0].octets, [2]);
}

/// What became of a file of each of these names, and which are left, when this was typed.
fn after(line: &str, names: &[&str]) -> (Result<(), String>, Vec<String>) {
    let mut kept = Vec::new();
    for &name in names {
        let file = Uploaded {
            name: name.into(),
            octets: vec![1],
        };
        file.keep(&mut kept).expect("has a place");
    }
    let request = Grammar::default().parse(line).expect("is right");
    let Some(Command::Remove(remove)) = request.map(|request| request.command) else {
        panic!("{line} removes files");
    };
    let done = remove.carry_out(&mut kept, |name| name == "start.conf" || name == "both");
    let done = done.map_err(|refusal| refusal.to_string());
    (done, kept.into_iter().map(|file| file.name).collect())
}

#[test]
fn files_that_were_pasted_can_be_removed_all_that_are_named_or_none() {
    for (line, left) in [
        ("rm a", &["b", "both"][..]),
        ("rm b a", &["both"]),
        ("rm a a /root/b", &["both"]),
        ("rm -f c a", &["b", "both"]),
        // What came with the kernel is seen again.
        ("rm both", &["a", "b"]),
    ] {
        let (done, kept) = after(line, &["a", "b", "both"]);
        assert_eq!(done, Ok(()), "{line}");
        assert_eq!(kept, left, "{line}");
    }
    for (line, said) in [
        ("rm a c", "c: no such file; 'ls' lists those there are"),
        (
            "rm a start.conf",
            "start.conf: it came with the kernel and stays; only what 'base64' took can be removed",
        ),
        (
            "rm -f a start.conf",
            "start.conf: it came with the kernel and stays; only what 'base64' took can be removed",
        ),
    ] {
        let (done, kept) = after(line, &["a", "b"]);
        assert_eq!(done, Err(said.to_owned()), "{line}");
        assert_eq!(kept, ["a", "b"], "{line}");
    }
    let mut appliance = Appliance::new();
    for (line, said) in [
        ("rm", "missing word after 'rm'; usage: rm [-f] FILE..."),
        ("rm -f", "missing word after 'rm'; usage: rm [-f] FILE..."),
        ("rm -r a", "rm: '-r' is not one of -f"),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let mut appliance = Appliance::new();
    for (line, said) in [
        (
            "base64",
            "'base64' must be followed by '-d': it only decodes",
        ),
        (
            "base64 -d",
            "base64: '-d' must be followed by '> FILE', the name of the file",
        ),
        (
            "base64 -d > a",
            "base64: '> FILE' must be followed by '<<END', the line that ends the file",
        ),
        (
            "base64 -d > a/b <<END",
            "base64: 'a/b' is not a name of at most 64 octets, without folders",
        ),
        ("base64 -e", "base64: '-e' is not one of -d, >, <<"),
    ] {
        assert_eq!(appliance.typed(line), format!("{said}\n"), "{line}");
    }
}
