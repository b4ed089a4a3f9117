//! Proves which parts of an event's model conditions can ask, and that each has a word of those
//! that the configuration takes.

use super::formats::{SAMPLES, sample};
use super::*;
use crate::settings::ModelPart;

fn parts(event: &Event, reading: &Reading) -> BTreeMap<&'static str, Value> {
    let view = View::read(&event.payload, &event.provenance, reading);
    let parts = ModelPart::ALL.into_iter();
    let parts = parts.filter_map(|(word, part)| Some((word, view.json(part)?)));
    parts
        .map(|(word, json)| (word, serde_json::from_str(&json).unwrap()))
        .collect()
}

#[test]
fn an_event_has_the_parts_that_its_vendor_states() {
    for (name, expected) in [
        (
            "policy-violation-opened",
            serde_json::json!({
                "vendor": "Data Theorem", "product": "API Secure",
                "type": "API_SECURE__POLICY_VIOLATION_OPENED", "family": "policy_violation",
                "action": "policy-violation-opened", "severity": "medium", "change": "opened",
                "status": "OPEN", "title": "Certificate expires soon",
                "rule": "5c3b1f37-8509-5c6e-abed-6ee9f3497c17", "policy": "Data Theorem",
                "asset": "gumtree.com.au", "asset_type": "NETWORK_SERVICE",
                "asset_host": "gumtree.com.au", "test": false,
            }),
        ),
        (
            "user-login-failed",
            serde_json::json!({
                "vendor": "Data Theorem", "product": "Mobile Secure",
                "type": "MOBILE_SECURE__USER_LOGIN_FAILED", "family": "login",
                "action": "user-login-failed", "outcome": "failure", "user": "alex@example.com",
                "address": "192.0.2.44", "test": false,
            }),
        ),
        (
            "network-service-discovered",
            serde_json::json!({
                "vendor": "Data Theorem", "product": "API Secure",
                "type": "API_SECURE__NETWORK_SERVICE_DISCOVERED", "family": "asset",
                "action": "network-service-discovered", "asset": "api.example.com",
                "asset_type": "NETWORK_SERVICE", "asset_host": "api.example.com", "test": false,
            }),
        ),
        (
            "connectivity-test",
            serde_json::json!({
                "vendor": "Data Theorem", "family": "generic", "action": "connectivity-test",
                "test": true,
            }),
        ),
    ] {
        let parts = parts(&sample(name), &reading(Preset::DataTheorem));
        assert_eq!(serde_json::json!(parts), expected, "{name}");
    }
}

/// The samples of all vendors.
fn every_sample() -> Vec<(String, Arc<Event>, Preset)> {
    let first = SAMPLES.iter();
    let first = first.map(|(name, _)| (name.to_string(), sample(name), Preset::DataTheorem));
    let others = [
        &github::SAMPLES,
        &gitlab::SAMPLES,
        &snyk::SAMPLES,
        &wiz::SAMPLES,
        &okta::SAMPLES,
    ];
    let others = others.into_iter().flat_map(|samples| {
        let names = samples.list.iter();
        names.map(|(name, ..)| {
            let called = format!("{} {name}", samples.vendor);
            (called, samples.event(name), samples.preset)
        })
    });
    first.chain(others).collect()
}

#[test]
fn every_word_is_one_that_a_condition_can_name() {
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, event, preset) in every_sample() {
        let found = parts(&event, &reading(preset));
        for (word, part) in ModelPart::ALL {
            let Some(words) = part.words() else { continue };
            if let Some(value) = found.get(word).and_then(Value::as_str) {
                assert!(words.contains(&value), "{name}: {word} is {value}");
                seen.entry(word).or_default().push(value.to_owned());
            }
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let families = ModelPart::Family.words().unwrap();
    for family in families {
        assert!(
            seen["family"].iter().any(|one| one == family),
            "no {family}"
        );
    }
}

#[test]
fn an_event_of_any_json_has_nothing_but_its_kind() {
    for payload in [
        "{}",
        "7",
        "{\"event\":{\"type\":\"A__USER_LOGIN_FAILED\"}}",
        "\u{0}",
        "",
    ] {
        let parts = parts(&event(payload), &reading(Preset::Generic));
        let expected = serde_json::json!({"family": "generic", "test": false});
        assert_eq!(serde_json::json!(parts), expected, "{payload}");
    }
    let provenance = Provenance::unknown();
    let view = View::read(b"\xff", &provenance, &reading(Preset::DataTheorem));
    assert_eq!(view.json(ModelPart::Type), None);
}
