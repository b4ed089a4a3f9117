//! Proves that `render` answers every mistake of its input, its arguments and its configuration
//! with place and exit code.

use crate::relay::Setup;
use crate::render::{ARCHIVE, Run, configured, render};

const TOO_LARGE: &str = "larger than 262144 bytes, the most that is taken (server.max_body)";

#[test]
fn what_is_no_event_is_told_with_its_place() {
    let setup = Setup::new("", ARCHIVE);
    for (input, expected) in [
        (
            &b"{\n \"a\": tru }"[..],
            "not well-formed JSON at line 2, column 10",
        ),
        (b"{} {}", "not well-formed JSON at line 1, column 4"),
        (b"{\"a\":\"\xff\"}", "not UTF-8 from byte 7 on"),
        (b" \n", "empty, where an event should be"),
        (&vec![b' '; 262_145], TOO_LARGE),
    ] {
        let Run(code, out, err) = configured(&setup, input, &[]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert_eq!(err, format!("standard input: {expected}\n"));
    }
    let Run(code, _, err) = configured(&setup, "", &["none.json"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("none.json: No such file"), "{err}");

    // A bad line does not hide those behind it.
    let lines = format!("[1]\n[2\n{}\n[4]", "x".repeat(262_145));
    let arguments = ["--input", "lines", "--format", "original", "--compact"];
    let Run(code, out, err) = configured(&setup, &lines, &arguments);
    assert_eq!((code, out.as_str()), (1, "[1]\n[4]\n"), "{err}");
    assert!(
        err.contains("standard input: line 2: not well-formed JSON at line 1"),
        "{err}"
    );
    assert!(
        err.contains("standard input: line 3: larger than 262144 bytes"),
        "{err}"
    );
    assert!(
        err.ends_with("2 place(s) of the input hold no event\n"),
        "{err}"
    );

    let export = [
        "--config",
        "config.toml",
        "--input",
        "export",
        "--format",
        "ecs",
    ];
    let Run(code, _, err) = render(&setup, "{\"id\":\"x\"}\n[]", &export);
    assert_eq!(code, 1);
    assert!(
        err.contains("line 1: not a line of an export: column 10"),
        "{err}"
    );
    assert!(err.contains("line 2: not a line of an export"), "{err}");
}

#[test]
fn wrong_names_and_problems_of_the_configuration_have_their_exit_codes() {
    let setup = Setup::new(
        "[sources.b]\nauth = { capability_file = \"no\" }\n",
        ARCHIVE,
    );
    let config = ["--config", "config.toml"];
    for (arguments, expected) in [
        (
            &["--source", "x"][..],
            "no such source; name one with --source: b, datatheorem",
        ),
        (
            &[],
            "no such source; name one with --source: b, datatheorem",
        ),
        (
            &["--source", "b", "--destination", "x"],
            "name one with --destination: archive",
        ),
        (
            &["--input", "export", "--source", "b"],
            "state source and time themselves",
        ),
        (&["--preset", "generic"], "cannot be used with"),
        (
            &["--format", "pdf"],
            "write one of original, ecs, ocsf, cim",
        ),
        (
            &["--format", "ecs", "--destination", "archive"],
            "cannot be used with",
        ),
    ] {
        let Run(code, out, err) = render(&setup, "{}", &[&config, arguments].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.contains(expected), "{expected} is not in {err}");
    }
    for arguments in [
        &["--contracts"][..],
        &["--destination", "archive"],
        &["--source", "b"],
    ] {
        assert_eq!(render(&setup, "{}", arguments).0, 2);
    }
    let Run(code, _, err) = render(&setup, "{}", &["--input", "export"]);
    assert_eq!(code, 2);
    assert!(err.contains("--input export needs --config"), "{err}");

    setup.edit("max_body = \"256KiB\"", "max_body = \"lots\"\nsurprise = 1");
    let Run(code, _, err) = render(&setup, "{}", &config);
    assert_eq!(code, 3);
    assert!(
        err.contains("server.max_body") && err.contains("server.surprise"),
        "{err}"
    );
}

#[test]
fn a_key_of_hashes_is_read_if_it_is_there_and_else_its_absence_is_told() {
    let rules = "rules = [{ redact = \"/mail\", key_file = \"hash-key\" }]\n";
    let setup = Setup::new(rules, ARCHIVE);
    let shown = || configured(&setup, "{\"mail\":\"jane\"}", &["--destination", "archive"]);
    let Run(code, without, err) = shown();
    assert_eq!(code, 0, "{err}");
    let warned = "key_file: the key cannot be read: hashes are shown as another one makes them";
    assert!(err.contains(warned), "{err}");
    std::fs::write(setup.path("hash-key"), "a-key-for-hashes-of-32-bytes-okay").unwrap();
    let Run(code, with, err) = shown();
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("warning"), "{err}");
    assert!(with.contains("hmac-sha256:") && without.contains("hmac-sha256:") && with != without);
}
