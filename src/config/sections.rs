//! The sections that exist once: server, admin, journal, dead letters, log.
//!
//! Each reader states its keys with their defaults and ranges, then the rules between them.
//! Knows nothing of sources and destinations.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::settings::{Admin, DeadLetters, Journal, Log, Server, ServerTls};

use super::secrets::{self, Rule};
use super::table::{Fault, Raw, Table};
use super::units::shown_size;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
/// Largest body that any configuration accepts, in bytes.
const BODY_BYTES_MAX: u64 = 64 * MIB;
/// A body takes at most one of so many parts of a segment, so that sealing wastes little.
const BODIES_PER_SEGMENT: u64 = 4;
/// Fewest segments: written, prepared, and two to keep while one is let go.
const SEGMENTS_MIN: u64 = 4;
/// Characters of the path before the source's name.
const PATH_CHARS_MAX: usize = 128;
/// Bytes of a log level, as the log set-up takes them.
const LEVEL_BYTES_MAX: usize = 1024;
/// The words of a log level.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const SECOND: Duration = Duration::from_secs(1);
const TENTH: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether only this machine can reach the address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// `[server]`.
pub(super) fn server(table: &Table<'_>) -> Server {
    let listen = listen(table, 8080);
    let server = Server {
        listen,
        path: path(table),
        tls: tls(table),
        trusted_proxies: table.networks("trusted_proxies"),
        allow_plaintext: table.flag("allow_plaintext", false),
        max_connections: table.count("max_connections", 1024, 1..=65_536),
        max_headers: table.count("max_headers", 64, 8..=1024),
        max_header_bytes: table.memory("max_header_size", 32 * 1024, 8 * KIB..=MIB),
        header_timeout: table.duration("header_timeout", 30 * SECOND, TENTH..=10 * MINUTE),
        max_body_bytes: table.memory("max_body", 1024 * 1024, KIB..=BODY_BYTES_MAX),
        body_timeout: table.duration("body_timeout", 15 * SECOND, TENTH..=10 * MINUTE),
        max_inflight_bytes: table.memory("max_inflight_bytes", 32 * 1024 * 1024, KIB..=4 * GIB),
        drain_delay: table.duration("drain_delay", 5 * SECOND, Duration::ZERO..=10 * MINUTE),
        stop_timeout: table.duration("stop_timeout", 20 * SECOND, TENTH..=10 * MINUTE),
    };
    if server.max_inflight_bytes < server.max_body_bytes {
        let what = "is smaller than server.max_body, so that the largest body never fits";
        table.problem(
            "max_inflight_bytes",
            what,
            "raise it to several times max_body",
        );
    }
    if server
        .trusted_proxies
        .iter()
        .any(|proxies| proxies.prefix_len() == 0)
    {
        let text = "every sender is believed about its address, so allow_addresses stops no one";
        table.warning("trusted_proxies", text);
    }
    let plain_to_all = server.tls.is_none() && !is_loopback(listen.ip());
    if plain_to_all && server.allow_plaintext {
        let text = "vendors' secrets and events cross the network in plain HTTP";
        table.warning("allow_plaintext", text);
    } else if plain_to_all && server.trusted_proxies.is_empty() && !table.has("certificate_file") {
        table.problem(
            "listen",
            "plain HTTP off loopback",
            "set certificate_file and key_file, or trusted_proxies if a proxy does TLS, or \
             allow_plaintext = true",
        );
    }
    server
}

/// `[admin]`.
pub(super) fn admin(table: &Table<'_>, server: &Server) -> Admin {
    let listen = listen(table, 9600);
    let read_token = secrets::one(table, "read_token", Rule::BEARER_IN);
    let write_token = secrets::one(table, "write_token", Rule::BEARER_IN);
    if let (Some(read), Some(write)) = (&read_token, &write_token)
        && table.reads_secrets()
        && read.value().expose_secret() == write.value().expose_secret()
    {
        let key = ["write_token_file", "write_token_env"].map(|key| (key, table.has(key)));
        let key = key.into_iter().find(|(_, named)| *named);
        table.problem(
            key.map_or("write_token_file", |(key, _)| key),
            "the secret is the read token, so that whoever may look may also give commands",
            "make another one, such as with openssl rand -hex 32",
        );
    }
    if !is_loopback(listen.ip()) {
        let text = "off loopback, metrics and health are open to all and there is no TLS";
        table.warning("listen", text);
    }
    if collide(listen, server.listen) {
        let what = "is the address of server.listen";
        table.problem("listen", what, "give the admin listener a port of its own");
    }
    Admin {
        listen,
        read_token,
        write_token,
    }
}

/// `[journal]`.
pub(super) fn journal(table: &Table<'_>, server: &Server) -> Journal {
    let journal = Journal {
        directory: directory(table, "siem-relay-data/journal"),
        max_size_bytes: table.size("max_size", 10 * GIB, 4 * MIB..=1024 * TIB),
        segment_bytes: table.size("segment_size", 64 * MIB, MIB..=GIB),
        reserve_bytes: table.size("reserve", 128 * MIB, 0..=1024 * GIB),
        retain_delivered: table.duration("retain_delivered", 3 * DAY, Duration::ZERO..=3650 * DAY),
        resend_window: table.count("resend_window", 100_000, 0..=10_000_000),
        scrub_interval: table.duration("scrub_interval", DAY, Duration::ZERO..=365 * DAY),
        allow_ephemeral: table.flag("allow_ephemeral", false),
        collect_only: table.flag("collect_only", false),
    };
    let least = journal.segment_bytes.saturating_mul(SEGMENTS_MIN);
    if journal.max_size_bytes < least {
        table.problem(
            "max_size",
            format!("is smaller than {SEGMENTS_MIN} segments of journal.segment_size"),
            format!(
                "raise it to {} or more, or lower segment_size",
                shown_size(least)
            ),
        );
    }
    let body_max = journal.segment_bytes / BODIES_PER_SEGMENT;
    if u64::try_from(server.max_body_bytes).unwrap_or(u64::MAX) > body_max {
        table.problem(
            "segment_size",
            format!("is smaller than {BODIES_PER_SEGMENT} bodies of server.max_body"),
            "raise it, or lower server.max_body",
        );
    }
    journal
}

/// `[dead_letters]`.
pub(super) fn dead_letters(table: &Table<'_>, journal: &Journal) -> DeadLetters {
    let directory = directory(table, "siem-relay-data/dead-letters");
    if is_inside(&directory, &journal.directory) || is_inside(&journal.directory, &directory) {
        let what = "is journal.directory, or one lies inside the other";
        table.problem("directory", what, "give each a directory of its own");
    }
    DeadLetters {
        directory,
        max_size_bytes: table.size("max_size", GIB, MIB..=1024 * TIB),
        reserve_bytes: table.size("reserve", 16 * MIB, 0..=TIB),
    }
}

/// `[log]`.
pub(super) fn log(table: &Table<'_>) -> Log {
    let json = table.one_of("format", Some("json"), &[("json", true), ("text", false)]);
    let level = table.string("level", Some("info")).unwrap_or_default();
    let is_level = |part: &str| {
        let (target, level) = part.rsplit_once('=').unwrap_or(("siem_relay", part));
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_word = |part: &str| !part.is_empty() && part.chars().all(word);
        LEVELS.contains(&level) && target.split("::").all(is_word)
    };
    if level.len() > LEVEL_BYTES_MAX || !level.split(',').all(is_level) {
        let remedy = format!(
            "write one of {}, or such as info,siem_relay=debug",
            LEVELS.join(", ")
        );
        table.problem("level", "is not a log level", remedy);
    }
    Log {
        json: json.unwrap_or(true),
        level,
    }
}

/// Whether a path is a directory or lies below it, by its text: links are not followed.
pub(super) fn is_inside(path: &Path, directory: &Path) -> bool {
    plain(path).starts_with(plain(directory))
}

/// The path without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn directory(table: &Table<'_>, default: &str) -> PathBuf {
    let path = table.path("directory", Some(default));
    path.unwrap_or_else(|| table.base().join(default))
}

fn listen(table: &Table<'_>, port: u16) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let parse = |raw: Raw<'_>| {
        let address = raw.value.as_str().and_then(|text| text.parse().ok());
        let what = "must be a string with an IP address and a port";
        let remedy = format!("write such as \"{default}\" or \"0.0.0.0:{port}\"");
        address.ok_or_else(|| Fault::new(what, remedy))
    };
    table
        .parsed("listen", Some(default.to_string()), parse)
        .unwrap_or(default)
}

/// Whether two listeners would want one port. Port 0 is a different one each time.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same
}

fn path(table: &Table<'_>) -> String {
    let path = table.string("path", Some("/hooks")).unwrap_or_default();
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && part.chars().all(unreserved)
    };
    let well_formed = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(segment));
    if !well_formed || path.len() > PATH_CHARS_MAX || path == "/healthz" {
        let what = format!(
            "is not a path of at most {PATH_CHARS_MAX} letters, digits and -._~ in segments, or \
             is /healthz"
        );
        table.problem(
            "path",
            what,
            "write such as \"/hooks\", without a slash at the end",
        );
    }
    path
}

fn tls(table: &Table<'_>) -> Option<ServerTls> {
    let certificate_file = table.readable("certificate_file");
    let key_file = table.readable("key_file");
    match (table.has("certificate_file"), table.has("key_file")) {
        (true, false) => table.problem("key_file", "missing beside certificate_file", "set both"),
        (false, true) => {
            table.problem("certificate_file", "missing beside key_file", "set both");
        }
        _ => {}
    }
    Some(ServerTls {
        certificate_file: certificate_file?,
        key_file: key_file?,
    })
}
