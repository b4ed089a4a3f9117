//! Proves that `src/` keeps to the tables of `docs/architecture.md` (which module may use which,
//! which crates have one user) and to the house style that can be counted; and that the checker
//! itself can fail.

// A panic is how a test reports; functions beside the tests need the same leave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rules::{Rules, module_path};

#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/tokens.rs"]
mod tokens;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FILE_LINES_MAX: usize = 400;
const LINE_CHARACTERS_MAX: usize = 100;

const TABLES: &str = "
| module | what it is | may use |
|---|---|---|
| `main` | the binary | `route` |
| `route` | pure | `event`, `sink` |
| `event` | alone | |
| `sink` | protocols | `event` |

| crate | its one user |
|---|---|
| `reqwest` | `sink::client` |
";

#[test]
fn modules_and_crates_are_used_as_the_architecture_says() {
    let rules = rules();
    let sources = files("src").into_iter().filter(|path| !is_test(path));
    let broken: Vec<_> = sources
        .flat_map(|path| rules.check(&path, &read(&path)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let broken = rules().check_names(&modules(files("src")));
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn files_open_with_a_header_and_neither_they_nor_their_lines_are_long() {
    let all = files("src").into_iter().chain(files("tests"));
    let broken: Vec<_> = all
        .flat_map(|path| check_form(&path, &read(&path)))
        .collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The line and the rule of each fault, without the path.
fn faults(path: &str, text: &str) -> Vec<String> {
    let broken = Rules::parse(TABLES).check(Path::new(path), text);
    let prefix = format!("{path}:");
    let faults = broken
        .iter()
        .map(|fault| fault.strip_prefix(&prefix).unwrap().to_owned());
    faults.collect()
}

#[test]
fn a_forbidden_edge_is_found_however_it_is_written() {
    for text in [
        "use crate::sink::Sink;",
        "use crate::{sink};",
        "pub(crate) use crate::{event::{a, b}, sink::{self, Sink}};",
        "fn f() -> crate::sink::Sink { x }",
        "fn f() { let x = <crate::sink::S as T>::new(); }",
        "use siem_relay::sink;",
        "use super::sink;",
        "use super::{sink as s};",
        "#[cfg(not(test))] use crate::sink;",
        "macro_rules! m { () => { $crate::sink::f() } }",
        "#[cfg(test)] mod tests { use crate::a; } use crate::sink;",
        "#[cfg(test)] mod tests; use crate::sink;",
        "#[cfg(test)] field: u8, other: crate::sink::X",
        r##"const A: &str = r#"""#; use crate::sink; const B: &str = r#"""#;"##,
        r#"const A: &str = "\""; const B: char = '"'; use crate::sink;"#,
        r"fn f<'a>(c: char) { if c == '\'' || c == 'x' {} crate::sink::g() }",
        "/* a /* b */ */ use crate::sink; // c",
    ] {
        let expected = ["1: `event` may not use `sink` but only: "];
        assert_eq!(faults("src/event.rs", text), expected, "{text}");
    }
    let below = faults("src/event/header.rs", "//! a\n\nuse super::super::sink;");
    assert_eq!(below, ["3: `event` may not use `sink` but only: "]);
    let unknown = faults("src/route.rs", "use crate::thing;");
    assert_eq!(
        unknown,
        ["1: `route` may not use `thing` but only: event, sink"]
    );
}

#[test]
fn what_only_looks_like_an_edge_is_let_through() {
    for text in [
        "use crate::event::x; use crate::{event, event::{sink, y}};",
        "// use crate::sink;\n/* use crate::sink; */",
        r#"const A: &str = "use crate::sink;"; const B: &[u8] = br"crate::sink";"#,
        "#[cfg(test)] mod tests { use crate::sink; fn f() { {} } }",
        "#[cfg(test)] use crate::sink;",
        "#[cfg(test)]\n#[allow(x)] pub(crate) fn f(a: [u8; 3]) -> crate::sink::A { b }",
        "pub(crate) fn sink() {} pub(in crate::event) fn f() {}",
        "mod inner { use super::thing; }",
    ] {
        assert_eq!(faults("src/event.rs", text), [""; 0], "{text}");
    }
    assert_eq!(faults("src/event/header.rs", "use super::sink;"), [""; 0]);
    assert_eq!(
        faults("src/route.rs", "use crate::{event, sink::A};"),
        [""; 0]
    );
    assert_eq!(faults("src/lib.rs", "pub use crate::sink;"), [""; 0]);
}

#[test]
fn a_crate_with_one_user_is_found_elsewhere() {
    let rule = "2: only `sink::client` may use the crate `reqwest`";
    for text in [
        "\nuse reqwest::Client;",
        "\nuse reqwest as http;",
        "\nextern crate reqwest;",
        "\nfn f(x: ::reqwest::Error) {}",
        "\nuse {reqwest::Client};",
        "\nfn f() -> Vec<reqwest::Error> { x }",
    ] {
        for path in ["src/sink.rs", "src/sink/splunk.rs", "src/sink/clients.rs"] {
            assert_eq!(faults(path, text), [rule], "{path} {text}");
        }
        for path in ["src/sink/client.rs", "src/sink/client/tls.rs"] {
            assert_eq!(faults(path, text), [""; 0], "{path} {text}");
        }
    }
    let other = "let reqwest = a.reqwest::<B>(); let x = own::reqwest::C; reqwest.send();";
    assert_eq!(faults("src/sink.rs", other), [""; 0]);
}

#[test]
fn modules_and_rows_that_lack_each_other_are_named() {
    let modules = ["main", "route", "event", "extra"]
        .map(str::to_owned)
        .into();
    let broken = Rules::parse(TABLES).check_names(&modules);
    assert_eq!(
        broken,
        [
            "src/extra: no row in the table",
            "row `sink`: no such module"
        ]
    );
    let dangling = TABLES.replace("`event`, `sink` |", "`events` |");
    let modules = ["main", "route", "event", "sink"].map(str::to_owned).into();
    let broken = Rules::parse(&dangling).check_names(&modules);
    assert_eq!(broken, ["may use `events`: no row"]);
}

#[test]
fn a_missing_header_a_long_file_and_a_long_line_are_named() {
    let path = Path::new("src/x.rs");
    assert_eq!(
        check_form(path, &format!("//!{}\n", "ä".repeat(97))),
        [""; 0]
    );
    let text = format!("{}\n{}", "ä".repeat(101), "x\n".repeat(400));
    let expected = [
        "src/x.rs:1: a file opens with a `//!` header",
        "src/x.rs:401: a file has at most 400 lines",
        "src/x.rs:1: over 100 characters",
    ];
    assert_eq!(check_form(path, &text), expected);
}

fn check_form(path: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let file = path.display();
    if !text.starts_with("//!") {
        broken.push(format!("{file}:1: a file opens with a `//!` header"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        broken.push(format!(
            "{file}:{lines}: a file has at most {FILE_LINES_MAX} lines"
        ));
    }
    for (index, line) in text.lines().enumerate() {
        if line.chars().count() > LINE_CHARACTERS_MAX {
            let number = index + 1;
            broken.push(format!(
                "{file}:{number}: over {LINE_CHARACTERS_MAX} characters"
            ));
        }
    }
    broken
}

fn rules() -> Rules {
    Rules::parse(&read(Path::new("docs/architecture.md")))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Every `.rs` file below a directory of the package, relative to the package.
fn files(directory: &str) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![PathBuf::from(directory)]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(Path::new(ROOT).join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn modules(files: Vec<PathBuf>) -> BTreeSet<String> {
    files
        .iter()
        .filter_map(|path| module_path(path).into_iter().next())
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.iter()
        .any(|part| part == "tests" || part == "tests.rs")
}
