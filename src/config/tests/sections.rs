//! Proves the rules of the sections that exist once: what is accepted, what is refused, and how.

use std::time::Duration;

use super::*;

#[test]
fn an_empty_section_gives_the_documented_defaults() {
    let settings = accepted(&beside_good(""));
    let server = &settings.server;
    assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(server.path, "/hooks");
    assert!(server.tls.is_none() && server.trusted_proxies.is_empty());
    assert_eq!(server.max_connections, 1024);
    assert_eq!(server.max_header_bytes, 32 * 1024);
    assert_eq!(server.header_timeout, Duration::from_secs(30));
    assert_eq!(server.max_inflight_bytes, 32 * 1024 * 1024);
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:9600");
    assert_eq!(settings.journal.max_size_bytes, 10 << 30);
    assert_eq!(settings.journal.segment_bytes, 64 << 20);
    assert_eq!(
        settings.journal.retain_delivered,
        Duration::from_secs(72 * 3600)
    );
    assert_eq!(settings.dead_letters.max_size_bytes, 1 << 30);
    assert!(settings.log.json);
    assert_eq!(settings.log.level, "info");
}

#[test]
fn relative_paths_start_at_the_files_directory() {
    let fixture = Fixture::new(&beside_good("[journal]\ndirectory = \"j\""));
    let settings = fixture.load(&[]).unwrap().settings;
    assert_eq!(
        settings.journal.directory,
        fixture.directory.path().join("j")
    );
    let dead_letters = fixture
        .directory
        .path()
        .join("siem-relay-data/dead-letters");
    assert_eq!(settings.dead_letters.directory, dead_letters);
}

#[test]
fn a_bare_file_name_still_gives_absolute_paths() {
    let fixture = Fixture::new("");
    let tree = Tree::read(
        &fixture.directory.path().join("config.toml"),
        std::iter::empty(),
    );
    let tree = tree.unwrap();
    let base = |file: &str| {
        let walk = Walk::new(&tree, Path::new(file), Secrets::Read);
        walk.read(|root| root.base().to_owned())
    };
    let here = std::env::current_dir().unwrap();
    assert_eq!(base("config.toml"), here);
    assert_eq!(base("etc/config.toml"), here.join("etc"));
}

#[test]
fn values_out_of_range_are_refused_with_unit_and_range() {
    for (section, expected) in [
        (
            "[server]\nmax_connections = 0",
            "server.max_connections: 0 is out of range; write a whole number from 1 to 65536",
        ),
        (
            "[server]\nmax_headers = -1",
            "server.max_headers: -1 is out of range; write a whole number from 8 to 1024",
        ),
        (
            "[server]\nmax_header_size = 10",
            "server.max_header_size: 10B is out of range; write a size from 8KiB to 1MiB",
        ),
        (
            "[server]\nheader_timeout = \"11m\"",
            "server.header_timeout: 11m is out of range; write a duration from 100ms to 10m",
        ),
        (
            "[server]\nmax_body = \"65MiB\"\n[journal]\nsegment_size = \"1GiB\"",
            "server.max_body: 65MiB is out of range; write a size from 1KiB to 64MiB",
        ),
        (
            "[journal]\nsegment_size = \"2GiB\"",
            "journal.segment_size: 2GiB is out of range; write a size from 1MiB to 1GiB",
        ),
        (
            "[journal]\nresend_window = 10000001",
            "journal.resend_window: 10000001 is out of range",
        ),
        (
            "[dead_letters]\nmax_size = \"1KiB\"",
            "dead_letters.max_size: 1KiB is out of range",
        ),
    ] {
        refused(&beside_good(section), expected);
    }
}

#[test]
fn sizes_have_units_of_both_systems() {
    for (text, bytes) in [
        ("2000000", 2_000_000),
        ("\"2000000\"", 2_000_000),
        ("\"2000000B\"", 2_000_000),
        ("\"1100KiB\"", 1_126_400),
        ("\"2 MB\"", 2_000_000),
        ("\"2mib\"", 2_097_152),
        ("\"1GiB\"", 1_073_741_824),
        ("\"3TB\"", 3_000_000_000_000),
    ] {
        let section = format!("[dead_letters]\nmax_size = {text}");
        assert_eq!(
            accepted(&beside_good(&section)).dead_letters.max_size_bytes,
            bytes,
            "{text}"
        );
    }
}

#[test]
fn wrong_types_are_refused_with_the_type_that_is_wanted() {
    for (section, expected) in [
        (
            "[server]\nlisten = 8080",
            "server.listen: must be a string with an IP address",
        ),
        (
            "[server]\nlisten = \"localhost:1\"",
            "server.listen: must be a string with an IP",
        ),
        (
            "[server]\npath = 1979-05-27",
            "server.path: must be a string, is a date",
        ),
        (
            "[server]\nmax_headers = \"64\"",
            "server.max_headers: must be a whole number, is a str",
        ),
        (
            "[server]\nmax_headers = 64.5",
            "server.max_headers: must be a whole number, is a num",
        ),
        (
            "[server]\nmax_body = true",
            "server.max_body: must be a size, is a boolean",
        ),
        (
            "[server]\nmax_body = \"1 mile\"",
            "server.max_body: is not a size",
        ),
        (
            "[server]\nmax_body = \"99999999999TiB\"",
            "server.max_body: is not a size",
        ),
        (
            "[server]\nbody_timeout = 15",
            "server.body_timeout: must be a duration, is a number",
        ),
        (
            "[server]\nbody_timeout = \"15\"",
            "server.body_timeout: is not a duration",
        ),
        (
            "[server]\nallow_plaintext = \"yes\"",
            "server.allow_plaintext: must be true or false",
        ),
        (
            "[server]\ntrusted_proxies = \"10.0.0.0/8\"",
            "server.trusted_proxies: must be a list",
        ),
        (
            "[server]\ntrusted_proxies = [1]",
            "server.trusted_proxies: has a number in its list",
        ),
        (
            "[journal]\ndirectory = \" \"",
            "journal.directory: is empty",
        ),
        (
            "server = 1979-05-27",
            "server: must be a table, is a date; write [server]",
        ),
        (
            "[log]\nformat = \"xml\"",
            "log.format: \"xml\" is unknown; write one of json, text",
        ),
    ] {
        refused(&beside_good(section), expected);
    }
}

#[test]
fn plain_http_off_loopback_needs_a_decision() {
    let off = |lines: &str| beside_good(&format!("[server]\nlisten = \"0.0.0.0:8080\"\n{lines}"));
    refused(
        &off(""),
        "server.listen: plain HTTP off loopback; set certificate_file and key_file",
    );
    let (_, warnings) = loaded(&off("trusted_proxies = [\"10.0.0.0/8\"]"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let (settings, _) = loaded(&off("certificate_file = \"c.pem\"\nkey_file = \"k.pem\""));
    assert!(settings.server.tls.unwrap().key_file.ends_with("k.pem"));
    let (_, warnings) = loaded(&off("allow_plaintext = true"));
    assert_eq!(
        warnings,
        [
            "config.toml: server.allow_plaintext: vendors' secrets and events cross the network in \
          plain HTTP"
        ]
    );
    accepted(&beside_good(
        "[server]\nlisten = \"[::ffff:127.0.0.1]:8080\"",
    ));
}

#[test]
fn a_proxy_network_of_everyone_is_a_warning() {
    let (_, warnings) = loaded(&beside_good("[server]\ntrusted_proxies = [\"::/0\"]"));
    let expected = "config.toml: server.trusted_proxies: every sender is believed";
    assert!(
        warnings.len() == 1 && warnings[0].starts_with(expected),
        "{warnings:?}"
    );
}

#[test]
fn certificate_and_key_can_be_read() {
    for (file, fault) in [("absent.pem", "No such file"), (".", "it is a directory")] {
        let section = format!("[server]\ncertificate_file = \"c.pem\"\nkey_file = \"{file}\"");
        let expected = format!("server.key_file: the file cannot be read: {fault}");
        refused(&beside_good(&section), &expected);
    }
}

#[test]
fn certificate_and_key_go_together() {
    let section = "[server]\nlisten = \"0.0.0.0:8080\"\ncertificate_file = \"c.pem\"";
    refused(
        &beside_good(section),
        "server.key_file: missing beside certificate_file; set both",
    );
    let section = "[server]\nkey_file = \"k.pem\"";
    refused(
        &beside_good(section),
        "server.certificate_file: missing beside key_file; set both",
    );
}

#[test]
fn the_path_is_made_of_plain_segments() {
    for good in ["/hooks", "/a/b.c/~d_e-1"] {
        let section = format!("[server]\npath = \"{good}\"");
        assert_eq!(accepted(&beside_good(&section)).server.path, good);
    }
    let long = format!("/{}", "a".repeat(128));
    for bad in [
        "hooks", "/", "/hooks/", "/a//b", "/a/../b", "/a b", "/a?b", "/healthz", &long,
    ] {
        let section = format!("[server]\npath = \"{bad}\"");
        refused(
            &beside_good(&section),
            "server.path: is not a path of at most 128 letters",
        );
    }
}

#[test]
fn networks_are_addresses_or_prefixes_without_further_bits() {
    let section = "[server]\ntrusted_proxies = [\"192.0.2.7\", \"10.0.0.0/8\", \"2001:db8::/32\"]";
    let proxies = accepted(&beside_good(section)).server.trusted_proxies;
    let texts: Vec<_> = proxies.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["192.0.2.7/32", "10.0.0.0/8", "2001:db8::/32"]);
    for (bad, expected) in [
        (
            "10.0.0.1/8",
            "\"10.0.0.1/8\" has bits beyond its prefix; write 10.0.0.0/8",
        ),
        ("proxy", "\"proxy\" is neither an address nor a network"),
        (
            "10.0.0.0/33",
            "\"10.0.0.0/33\" is neither an address nor a network",
        ),
    ] {
        let section = format!("[server]\ntrusted_proxies = [\"{bad}\"]");
        refused(
            &beside_good(&section),
            &format!("server.trusted_proxies: {expected}"),
        );
    }
    let section = "[server]\ntrusted_proxies = [\"::1\", \"::1\"]";
    refused(
        &beside_good(section),
        "server.trusted_proxies: has an entry twice",
    );
}

#[test]
fn a_body_fits_into_the_budget_and_well_into_a_segment() {
    let section = "[server]\nmax_body = \"2MiB\"\nmax_inflight_bytes = \"1MiB\"";
    refused(
        &beside_good(section),
        "server.max_inflight_bytes: is smaller than server.max_body",
    );
    let sizes =
        |body: &str| format!("[server]\nmax_body = \"{body}\"\n[journal]\nsegment_size = \"4MiB\"");
    accepted(&beside_good(&sizes("1MiB")));
    let expected = "journal.segment_size: is smaller than 4 bodies of server.max_body";
    refused(&beside_good(&sizes("1025KiB")), expected);
}

#[test]
fn the_journal_holds_four_segments_or_more() {
    let sizes = |max: &str| format!("[journal]\nsegment_size = \"16MiB\"\nmax_size = \"{max}\"");
    accepted(&beside_good(&sizes("64MiB")));
    refused(
        &beside_good(&sizes("63MiB")),
        "journal.max_size: is smaller than 4 segments of journal.segment_size; raise it to 64MiB",
    );
}

#[test]
fn journal_and_dead_letters_do_not_share_a_directory() {
    for (journal, dead_letters) in [("a", "a"), ("a", "b/../a"), ("a", "a/b"), ("a/b", "a")] {
        let section = format!(
            "[journal]\ndirectory = \"{journal}\"\n[dead_letters]\ndirectory = \"{dead_letters}\""
        );
        refused(
            &beside_good(&section),
            "dead_letters.directory: is journal.directory, or one",
        );
    }
    accepted(&beside_good(
        "[journal]\ndirectory = \"a\"\n[dead_letters]\ndirectory = \"ab\"",
    ));
}

#[test]
fn the_listeners_have_a_port_each() {
    let listen = |server: &str, admin: &str| {
        beside_good(&format!(
            "[server]\nlisten = \"{server}\"\n[admin]\nlisten = \"{admin}\""
        ))
    };
    let expected = "admin.listen: is the address of server.listen";
    refused(&listen("127.0.0.1:9600", "127.0.0.1:9600"), expected);
    refused(&listen("127.0.0.1:9600", "0.0.0.0:9600"), expected);
    accepted(&listen("127.0.0.1:0", "127.0.0.1:0"));
    let (_, warnings) = loaded(&listen("127.0.0.1:8080", "0.0.0.0:9600"));
    assert!(
        warnings[0].contains("admin.listen: off loopback"),
        "{warnings:?}"
    );
}

#[test]
fn log_levels_are_words_or_parts_with_words() {
    for good in [
        "off",
        "debug",
        "info,siem_relay=debug",
        "siem_relay::journal=trace,hyper=warn",
    ] {
        accepted(&beside_good(&format!("[log]\nlevel = \"{good}\"")));
    }
    let longer = "info,".repeat(210) + "info";
    for bad in [
        "loud",
        "info,",
        "=debug",
        "siem_relay=loud",
        "a b=info",
        // What the log set-up would refuse when the relay starts.
        "siem_relay:journal=info",
        "siem_relay::=info",
        longer.as_str(),
    ] {
        let section = format!("[log]\nlevel = \"{bad}\"");
        refused(&beside_good(&section), "log.level: is not a log level");
    }
}
