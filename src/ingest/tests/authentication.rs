//! Who may send: bearer tokens, capability paths, header secrets, addresses; and that no log line
//! or answer shows a credential.

use std::io;
use std::sync::{Arc, Mutex};

use super::support::*;
use crate::event::AuthMethod;
use crate::secret::{Secret, SecretPlace};
use crate::settings::{Preset, SourceAuth};

fn bearer(token: &str) -> Vec<u8> {
    let header = format!("Authorization: {token}\r\n");
    request("/hooks/vendor", &header, "{}")
}

#[tokio::test]
async fn any_configured_token_admits_and_the_record_says_which() {
    let secrets = vec![secret("the-old-token-123"), secret("the-new-token-456")];
    let relay = Relay::start(vec![source("vendor", SourceAuth::Bearer(secrets))]).await;
    for token in ["Bearer the-old-token-123", "bearer  the-new-token-456"] {
        assert_eq!(relay.send(bearer(token)).await.status, 200, "{token}");
    }
    let events = relay.log.events.lock().unwrap();
    let slots: Vec<_> = events.iter().map(|e| e.provenance.secret_slot).collect();
    assert_eq!(slots, [Some(1), Some(2)]);
    assert_eq!(events[0].provenance.auth, AuthMethod::Bearer);
    let text = relay.metrics.render().unwrap();
    let unused = "source_secret_last_used_timestamp_seconds{slot=\"2\",source=\"vendor\"} 0\n";
    assert!(!text.contains(unused), "{text}");
}

#[tokio::test]
async fn a_wrong_missing_or_repeated_bearer_token_is_refused_with_a_challenge() {
    let relay = Relay::start(vec![vendor()]).await;
    let good = format!("Bearer {TOKEN}");
    for header in [
        "Bearer wrong".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Basic {TOKEN}"),
        format!("Bearer{TOKEN}"),
        format!("{good}x"),
        good[..good.len() - 1].to_owned(),
        format!("{good}\r\nAuthorization: {good}"),
    ] {
        let answer = relay.send(bearer(&header)).await;
        assert_eq!(answer.status, 401, "{header}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.field("error"), "auth_failed");
    }
    let answer = relay.send(request("/hooks/vendor", "", "{}")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(relay.requests("vendor", "auth_failed"), 9);
    assert_eq!(relay.stored(), 0);
}

#[tokio::test]
async fn a_token_rotated_in_its_file_is_taken_without_a_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "the-first-token-1").unwrap();
    let secret = Secret::load(SecretPlace::File(file.path().to_owned())).unwrap();
    let auth = SourceAuth::Bearer(vec![secret.clone()]);
    let relay = Relay::start(vec![source("vendor", auth)]).await;
    assert_eq!(
        relay.send(bearer("Bearer the-first-token-1")).await.status,
        200
    );
    std::fs::write(file.path(), "the-second-token-2").unwrap();
    secret.reread();
    assert_eq!(
        relay.send(bearer("Bearer the-first-token-1")).await.status,
        401
    );
    assert_eq!(
        relay.send(bearer("Bearer the-second-token-2")).await.status,
        200
    );
}

#[tokio::test]
async fn a_source_with_a_secret_path_does_not_exist_for_others() {
    let auth = SourceAuth::Capability(vec![secret("s3cret-path-segment")]);
    let relay = Relay::start(vec![source("hidden", auth)]).await;
    let unknown = relay.send(request("/hooks/other", "", "{}")).await;
    let length = "Content-Length: 999999999\r\n\r\n";
    for wrong in [
        request("/hooks/hidden", "", "{}"),
        request("/hooks/hidden/", "", "{}"),
        request("/hooks/hidden/wrong", "", "{}"),
        request("/hooks/hidden/s3cret-path-segment/", "", "{}"),
        request("/hooks/hidden/s3cret-path-segmen%74", "", "{}"),
        request("/hooks/hidden/wrong", "Content-Encoding: br\r\n", "{}"),
        b"GET /hooks/hidden/wrong HTTP/1.1\r\n\r\n".to_vec(),
        format!("POST /hooks/hidden/wrong HTTP/1.1\r\nExpect: 100-continue\r\n{length}").into(),
    ] {
        let answer = relay.send(wrong).await;
        assert_eq!((answer.status, &answer.body), (404, &unknown.body));
    }
    assert_eq!(relay.requests("hidden", "auth_failed"), 8);
    assert_eq!(relay.stored(), 0);

    let right = request("/hooks/hidden/s3cret-path-segment", "", "{}");
    assert_eq!(relay.send(right).await.status, 200);
    let event = relay.log.events.lock().unwrap().pop().unwrap();
    assert_eq!(event.provenance.auth, AuthMethod::Capability);
    assert_eq!(event.provenance.secret_slot, Some(1));
}

#[tokio::test]
async fn a_header_secret_admits_by_its_whole_value() {
    let auth = SourceAuth::Header {
        name: "x-gitlab-token".to_owned(),
        values: vec![secret("header-secret-value")],
    };
    let relay = Relay::start(vec![source("gitlab", auth)]).await;
    let send = |value: &str| {
        let header = format!("X-Gitlab-Token: {value}\r\n");
        relay.send(request("/hooks/gitlab", &header, "{}"))
    };
    assert_eq!(send("header-secret-value").await.status, 200);
    let answer = send("header-secret").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), None);
    let answer = relay.send(request("/hooks/gitlab", "", "{}")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(relay.stored(), 1);
}

#[tokio::test]
async fn only_allowed_addresses_may_send_and_a_trusted_proxy_says_which_it_is() {
    let mut only = vendor();
    only.allow_addresses = vec!["203.0.113.0/24".parse().unwrap()];
    let relay = Relay::start_with(vec![only], |server| {
        server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let send = |forwarded: &str| {
        let header = format!("Authorization: Bearer {TOKEN}\r\n{forwarded}");
        relay.send(request("/hooks/vendor", &header, "{}"))
    };
    assert_eq!(send("").await.status, 403);
    let spoofed = "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n";
    let answer = send(spoofed).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.field("error"), "forbidden");
    assert_eq!(relay.stored(), 0);
    assert_eq!(relay.requests("vendor", "forbidden"), 2);

    let genuine = "X-Forwarded-For: 1.2.3.4, 203.0.113.9\r\n";
    assert_eq!(send(genuine).await.status, 200);
    let event = relay.log.events.lock().unwrap().pop().unwrap();
    assert_eq!(event.provenance.client.unwrap().to_string(), "203.0.113.9");
    assert!(event.provenance.peer.unwrap().ip().is_loopback());
}

#[tokio::test]
async fn a_vendors_challenge_is_answered_to_whom_address_and_secret_admit() {
    let okta = |allowed: &str| {
        let auth = SourceAuth::Capability(vec![secret("s3cret-path-segment")]);
        let mut okta = source("okta", auth);
        okta.preset = Preset::Okta;
        okta.allow_addresses = vec![allowed.parse().unwrap()];
        okta
    };
    let ask = |path: &str| {
        format!("GET /hooks/okta/{path} HTTP/1.1\r\nX-Okta-Verification-Challenge: abc\r\n\r\n")
    };
    let relay = Relay::start(vec![okta("127.0.0.0/8")]).await;
    let answer = relay.send(ask("s3cret-path-segment")).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (200, r#"{"verification":"abc"}"#)
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-okta-verification-challenge"), None);
    assert_eq!(relay.send(ask("wrong")).await.status, 404);
    assert_eq!(relay.requests("okta", "challenge"), 1);
    assert_eq!(
        (relay.requests("okta", "auth_failed"), relay.stored()),
        (1, 0)
    );

    let relay = Relay::start(vec![okta("203.0.113.0/24")]).await;
    let answer = relay.send(ask("s3cret-path-segment")).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.body.contains("abc"), "{answer:?}");
    assert_eq!(relay.requests("okta", "forbidden"), 1);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_name_source_client_and_result_but_no_credential_or_body() {
    let lines = Lines::default();
    let written = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || written.clone())
        .with_ansi(false)
        .finish();
    // With a single subscriber alive, a log line that a parallel test meets first would be
    // switched off for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let auth = SourceAuth::Capability(vec![secret("s3cret-path-segment")]);
    let open = source("open", SourceAuth::None);
    let relay = Relay::start(vec![source("hidden", auth), vendor(), open]).await;
    for sent in [
        request("/hooks/hidden/n33dle-guess", "", "{}"),
        request("/hooks/hidden/s3cret-path-segment", "", "n33dle-body"),
        request("/hooks/hidden/s3cret-path-segment", "", "{}"),
        request("/hooks/unknown/n33dle-guess?n33dle=1", "", "{}"),
        bearer("Bearer n33dle-token"),
        b"n33dle-garbage\r\n\r\n".to_vec(),
    ] {
        relay.send(sent).await;
    }
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let warned = |line: &&str| line.contains("WARN") && line.contains("source=\"hidden\"");
    let refused: Vec<_> = text.lines().filter(warned).collect();
    assert_eq!(refused.len(), 2, "{text}");
    assert!(refused[0].contains("result=\"auth_failed\""), "{text}");
    assert!(refused[0].contains("client=127.0.0.1"), "{text}");
    assert!(text.contains("source takes events from anybody"), "{text}");
    assert!(!text.contains("n33dle"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
