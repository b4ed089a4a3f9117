//! Proves that clients cannot take the file descriptors that the journal and deliveries need.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::relay::{Setup, binary};

const FILE: &str = "[destinations.archive]\nkind = \"file\"\npath = \"archive.jsonl\"";

/// A binary that runs the relay under a limit of open files.
fn limited(setup: &Setup, limit: &str) -> PathBuf {
    let wrapper = setup.path("limited");
    let script = format!(
        "#!/bin/sh\nulimit {limit}\nexec {} \"$@\"\n",
        binary().display()
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    wrapper
}

#[tokio::test]
async fn a_low_soft_limit_is_raised_to_what_the_settings_may_need() {
    let setup = Setup::new("", FILE);
    let relay = setup.start_binary(&limited(&setup, "-Sn 64"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", relay.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().nth(3))
        .unwrap();
    assert!(soft.parse::<u64>().unwrap() > 1024, "{limits}");
    assert_eq!(relay.status().await["warnings"].to_string(), "[]");
}

#[tokio::test]
async fn idle_connections_leave_the_journal_the_files_that_it_needs() {
    let setup = Setup::new("", FILE);
    // So few that the connections of one client could take them all.
    let relay = setup.start_binary(&limited(&setup, "-n 200"));
    let warnings = relay.status().await["warnings"].to_string();
    assert!(
        warnings.contains("server.max_connections is 25 instead"),
        "{warnings}"
    );
    relay.accepted("{}").await;
    let mut idle = Vec::new();
    for _ in 0..300 {
        idle.push(tokio::net::TcpStream::connect(relay.address).await.unwrap());
    }
    // Several segments: each needs files of its own, and a failure to begin one would poison.
    let body = format!("\"{}\"", "x".repeat(200 * 1024));
    for _ in 0..20 {
        relay.accepted(body.clone()).await;
    }
    drop(idle);
    assert_eq!(relay.drained("archive").await["delivered"], 21);
}
