//! Proves that rules do what `docs/configuration.md` says of them, leave the rest as the vendor
//! wrote it, and end for whatever a vendor sends.

use super::*;
use crate::settings::{Action, Rule};

fn follow(actions: &[Action], payload: &str) -> String {
    let rules = actions.iter().map(|action| Rule {
        action: action.clone(),
        when: None,
    });
    let rules: Vec<_> = rules.collect();
    let payload = bytes::Bytes::copy_from_slice(payload.as_bytes());
    let out = apply(&rules, &payload).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

fn all(pointers: &[&str]) -> Vec<Pointer> {
    pointers.iter().map(|pointer| at(pointer)).collect()
}

fn rename(from: &str, to: &str) -> Action {
    let (from, to) = (at(from), at(to));
    Action::Rename { from, to }
}

fn copy(from: &str, to: &str) -> Action {
    let (from, to) = (at(from), at(to));
    Action::Copy { from, to }
}

fn set(to: &str, value: &str) -> Action {
    let (to, value) = (at(to), value.to_owned());
    Action::Set { to, value }
}

fn mask(pointers: &[&str]) -> Action {
    Action::Redact {
        at: all(pointers),
        key: None,
        mask: "***".to_owned(),
    }
}

#[test]
fn every_action_does_what_it_says_and_leaves_the_rest_as_written() {
    for (action, before, after) in [
        (
            rename("/a", "/b"),
            r#"{"a": 1e400 ,"c":0.10}"#,
            r#"{"c":0.10,"b":1e400}"#,
        ),
        (
            rename("/a", "/x/y"),
            r#"{"a":"\ud800"}"#,
            r#"{"x":{"y":"\ud800"}}"#,
        ),
        (
            rename("/a", "/a/b"),
            r#"{"a":{"c":1}}"#,
            r#"{"a":{"b":{"c":1}}}"#,
        ),
        (rename("/a", "/b"), r#"{"a":1,"b":2}"#, r#"{"b":1}"#),
        (rename("/a", "/a"), r#"{"a":1}"#, r#"{"a":1}"#),
        (rename("/a/0", "/b"), r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (
            rename("/a", "/b/c"),
            r#"{"a":1,"b":"text"}"#,
            r#"{"a":1,"b":"text"}"#,
        ),
        (
            rename("/a", "/b/c"),
            r#"{"a":1,"b":null}"#,
            r#"{"b":{"c":1}}"#,
        ),
        (
            copy("/a/0", "/b"),
            r#"{"a":[{"x":1}]}"#,
            r#"{"a":[{"x":1}],"b":{"x":1}}"#,
        ),
        (
            copy("/a", "/l/1"),
            r#"{"a":7,"l":[0,1]}"#,
            r#"{"a":7,"l":[0,7]}"#,
        ),
        (
            copy("/a", "/l/2"),
            r#"{"a":7, "l":[0,1]}"#,
            r#"{"a":7, "l":[0,1]}"#,
        ),
        (set("/a/b", "\"x\""), "{}", r#"{"a":{"b":"x"}}"#),
        (set("/a", "7"), r#"{"a":{"b":1}}"#, r#"{"a":7}"#),
        (
            Action::Drop(all(&["/a", "/b/1"])),
            r#"{"a":1,"b":[1,2]}"#,
            r#"{"b":[1]}"#,
        ),
        (
            Action::Drop(all(&["/l/*/x"])),
            r#"{"l":[{"x":1,"y":2},3]}"#,
            r#"{"l":[{"y":2},3]}"#,
        ),
        (
            Action::Drop(all(&["/l/*"])),
            r#"{"l":[1,2],"m":1}"#,
            r#"{"l":[],"m":1}"#,
        ),
        (
            Action::Keep(all(&["/a/b", "/l/*/x", "/c"])),
            r#"{"a":{"b":1,"z":2},"l":[{"x":1,"y":2}],"d":4,"c":{"e": 5}}"#,
            r#"{"a":{"b":1},"l":[{"x":1}],"c":{"e": 5}}"#,
        ),
        (
            Action::Keep(all(&["/a/b"])),
            r#"{"a":"secret"}"#,
            r#"{"a":null}"#,
        ),
        (
            mask(&["/a", "/l/*/*", "/no"]),
            r#"{"a":{"b":1},"l":[["x"],{"y":null}],"no":null}"#,
            r#"{"a":"***","l":[["***"],{"y":null}],"no":null}"#,
        ),
        (
            mask(&["/\u{e4}"]),
            r#"{"\u00e4":"x"}"#,
            r#"{"\u00e4":"***"}"#,
        ),
        (
            Action::Lower(all(&["/a", "/n"])),
            r#"{"a":"ÄB\n","n":1E5}"#,
            r#"{"a":"äb\n","n":1E5}"#,
        ),
    ] {
        assert_eq!(
            follow(std::slice::from_ref(&action), before),
            after,
            "{action:?}"
        );
    }
}

#[test]
fn times_of_many_forms_become_one_and_others_stay() {
    for (before, after) in [
        (
            "\"2026-11-23T15:42:05.5+01:00\"",
            "\"2026-11-23T14:42:05.5Z\"",
        ),
        (
            "\"Mon, 23 Nov 2026 14:42:05 GMT\"",
            "\"2026-11-23T14:42:05Z\"",
        ),
        ("1795444925", "\"2026-11-23T14:42:05Z\""),
        ("\"1795444925.123\"", "\"2026-11-23T14:42:05.123Z\""),
        ("1795444925123", "\"2026-11-23T14:42:05.123Z\""),
        ("1795444925123456", "\"2026-11-23T14:42:05.123456Z\""),
        ("1795444925123456789", "\"2026-11-23T14:42:05.123456789Z\""),
        ("\"yesterday\"", "\"yesterday\""),
        ("-1", "-1"),
        ("99999999999999999999", "99999999999999999999"),
        ("{\"a\":1}", "{\"a\":1}"),
        ("null", "null"),
    ] {
        let out = follow(
            &[Action::ParseTime(all(&["/t"]))],
            &format!("{{\"t\":{before}}}"),
        );
        assert_eq!(out, format!("{{\"t\":{after}}}"));
    }
}

#[test]
fn a_shadowed_member_does_not_carry_a_value_past_a_redaction() {
    for payload in [
        r#"{"u":{"mail":"word"},"u":{"id":1}}"#,
        r#"{"u":{"mail":"word","mail":"word"}}"#,
        r#"{"u":{"m\u0061il":"word"},"u":{"mail":"word"}}"#,
        r#"{"u":[{"mail":"word"}],"u":{"mail":7}}"#,
    ] {
        for action in [mask(&["/u/mail"]), Action::Drop(all(&["/u/mail"]))] {
            let out = follow(&[action], payload);
            assert!(!out.contains("word"), "{out}");
        }
    }
}

#[test]
fn rules_see_what_those_before_them_left_and_only_where_their_condition_holds() {
    let when = |test| Some(field("/kind", test));
    let rule = |action, when| Rule { action, when };
    let rules = [
        rule(set("/kind", "\"b\""), when(Test::In(vec![text("a")]))),
        rule(set("/seen", "true"), when(Test::In(vec![text("b")]))),
        rule(Action::Drop(all(&["/x"])), when(Test::Exists(false))),
    ];
    let of = |payload: &'static str| {
        let out = apply(&rules, &bytes::Bytes::from_static(payload.as_bytes())).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        of(r#"{"kind":"a","x":1}"#),
        r#"{"kind":"b","x":1,"seen":true}"#
    );
    assert_eq!(of(r#"{ "kind":"c","x":1}"#), r#"{ "kind":"c","x":1}"#);
    assert_eq!(of(r#"{"x":1}"#), "{}");
}

#[test]
fn a_hash_is_hmac_sha256_of_the_characters() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "key").unwrap();
    let key = crate::secret::Secret::load(crate::secret::SecretPlace::File(path)).unwrap();
    let action = Action::Redact {
        at: all(&["/a", "/n"]),
        key: Some(key),
        mask: String::new(),
    };
    // From RFC 2104's most published example: HMAC_SHA256("key", "The quick brown fox ...").
    let fox = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    let payload = r#"{"a":"The quick brown f\u006fx jumps over the lazy dog","n":null}"#;
    let expected = format!("{{\"a\":\"hmac-sha256:{fox}\",\"n\":null}}");
    assert_eq!(follow(&[action], payload), expected);
}

#[test]
fn what_cannot_be_redacted_does_not_go_out() {
    let rules = [Rule {
        action: mask(&["/a/0"]),
        when: None,
    }];
    let of = |payload: &[u8]| apply(&rules, &bytes::Bytes::copy_from_slice(payload));
    assert_eq!(of(b"{\"a\":"), Err(RuleError::NotJson));
    assert_eq!(of(b"\xff"), Err(RuleError::NotJson));
    let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(300_000));
    assert!(matches!(of(wide.as_bytes()), Err(RuleError::TooWide(_))));
    let none: [Rule; 0] = [];
    let odd = bytes::Bytes::from_static(b"\xff");
    assert_eq!(apply(&none, &odd), Ok(odd));
}

#[test]
fn copies_of_copies_stay_small() {
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(60_000));
    let copies: Vec<_> = (0..64).map(|n| copy("/a", &format!("/a{n}"))).collect();
    assert!(follow(&copies, &big).len() < 65 * 61_000);
    // Each would double the last.
    let nested: Vec<_> = (0..64).map(|n| copy("/r", &format!("/r/c{n}"))).collect();
    let out = follow(&nested, "{\"r\":{\"x\":\"0123456789\"}}");
    assert!(out.len() < 64 * 2 * 65_536, "{}", out.len());
}

fn actions() -> impl Strategy<Value = Action> {
    let many = || prop::collection::vec(pointers(), 1..4);
    let mask = |at| Action::Redact {
        at,
        key: None,
        mask: "***".to_owned(),
    };
    prop_oneof![
        (pointers(), pointers()).prop_map(|(from, to)| Action::Rename { from, to }),
        (pointers(), pointers()).prop_map(|(from, to)| Action::Copy { from, to }),
        pointers().prop_map(|to| Action::Set {
            to,
            value: "1".to_owned()
        }),
        many().prop_map(Action::Drop),
        many().prop_map(Action::Keep),
        many().prop_map(mask),
        many().prop_map(Action::ParseTime),
        many().prop_map(Action::Lower),
    ]
}

proptest! {
    #[test]
    fn any_rules_make_json_of_any_json_and_never_panic(
        actions in prop::collection::vec((actions(), prop::option::of(conditions())), 0..6),
        json in json(), noise in ".{0,40}",
    ) {
        let rules = actions.into_iter().map(|(action, when)| Rule { action, when });
        let rules: Vec<_> = rules.collect();
        let out = apply(&rules, &json.into()).unwrap();
        let text = std::str::from_utf8(&out).unwrap();
        serde_json::from_str::<&serde_json::value::RawValue>(text).unwrap();
        let _either = apply(&rules, &noise.into());
    }

    #[test]
    fn what_is_masked_or_dropped_is_gone(json in json(), pointer in pointers()) {
        for action in [
            Action::Drop(vec![pointer.clone()]),
            Action::Redact { at: vec![pointer.clone()], key: None, mask: "***".to_owned() },
        ] {
            // Behind an element that went there may be another of the same index.
            prop_assume!(pointer.0.iter().all(|step| json::index(step).is_none()));
            let out = follow(std::slice::from_ref(&action), &json);
            let found = json::at(&out, &pointer);
            prop_assert!(matches!(found, None | Some("null" | "\"***\"")), "{out}");
        }
    }
}
