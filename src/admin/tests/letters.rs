//! Proves of commands on dead letters: what says which are meant, and that none means all.

use super::write::{counted, head, post, writable};
use super::*;

const REPLAY: &str = "/api/v1/dead-letters/replay";
const PURGE: &str = "/api/v1/dead-letters/purge";

impl Fake {
    pub(super) fn letters(
        &self,
        command: &str,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError> {
        let what = format!("{command} {letters:?} {dry_run}");
        self.obeyed.lock().unwrap().push(what);
        Ok(vec![LettersOf {
            destination: "splunk".to_owned(),
            letters: 3,
        }])
    }
}

#[tokio::test]
async fn commands_on_dead_letters_say_which_and_never_mean_all_by_a_forgotten_key() {
    let (fake, admin) = writable();
    let send = async |path: &str, body: &str| {
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        post(&admin, head(path, &[]), body).await
    };
    for path in [REPLAY, PURGE] {
        for wrong in [
            "{}",
            r#"{"dry_run":true}"#,
            r#"{"all":true,"reason":"rejected"}"#,
            r#"{"ids":["not an id"]}"#,
            r#"{"since":"yesterday"}"#,
            r#"{"all":true,"more":1}"#,
        ] {
            let (status, answer) = send(path, wrong).await;
            assert_eq!(
                (status.as_u16(), &answer["error"]),
                (400, &json!("malformed"))
            );
        }
    }
    assert_eq!(*fake.obeyed.lock().unwrap(), [""; 0]);
    let chosen = r#"{"destination":"splunk","reason":"rejected","source":"dt","limit":2,
        "since":"1970-01-01T00:00:01Z","until":"1970-01-01T00:00:02Z",
        "ids":["019aaf1f-0000-7000-8000-000000000001"]}"#;
    let (status, answer) = send(REPLAY, chosen).await;
    assert_eq!(status.as_u16(), 200, "{answer}");
    let told = json!([{"destination": "splunk", "letters": 3}]);
    assert_eq!(answer, json!({"dry_run": false, "destinations": told}));
    send(PURGE, r#"{"all":true,"dry_run":true}"#).await;
    let mut id = [0; 16];
    id[..6].copy_from_slice(&[0x01, 0x9a, 0xaf, 0x1f, 0, 0]);
    (id[6], id[8], id[15]) = (0x70, 0x80, 1);
    let letters = Letters {
        destination: Some("splunk".to_owned()),
        reason: Some("rejected".to_owned()),
        source: Some("dt".to_owned()),
        since_ms: Some(1000),
        until_ms: Some(2000),
        ids: vec![id],
        limit: Some(2),
    };
    let obeyed = fake.obeyed.lock().unwrap().clone();
    assert_eq!(obeyed[0], format!("replay {letters:?} false"));
    assert_eq!(obeyed[1], format!("purge {:?} true", Letters::default()));
    assert_eq!(counted(&admin, "dead_letters_replay", "done"), 1);
    assert_eq!(counted(&admin, "dead_letters_purge", "previewed"), 1);
    assert_eq!(counted(&admin, "dead_letters_purge", "malformed"), 6);
}
