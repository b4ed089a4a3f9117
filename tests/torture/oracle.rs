//! Compares what was answered with what arrived, and prints the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::load::Posted;
use crate::siem::file_ids;

/// What one destination got.
pub(crate) struct Arrived {
    pub(crate) name: &'static str,
    /// Different events.
    pub(crate) events: u64,
    lost: Vec<String>,
    repeated: usize,
    answered: usize,
}

/// The result of a run.
pub(crate) struct Figures {
    pub(crate) kills: u64,
    /// Kills before the relay was ready.
    pub(crate) early: usize,
    pub(crate) posted: Posted,
    pub(crate) arrived: Vec<Arrived>,
    /// From each start until the relay was ready.
    pub(crate) restarts: Vec<Duration>,
}

impl Arrived {
    /// Compares the ids answered 2xx with the ids that came, and how often.
    pub(crate) fn compare(
        name: &'static str,
        answered: &BTreeSet<String>,
        arrived: &BTreeMap<String, usize>,
    ) -> Self {
        let lost = answered.iter().filter(|id| !arrived.contains_key(*id));
        Self {
            name,
            events: arrived.len() as u64,
            lost: lost.cloned().collect(),
            repeated: arrived.values().map(|count| count - 1).sum(),
            answered: answered.len(),
        }
    }

    pub(crate) fn expect_whole(&self) {
        let (name, count) = (self.name, self.lost.len());
        assert!(self.lost.is_empty(), "{name} lost {count}: {:?}", self.lost);
    }
}

impl Figures {
    /// Without events and restarts a run proves nothing.
    pub(crate) fn expect_load(&self) {
        let (kills, early) = (usize::try_from(self.kills).unwrap(), self.early);
        assert!(early < kills, "no relay lived until it was ready");
        assert!(self.posted.answered.len() > kills, "hardly any event");
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = self.posted.answered.len();
        let (kills, early, broken) = (self.kills, self.early, self.posted.broken);
        writeln!(f, "kills: {kills}, of these before ready: {early}")?;
        let refused = &self.posted.refused;
        writeln!(
            f,
            "answered 2xx: {answered}, broken requests: {broken}, other answers: {refused:?}"
        )?;
        for arrived in &self.arrived {
            let percent = percent(arrived.repeated, arrived.answered);
            writeln!(
                f,
                "{}: lost {}, repeated {} ({percent:.2} % of answered)",
                arrived.name,
                arrived.lost.len(),
                arrived.repeated
            )?;
        }
        let mut restarts = self.restarts.clone();
        restarts.sort_unstable();
        let median = restarts.get(restarts.len() / 2);
        let (median, max) = (
            median.copied().unwrap_or_default(),
            restarts.last().copied().unwrap_or_default(),
        );
        write!(
            f,
            "start until ready: median {} ms, max {} ms",
            median.as_millis(),
            max.as_millis()
        )
    }
}

/// Ids in all files of a file destination, with how often each is there; every line of them must
/// be whole.
pub(crate) fn arrived_in_files(directory: &Path) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a torn last line");
        for (id, count) in file_ids(&text) {
            *ids.entry(id).or_insert(0) += count;
        }
    }
    ids
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[test]
fn an_answered_event_that_did_not_arrive_is_lost_and_one_that_came_twice_is_repeated() {
    let answered = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let arrived = BTreeMap::from([("a".to_owned(), 3), ("unanswered".to_owned(), 1)]);
    let compared = Arrived::compare("splunk", &answered, &arrived);
    assert_eq!(compared.lost, ["b"]);
    assert_eq!((compared.repeated, compared.events), (2, 2));
}

#[test]
#[should_panic(expected = "splunk lost 1")]
fn a_lost_event_fails_the_run() {
    let answered = BTreeSet::from(["a".to_owned()]);
    Arrived::compare("splunk", &answered, &BTreeMap::new()).expect_whole();
}
