//! Proves what an operator reads: all problems at once, with file, key and remedy, and neither
//! a secret nor a line of the file in any of them.

use super::*;

/// Stands where a secret must not be repeated from.
const LEAK: &str = "hunter2-hunter2-hunter2";

#[test]
fn all_problems_are_reported_at_once() {
    let found = problems(
        "serve = 1\n\
         [server]\nlisten = \"nowhere\"\nmax_headers = 5000\nmax_bdy = \"1MiB\"\n\
         [journal]\nmax_size = \"1GB\"\nsegment_size = \"512MiB\"\n\
         [sources.a]\nauth = { bearer_token_file = \"short\" }\n\
         [sources.B]\nauth = { bearer_token = \"x\" }\n\
         [destinations.d]\nkind = \"http\"\nurl = \"example.com\"\ngzp = true\n\
         [destinations.e]\nkind = \"elasticsearch\"\nurl = \"https://es\"\nsources = [\"c\"]\n",
    );
    insta::assert_snapshot!(folded(&found), @r#"
    config.toml: server.listen: must be a string with an IP address and a port;
      write such as "127.0.0.1:8080" or "0.0.0.0:8080"
    config.toml: server.max_headers: 5000 is out of range; write a whole number from
      8 to 1024
    config.toml: server.max_bdy: unknown key; did you mean max_body?
    config.toml: journal.max_size: is smaller than 4 segments of
      journal.segment_size; raise it to 2GiB or more, or lower segment_size
    config.toml: sources.B: the name is not a lower-case letter and then at most 63
      of a-z, 0-9 and _, without __; rename the table
    config.toml: sources.B.auth: names no way to authenticate; set
      bearer_token_file, bearer_token_env, capability_file, capability_env, header
      with value_file or value_env, or none = true
    config.toml: sources.B.auth.bearer_token: unknown key; a secret is not written
      here: use bearer_token_file or bearer_token_env
    config.toml: sources.a.auth.bearer_token_file: the secret is shorter than 16
      bytes; use a random one, as from: openssl rand -hex 32
    config.toml: destinations.d.url: begins with neither https:// nor http://; write
      such as "https://soar.example.com/events"
    config.toml: destinations.d.gzp: unknown key; did you mean gzip?
    config.toml: destinations.e.data_stream: missing; set it to such as
      "logs-siem_relay.webhook-default", or set index
    config.toml: destinations.e.sources: there is no source "c"; write one of B, a,
      or add the source
    config.toml: serve: unknown key; did you mean server?
    "#);
}

#[test]
fn the_display_has_one_problem_a_line() {
    let fixture = Fixture::new("[server]\nmax_headers = 0\n");
    let problems = fixture.load(&[]).unwrap_err();
    let text = problems.to_string();
    assert_eq!(text.lines().count(), 3);
    assert_eq!(problems.iter().count(), 3);
}

#[test]
fn a_syntax_error_is_told_by_line_column_and_reason() {
    let text = format!("[sources.a]\n# \u{e4}\nauth = {{ bearer_token_file = \"{LEAK} }}\n");
    let found = problems(&text);
    insta::assert_snapshot!(folded(&found), @r#"
    config.toml: line 3, column 56: not valid TOML: invalid basic string; correct
      it, then the rest is checked
    "#);
    for broken in [
        format!("token = {LEAK}"),
        format!("token = \"{LEAK}\" {LEAK}"),
        format!("token = \"\\q{LEAK}\""),
        format!("{LEAK} = = 1"),
        format!("[a]\ntoken = \"{LEAK}\"\n[a]\n"),
        format!("token = '''{LEAK}"),
    ] {
        let found = problems(&broken).join("\n");
        assert!(found.contains("not valid TOML"), "{found}");
        assert!(!found.contains(LEAK), "{found}");
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let absent = load(Path::new("/nonexistent/config.toml"), std::iter::empty()).unwrap_err();
    let text = absent.to_string();
    let expected = "/nonexistent/config.toml: cannot be read: No such file or directory";
    assert!(text.starts_with(expected), "{text}");
    let fixture = Fixture::new("");
    let directory = load(fixture.directory.path(), std::iter::empty()).unwrap_err();
    assert!(
        directory
            .to_string()
            .contains("cannot be read: Is a directory"),
        "{directory}"
    );
    let path = fixture.directory.path().join("config.toml");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(
        fixture
            .load(&[])
            .unwrap_err()
            .to_string()
            .contains("is not UTF-8 text")
    );
    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    let large = fixture.load(&[]).unwrap_err().to_string();
    assert!(large.contains("is larger than 1048576 bytes"), "{large}");
}

#[test]
fn a_mistyped_key_gets_a_suggestion_and_a_strange_one_does_not() {
    for (section, expected) in [
        (
            "[server]\nlisen = 1",
            "server.lisen: unknown key; did you mean listen?",
        ),
        (
            "[server]\nmax_boby = 1",
            "server.max_boby: unknown key; did you mean max_body?",
        ),
        (
            "[server]\ncolour = 1",
            "server.colour: unknown key; remove it",
        ),
        ("[log]\nlvl = \"info\"", "log.lvl: unknown key; remove it"),
        (
            "[server]\nlisten_token = \"x\"",
            "server.listen_token: unknown key; a secret is not",
        ),
        ("[sever]\n", "sever: unknown key; did you mean server?"),
        ("[server.tls]\n", "server.tls: unknown key; remove it"),
    ] {
        refused(&beside_good(section), expected);
    }
    let long = "k".repeat(10_000);
    let found = problems(&beside_good(&format!("{long} = 1\n\"a\\nb\" = 1")));
    assert!(
        found
            .iter()
            .all(|line| line.len() < 300 && !line.contains('\n')),
        "{found:?}"
    );
}

#[test]
fn no_secret_is_repeated_whatever_key_and_type_it_is_put_under() {
    let keys = "bearer_token_file bearer_token_env bearer_token capability_file capability_env \
                capability header value_file value_env value none";
    let shapes = |key: &str| {
        [
            format!("{key} = \"{LEAK}\""),
            format!("{key} = [\"{LEAK}\", 1]"),
            format!("{key} = [\"{LEAK}\", \"{LEAK}\"]"),
            format!("{key} = {{ inner = \"{LEAK}\" }}"),
        ]
    };
    for text in keys.split(' ').flat_map(shapes) {
        silent(&source(&format!("auth = {{ {text} }}")));
    }
    silent(&source(&format!("auth = \"{LEAK}\"")));
    silent(&source(&format!(
        "auth = {{ none = true }}\nkeep_headers = [\"X: {LEAK}\"]"
    )));
    let token = beside_good(&format!("[admin]\nread_token_file = \"{LEAK}\""));
    silent(&token);
    let keys = "token_file token_env token api_key_file api_key_env api_key bearer_token_file \
                bearer_token_env password_file password_env password header value_file value_env \
                url ca_file headers fields";
    for kind in ["splunk_hec", "elasticsearch", "http"] {
        for text in keys.split(' ').flat_map(shapes) {
            // A URL beside every key but itself, and a fault in any case.
            let url = if text.starts_with("url") {
                ""
            } else {
                "url = \"https://h\"\n"
            };
            let lines = format!("kind = \"{kind}\"\nretry_jitter = 2\n{url}{text}");
            silent(&destination(&lines));
        }
        for url in [
            "https://u:LEAK@h",
            "https://h?token=LEAK",
            "https://h#LEAK",
            "LEAK://h",
        ] {
            let url = url.replace("LEAK", LEAK);
            silent(&destination(&format!("kind = \"{kind}\"\nurl = \"{url}\"")));
        }
    }
}

/// Expects problems that do not repeat the secret.
fn silent(text: &str) {
    let found = problems(text).join("\n");
    assert!(!found.is_empty(), "accepted: {text}");
    assert!(!found.contains("hunter2"), "{found}\nin\n{text}");
}

#[test]
fn a_secret_that_was_read_is_in_neither_messages_nor_debug() {
    let fixture = Fixture::new(&source("auth = { capability_file = \"slashes\" }"));
    let problems = fixture.load(&[]).unwrap_err();
    assert!(
        !format!("{problems} {problems:?}").contains("horse"),
        "{problems:?}"
    );
    let (settings, _) = loaded(&source("auth = { capability_file = \"token\" }"));
    assert!(!format!("{settings:?}").contains("horse"));
}
