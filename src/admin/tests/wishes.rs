//! Proves: what is wanted of a destination reaches its worker, is counted, and asks for a token.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use serde_json::json;

use super::write::{counted, head, post, writable};

#[tokio::test]
async fn a_wish_reaches_the_destination_and_is_counted() {
    let (fake, admin) = writable();
    for (word, said) in [("pause", "Pause"), ("resume", "Resume"), ("try", "Try")] {
        let path: &'static str = match word {
            "pause" => "/api/v1/destinations/pause",
            "resume" => "/api/v1/destinations/resume",
            _ => "/api/v1/destinations/try",
        };
        let body = Full::new(Bytes::from_static(br#"{"destination": "splunk"}"#));
        let (status, answer) = post(&admin, head(path, &[]), body).await;
        assert_eq!(
            (status, answer),
            (StatusCode::OK, json!({"destination": "splunk"}))
        );
        assert_eq!(
            fake.obeyed.lock().unwrap().pop().unwrap(),
            format!("{said} splunk")
        );
        assert_eq!(counted(&admin, &format!("destination_{word}"), "done"), 1);
        let body = Full::new(Bytes::from_static(br#"{"destination": "new"}"#));
        let (status, _) = post(&admin, head(path, &[]), body).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let body = Full::new(Bytes::from_static(
            br#"{"destination": "splunk", "for": 1}"#,
        ));
        let (status, _) = post(&admin, head(path, &[]), body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
