//! One traced life of the relay: strace around the real binary, senders, and an end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::format::Id;
use crate::relay::{PATIENCE, POLL_PAUSE, RUN, Relay, Setup, Starting, TOKEN, binary, eventually};
use crate::reopen::DESTINATION;

const CLIENTS: usize = 8;
/// With it some 60 events fill a segment.
const FILLER_BYTES: usize = 16_000;
/// Every call that changes a file or a directory, makes it durable, or answers. A call of these
/// kinds that the relay does not make today would be seen.
const CALLS: &str = "trace=openat,pwrite64,write,writev,sendto,fdatasync,fsync,rename,renameat,\
     renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat,creat,open,truncate,pwritev,pwritev2,\
     fallocate,sync_file_range,sendmsg,link,linkat,copy_file_range";
/// The longest write is a MiB or two.
const STRING_BYTES_MAX: &str = "8388608";

/// The end of a second path called `spare`, as strace writes it.
const SPARE_AS_TARGET: &str = r#"\x2f\x73\x70\x61\x72\x65")"#;
/// Events posted before the trace is looked at again, and how often at most.
const PORTION: usize = 200;
const PORTIONS_MAX: usize = 30;

/// A running traced relay.
pub(crate) struct Session {
    relay: Relay,
}

/// What became of one request.
enum Posted {
    Answered(Id),
    /// The journal is full for a moment.
    Refused,
    /// The relay is gone.
    Broken,
}

/// strace, where it may trace: the one that `tests/run` found or unpacked, or on the path.
pub(crate) fn strace() -> Result<PathBuf, String> {
    let missing = || "strace is not installed (Debian package strace)".to_owned();
    let named = std::env::var_os("SIEM_RELAY_STRACE").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut on_path = std::env::split_paths(&path).map(|directory| directory.join("strace"));
    let strace = named
        .or_else(|| on_path.find(|file| file.is_file()))
        .ok_or_else(missing)?;
    let probe = Command::new(&strace)
        .args(["-f", "-y", "-xx", "-o", "/dev/null", "true"])
        .output()
        .map_err(|error| format!("{}: {error}", strace.display()))?;
    if probe.status.success() {
        Ok(strace)
    } else {
        let said = String::from_utf8_lossy(&probe.stderr);
        Err(format!("strace cannot trace here: {}", said.trim()))
    }
}

impl Session {
    /// Starts a relay; strace writes to a file in the set-up's directory. With `-D` strace is not
    /// the relay's parent, so signals and the end are the relay's own.
    pub(crate) fn start(setup: &Setup, strace: &Path, trace: &str) -> Self {
        let binary = binary();
        let mut arguments = vec!["-D", "-f", "-y", "-xx", "-s", STRING_BYTES_MAX, "-e", CALLS];
        arguments.extend(["-o", trace, binary.to_str().unwrap()]);
        arguments.extend(RUN);
        let relay = Starting::of(setup.command(strace, &arguments)).ready();
        Self { relay }
    }

    /// Posts until `count` events are answered; their ids.
    pub(crate) async fn post(&self, count: usize) -> BTreeSet<Id> {
        let (mut clients, answered) = self.clients(count);
        while clients.join_next().await.is_some() {}
        answered.lock().unwrap().clone()
    }

    /// Posts until a segment has become the next one, which depends on how delivery keeps up.
    pub(crate) async fn post_until_recycled(&self, setup: &Setup, trace: &str) -> BTreeSet<Id> {
        let mut answered = BTreeSet::new();
        for _ in 0..PORTIONS_MAX {
            answered.extend(self.post(PORTION).await);
            let text = setup.text(trace);
            if text
                .lines()
                .any(|line| line.contains("rename") && line.contains(SPARE_AS_TARGET))
            {
                break;
            }
        }
        answered
    }

    /// The same with SIGKILL in the middle of further posts.
    pub(crate) async fn post_until_killed(self, count: usize) -> BTreeSet<Id> {
        let (clients, answered) = self.clients(usize::MAX);
        eventually("some events are answered", || {
            answered.lock().unwrap().len() >= count
        })
        .await;
        self.relay.kill();
        clients.join_all().await;
        answered.lock().unwrap().clone()
    }

    fn clients(&self, count: usize) -> (JoinSet<()>, Arc<Mutex<BTreeSet<Id>>>) {
        let answered = Arc::new(Mutex::new(BTreeSet::new()));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let url = format!("http://{}/hooks/datatheorem", self.relay.address);
            let request = self.relay.client.post(url).bearer_auth(TOKEN);
            let request = request
                .header("content-type", "application/json")
                .body(format!("{{\"filler\":\"{}\"}}", "x".repeat(FILLER_BYTES)));
            let answered = Arc::clone(&answered);
            clients.spawn(async move {
                while answered.lock().unwrap().len() < count {
                    let request = request.try_clone().unwrap();
                    match posted(request).await {
                        Posted::Answered(id) => {
                            answered.lock().unwrap().insert(id);
                        }
                        Posted::Refused => {}
                        Posted::Broken => return,
                    }
                }
            });
        }
        (clients, answered)
    }

    /// Waits until all is delivered and segments were let go, and ends the relay.
    pub(crate) async fn settle_and_stop(self, setup: &Setup) {
        self.relay.drained(DESTINATION).await;
        let journal = setup.path("journal");
        eventually("one segment is left", || segments(&journal) == 1).await;
        assert!(self.relay.stop().await.success());
    }
}

async fn posted(request: reqwest::RequestBuilder) -> Posted {
    let Ok(response) = request.send().await else {
        return Posted::Broken;
    };
    let status = response.status();
    let Ok(body) = response.bytes().await else {
        return Posted::Broken;
    };
    if status == 503 {
        return Posted::Refused;
    }
    assert_eq!(status, 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let id = body["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    Posted::Answered(id.into_bytes())
}

fn segments(journal: &Path) -> usize {
    let names = std::fs::read_dir(journal).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".seg")).count()
}

/// The trace of a process that has ended; strace writes its last line a little later.
pub(crate) async fn whole_trace(setup: &Setup, name: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = setup.text(name);
        let first_thread = text.split(' ').next().unwrap_or_default();
        let last = text.lines().last().unwrap_or_default();
        // The first thread is reported last, when all the others are gone.
        let is_whole = last.split_once(" +++ ").is_some_and(|(thread, end)| {
            thread.trim() == first_thread && end.ends_with("+++") && text.ends_with('\n')
        });
        if is_whole {
            return text;
        }
        assert!(Instant::now() < deadline, "no end in {name}: {last}");
        tokio::time::sleep(POLL_PAUSE).await; // poll
    }
}
