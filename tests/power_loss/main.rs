//! Proves with the real binary, traced from outside, that the order of its system calls keeps every
//! answered event through a power cut at any moment, also in the recovery after a kill.
//!
//! strace records a relay that is killed in the middle and started again. Rules check the order;
//! then the disk is rebuilt as it may be after power cuts, and the journal is opened from it.
//! `SIEM_RELAY_POWER_LOSS_CUTS` sets how many, `SIEM_RELAY_POWER_LOSS_SEED` brings them back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::BTreeSet;

#[path = "../support/chance.rs"]
mod chance;
mod format;
mod handmade;
mod image;
#[path = "../support/relay.rs"]
mod relay;
mod reopen;
mod rules;
mod session;
mod story;
mod trace;

use chance::{Chance, number_from_environment};
use relay::Setup;
use reopen::DESTINATION;
use rules::Rules;
use session::Session;
use story::{Act, Story};

/// Events answered in the first session, at least: more than the journal holds.
const EVENTS: usize = 200;
const CUTS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_event_survives_a_power_cut_at_any_moment() {
    let strace = match session::strace() {
        Ok(strace) => strace,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let mut chance = Chance::from_environment("SIEM_RELAY_POWER_LOSS_SEED");
    let setup = set_up();
    let mut story = Story::new(&setup.path("").canonicalize().unwrap());
    let mut answered = BTreeSet::new();

    let killed = Session::start(&setup, &strace, "trace-1");
    answered.extend(killed.post_until_killed(EVENTS).await);
    story.add_session(&session::whole_trace(&setup, "trace-1").await);

    let stopped = Session::start(&setup, &strace, "trace-2");
    answered.extend(stopped.post_until_recycled(&setup, "trace-2").await);
    stopped.settle_and_stop(&setup).await;
    story.add_session(&session::whole_trace(&setup, "trace-2").await);

    let rules = Rules::new(&story);
    let seen: BTreeSet<_> = rules.answers().map(|(id, _)| id).collect();
    assert!(answered.is_subset(&seen), "answers are not in the trace");
    let answers = rules.answers_follow_syncs().unwrap();
    let renames = rules.names_follow_content().unwrap();
    let gone = rules.segments_go_after_cursors().unwrap();
    let recycled = rules.spares_are_named_before_writes().unwrap();
    let passed = rules.cursors_follow_deliveries().unwrap();
    println!(
        "{answers} answers, {renames} renames, {gone} segments that went, {recycled} of them to \
         become others, {passed} passed events"
    );
    assert!(renames > 2 && gone > recycled, "no segment came and went");
    assert!(recycled > 0, "no segment became another one");
    assert!(passed > 0, "no cursor moved");

    let cuts = number_from_environment("SIEM_RELAY_POWER_LOSS_CUTS", CUTS);
    println!(
        "again with SIEM_RELAY_POWER_LOSS_SEED={} (for this trace)",
        chance.seed()
    );
    let mut needed = 0;
    for line in cut_lines(&story, cuts, &mut chance) {
        needed += reopen::survives(&story, &rules, line, &mut chance).unwrap();
    }
    println!("{cuts} power cuts: {needed} answered events that had to be there, and are");
    assert!(needed > 0, "no cut came between an answer and a delivery");
    what_is_left_out_is_noticed(&story, &mut chance);
}

/// The same story without one kind of sync loses events, and rules and power cuts both see it.
fn what_is_left_out_is_noticed(story: &Story, chance: &mut Chance) {
    let segments = story.files(|name| name.ends_with(".seg"));
    let cursors = story.files(|name| name == "cursors");
    let left_out = |kind: &str, act: &Act| match act {
        Act::Sync(file) => match kind {
            "segments" => segments.contains_key(file),
            "cursors" => cursors.contains_key(file),
            _ => false,
        },
        Act::SyncDirectory(_) => kind == "directories",
        _ => false,
    };
    for kind in ["segments", "cursors", "directories"] {
        let story = story.without(|act| left_out(kind, act));
        let rules = Rules::new(&story);
        let judged = [
            rules.answers_follow_syncs(),
            rules.names_follow_content(),
            rules.segments_go_after_cursors(),
            rules.spares_are_named_before_writes(),
        ];
        assert!(judged.iter().any(Result::is_err), "{kind}: {judged:?}");
        let lost = cut_lines(&story, CUTS, chance)
            .into_iter()
            .find_map(|line| reopen::survives(&story, &rules, line, chance).err());
        let lost = lost.unwrap_or_else(|| panic!("without syncs of {kind} nothing is lost"));
        println!("without syncs of {kind}: {lost}");
    }
}

/// Lines before which the power is cut: right behind steps, since nothing changes between them.
fn cut_lines(story: &Story, count: u64, chance: &mut Chance) -> Vec<usize> {
    let ends = story.steps.iter().flat_map(|step| [step.begin, step.end]);
    let moments: Vec<_> = ends.map(|line| line + 1).collect();
    let moment = |_| moments[usize::try_from(chance.below(moments.len() as u64)).unwrap()];
    (0..count).map(moment).collect()
}

/// Few and small segments that go as soon as they may, also for lack of space while cursors move;
/// and one destination whose file is traced, too.
fn set_up() -> Setup {
    let destination = format!(
        "[destinations.{DESTINATION}]\nkind = \"file\"\npath = \"archive/events.jsonl\"\n\
         envelope = true\n"
    );
    let setup = Setup::new("", &destination);
    setup.edit("max_size = \"64MiB\"", "max_size = \"4MiB\"");
    setup.edit(
        "segment_size = \"1MiB\"",
        "segment_size = \"1MiB\"\nretain_delivered = \"0s\"\nresend_window = 0",
    );
    setup
}
