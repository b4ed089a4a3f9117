//! Sample events to send to a relay: the vendor's published examples, bundled.
//!
//! A sample is changed in its text, never parsed and written again, so that all but the time
//! and the id are the vendor's bytes. Only makes bodies; posting them is the command's part.

use uuid::Uuid;

/// A bundled event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleEvent {
    /// A Data Theorem policy violation that was resolved.
    PolicyViolation,
    /// What Data Theorem sends to see whether an endpoint answers.
    ConnectivityTest,
}

const POLICY_VIOLATION: &str = include_str!("samples/policy-violation-resolved.json");
const CONNECTIVITY_TEST: &str = include_str!("samples/connectivity-test.json");

/// The published time, in seconds, with what makes it unique in the text.
const TIME: &str = "\"time\": 1611733052";
/// The published id of the violation, `data.uuid`; its second place, in `portal_url`, stays.
const UUID: &str = "\"uuid\": \"924f1fb0-ebaa-4dfd-9297-390c0df18b44\"";

/// The body to post: with the time `now_ms` (Unix milliseconds) and a new id, so that it counts
/// as a new event; `verbatim` gives the published bytes. The connectivity test has neither.
pub fn body(sample: SampleEvent, now_ms: u64, verbatim: bool) -> Vec<u8> {
    let published = match sample {
        SampleEvent::PolicyViolation => POLICY_VIOLATION,
        SampleEvent::ConnectivityTest => CONNECTIVITY_TEST,
    };
    if verbatim {
        return published.as_bytes().to_vec();
    }
    let time = format!("\"time\": {}", now_ms / 1000);
    let uuid = format!("\"uuid\": \"{}\"", Uuid::new_v4());
    published
        .replacen(TIME, &time, 1)
        .replacen(UUID, &uuid, 1)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_that_is_replaced_is_once_in_the_sample() {
        assert_eq!(POLICY_VIOLATION.matches(TIME).count(), 1);
        assert_eq!(POLICY_VIOLATION.matches(UUID).count(), 1);
    }

    #[test]
    fn a_fresh_violation_differs_in_time_and_id_alone() {
        let now_ms = 1_763_900_000_123;
        let fresh = body(SampleEvent::PolicyViolation, now_ms, false);
        let fresh = String::from_utf8(fresh).unwrap();
        let value: serde_json::Value = serde_json::from_str(&fresh).unwrap();
        assert_eq!(value["time"], 1_763_900_000);
        let uuid = value["event"]["data"]["uuid"].as_str().unwrap();
        assert!(Uuid::parse_str(uuid).is_ok());
        assert_ne!(
            fresh.as_bytes(),
            body(SampleEvent::PolicyViolation, now_ms, false)
        );
        let restored = fresh.replacen("\"time\": 1763900000", TIME, 1).replacen(
            &format!("\"uuid\": \"{uuid}\""),
            UUID,
            1,
        );
        assert_eq!(restored, POLICY_VIOLATION);
    }

    #[test]
    fn verbatim_and_connectivity_test_are_the_published_bytes() {
        let violation = body(SampleEvent::PolicyViolation, 1, true);
        assert_eq!(violation, POLICY_VIOLATION.as_bytes());
        for verbatim in [false, true] {
            let test = body(SampleEvent::ConnectivityTest, 1, verbatim);
            assert_eq!(test, CONNECTIVITY_TEST.as_bytes());
        }
    }
}
