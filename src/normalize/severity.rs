//! How bad a finding is: the vendor's words to one scale, and that scale in each schema.
//!
//! The numbers of ECS are Elastic's for its own rules (21, 47, 73, 99); `severity_id` is OCSF's.

use crate::settings::Severity;

use serde_json::value::RawValue;

use super::json;
use super::model::{Finding, seen};

/// Words of all vendors, which do not contradict each other. URGENT, IMPORTANT and PROACTIVE are
/// Data Theorem's relevances, of which one is published and two are inferred.
const WORDS: [(&str, Severity); 16] = [
    ("CRITICAL", Severity::Critical),
    ("HIGH", Severity::High),
    ("URGENT", Severity::High),
    ("MEDIUM", Severity::Medium),
    ("IMPORTANT", Severity::Medium),
    ("LOW", Severity::Low),
    ("PROACTIVE", Severity::Low),
    ("MODERATE", Severity::Medium),
    ("ERROR", Severity::High),
    ("WARNING", Severity::Medium),
    ("WARN", Severity::Medium),
    ("NOTE", Severity::Low),
    ("INFO", Severity::Informational),
    ("NONE", Severity::Informational),
    ("INFORMATIONAL", Severity::Informational),
    ("DEBUG", Severity::Informational),
];

/// A CVSS base score, 0 to 10.
pub(super) fn score(value: &RawValue) -> Option<f64> {
    let score: f64 = json::scalar(value)?.parse().ok()?;
    (0.0..=10.0).contains(&score).then_some(score)
}

/// The version at the beginning of a CVSS vector: `CVSS:3.1/...`.
pub(super) fn cvss_version(vector: &str) -> Option<&str> {
    let (version, _) = vector.strip_prefix("CVSS:")?.split_once('/')?;
    let is_version = version.len() <= 4 && version.starts_with(|c: char| c.is_ascii_digit());
    is_version.then_some(version)
}

/// `severity` before `relevance`; the source's own table before the built-in one. A word that
/// neither knows says nothing.
pub(super) fn level(finding: &Finding<'_>, own: &[(String, Severity)]) -> Option<Severity> {
    let words = [seen(&finding.severity), seen(&finding.relevance)];
    words
        .into_iter()
        .flatten()
        .find_map(|word| of_word(word, own))
}

/// The same of one word.
pub(super) fn of_word(word: &str, own: &[(String, Severity)]) -> Option<Severity> {
    let built_in = || {
        WORDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
    };
    let own = by_own_words([Some(word)], own);
    own.or_else(|| built_in().map(|(_, level)| *level))
}

/// The first of these words that is in the source's own table.
pub(super) fn by_own_words<const N: usize>(
    words: [Option<&str>; N],
    own: &[(String, Severity)],
) -> Option<Severity> {
    words.into_iter().flatten().find_map(|word| {
        let mut own = own.iter();
        let found = own.find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, level)| *level)
    })
}

/// `event.severity`.
pub(super) fn number(level: Severity) -> u64 {
    match level {
        Severity::Informational => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// `severity_id`; 0 is unknown.
pub(super) fn id(level: Option<Severity>) -> u64 {
    match level {
        None => 0,
        Some(Severity::Informational) => 1,
        Some(Severity::Low) => 2,
        Some(Severity::Medium) => 3,
        Some(Severity::High) => 4,
        Some(Severity::Critical) => 5,
    }
}

/// The word with a capital letter, which OCSF prescribes.
pub(super) fn caption(level: Option<Severity>) -> &'static str {
    match level {
        None => "Unknown",
        Some(Severity::Informational) => "Informational",
        Some(Severity::Low) => "Low",
        Some(Severity::Medium) => "Medium",
        Some(Severity::High) => "High",
        Some(Severity::Critical) => "Critical",
    }
}
