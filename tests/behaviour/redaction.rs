//! Proves that a redacted value leaves the relay in no form: not to a destination of either format,
//! not in the rendered form of a dead letter, and not in a log.

use serde_json::Value;

use crate::fake_http::{FakeHttp, Reply};
use crate::relay::{Setup, eventually};

const WORD: &str = "jane.doe@example.com";
const KEY: &str = "a-key-for-hashes-of-32-bytes-okay";

fn event() -> String {
    format!(
        r#"{{"event":{{"user":{{"mail":"{WORD}","id":12345678901234567890123}},
           "shadow":{{"m":"{WORD}"}},"shadow":{{"n":1}},
           "all":[{{"mail":"{WORD}"}},{{"m\u0061il":"{WORD}"}}]}},"gone":"{WORD}"}}"#
    )
}

const SOURCE_RULES: &str = r#"rules = [
    { redact = ["/event/user/mail", "/event/all/*/mail"], key_env = "HASH_KEY" },
    { drop = "/event/shadow/m" },
]"#;

/// A destination that refuses everything, so that all of it becomes dead letters.
fn refusing(name: &str, format: &str, url: &str) -> String {
    format!(
        "[destinations.{name}]\nkind = \"http\"\nurl = \"{url}/{name}\"\nformat = \"{format}\"\n\
         batch_max_events = 1\nretry_initial = \"20ms\"\nrules = [{{ redact = \"/gone\" }}]\n"
    )
}

#[tokio::test]
async fn a_redacted_value_leaves_the_relay_in_no_form() {
    let server = FakeHttp::start(|request| Reply::status(422, request.text())).await;
    let url = server.url();
    let destinations = ["original", "ecs"].map(|format| refusing(format, format, &url));
    let archive = "[destinations.archive]\nkind = \"file\"\npath = \"out/archive.jsonl\"\n\
                   rules = [{ redact = \"/gone\", mask = \"-\" }]\n";
    let text = format!("{}{archive}", destinations.concat());
    let setup = Setup::new(
        &format!("{SOURCE_RULES}\n[log]\nlevel = \"debug\"\n"),
        &text,
    );
    let setup = setup.env("HASH_KEY", KEY);
    let relay = setup.start();
    relay.accepted(event()).await;
    for name in ["original", "ecs", "archive"] {
        relay.drained(name).await;
    }

    eventually("both were tried", || server.received().len() >= 2).await;
    for request in server.received() {
        assert!(!request.text().contains("jane.doe"), "{}", request.text());
    }
    let archive: Value = serde_json::from_str(&setup.text("out/archive.jsonl")).unwrap();
    let hash = archive["event"]["user"]["mail"].as_str().unwrap();
    assert!(
        hash.starts_with("hmac-sha256:") && hash.len() == 76,
        "{hash}"
    );
    for at in ["/event/all/0/mail", "/event/all/1/mail"] {
        assert_eq!(
            archive.pointer(at).unwrap(),
            hash,
            "equal values have equal hashes"
        );
    }
    assert_eq!(archive["gone"], "-");
    let written = setup.text("out/archive.jsonl");
    assert!(!written.contains("jane.doe") && written.contains("12345678901234567890123"));
    for name in ["original", "ecs"] {
        let letters = setup.text(&format!("dead-letters/{name}.jsonl"));
        let letter: Value = serde_json::from_str(letters.lines().next().unwrap()).unwrap();
        let shown = |key: &str| letter[key].to_string().contains("jane.doe");
        assert!(
            letter["rendered"].is_string() && !shown("rendered"),
            "{letter}"
        );
        assert!(!shown("detail") && !shown("reason"), "{letter}");
        assert!(
            shown("original"),
            "the original is whole, so that it can be sent anew: {letter}"
        );
    }
    let log = relay.log_text();
    assert!(log.contains("event refused") && !log.contains("jane.doe"));
    assert!(!log.contains(KEY) && !written.contains(KEY));
    assert!(relay.stop().await.success());
}
