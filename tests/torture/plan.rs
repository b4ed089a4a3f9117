//! When the relay is killed, and how Splunk behaves meanwhile: drawn from one seed.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::chance::{Chance, number_from_environment};
use crate::fake_http::Reply;

const KILLS: u64 = 50;
/// The latest moment of a kill, after the start.
const LIFE_MAX_MS: u64 = 1500;
/// One kill in this many comes while the relay starts.
const EARLY_ONE_IN: u64 = 4;
/// Roughly how long a start takes.
const EARLY_MAX_MS: u64 = 120;
/// An outage begins in one life of this many, and lasts for up to three.
const OUTAGE_ONE_IN: u64 = 6;
const OUTAGE_LIVES_MAX: u64 = 3;

/// Splunk takes what it is sent.
pub(crate) const TAKES: u8 = 0;
/// It answers 503.
const BUSY: u8 = 1;
/// It closes each connection without an answer.
const DOWN: u8 = 2;

/// The plan of one run.
pub(crate) struct Plan {
    kills: u64,
    outages: bool,
    life_max_ms: u64,
    chance: Chance,
}

/// One life of the relay.
pub(crate) struct Round {
    pub(crate) kill_after: Duration,
    pub(crate) mood: u8,
}

/// How the fake Splunk behaves now.
#[derive(Default)]
pub(crate) struct Mood(AtomicU8);

impl Plan {
    pub(crate) fn from_environment() -> Self {
        Self {
            kills: number_from_environment("SIEM_RELAY_TORTURE_KILLS", KILLS),
            outages: number_from_environment("SIEM_RELAY_TORTURE_OUTAGES", 1) != 0,
            life_max_ms: number_from_environment("SIEM_RELAY_TORTURE_LIFE_MS", LIFE_MAX_MS),
            chance: Chance::from_environment("SIEM_RELAY_TORTURE_SEED"),
        }
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills
    }

    pub(crate) fn rounds(&mut self) -> Vec<Round> {
        let chance = &mut self.chance;
        let mut mood = TAKES;
        let mut lives_left = 0;
        let mut rounds = Vec::new();
        for _ in 0..self.kills {
            if lives_left == 0 {
                mood = TAKES;
                if self.outages && chance.one_in(OUTAGE_ONE_IN) {
                    mood = if chance.one_in(2) { BUSY } else { DOWN };
                    lives_left = 1 + chance.below(OUTAGE_LIVES_MAX);
                }
            }
            lives_left = u64::saturating_sub(lives_left, 1);
            let early = chance.one_in(EARLY_ONE_IN);
            let limit = if early {
                EARLY_MAX_MS
            } else {
                self.life_max_ms
            };
            // In microseconds, so that two starts are not cut at the same few places.
            let kill_after = Duration::from_micros(chance.below(limit * 1000 + 1));
            rounds.push(Round { kill_after, mood });
        }
        rounds
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kills, seed) = (self.kills, self.chance.seed());
        let (outages, life_max_ms) = (u8::from(self.outages), self.life_max_ms);
        write!(
            f,
            "again with SIEM_RELAY_TORTURE_KILLS={kills} SIEM_RELAY_TORTURE_OUTAGES={outages} \
             SIEM_RELAY_TORTURE_LIFE_MS={life_max_ms} SIEM_RELAY_TORTURE_SEED={seed}"
        )
    }
}

impl Mood {
    pub(crate) fn set(&self, mood: u8) {
        self.0.store(mood, Ordering::SeqCst);
    }

    /// What Splunk answers instead of taking the events.
    pub(crate) fn refusal(&self) -> Option<Reply> {
        match self.0.load(Ordering::SeqCst) {
            TAKES => None,
            BUSY => Some(Reply::status(503, r#"{"text":"Server is busy","code":9}"#)),
            _ => Some(Reply::CloseWithoutAnswer),
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_plan_and_it_has_outages_and_early_kills() {
    let rounds = |seed| {
        let chance = Chance::new(seed);
        let mut plan = Plan {
            kills: 200,
            outages: true,
            life_max_ms: LIFE_MAX_MS,
            chance,
        };
        let rounds = plan.rounds();
        let drawn = rounds.iter().map(|round| (round.kill_after, round.mood));
        drawn.collect::<Vec<_>>()
    };
    assert_eq!(rounds(7), rounds(7));
    assert_ne!(rounds(7), rounds(8));
    for mood in [TAKES, BUSY, DOWN] {
        assert!(rounds(7).iter().any(|round| round.1 == mood), "{mood}");
    }
    let early = Duration::from_millis(EARLY_MAX_MS / 4);
    assert!(rounds(7).iter().any(|round| round.0 < early));
}
