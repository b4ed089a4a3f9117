//! Logins that fetch a token: what the token endpoint is asked, how long its answer is used, and
//! what each of its refusals means for the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use siem_relay::secret::{Secret, SecretPlace};
use siem_relay::settings::{Auth, Framing, GoogleServiceAccount, OAuth2, TokenStyle};
use siem_relay::sink::http::Http;
use siem_relay::sink::{HoldCause, Outcome, RetryCause, Sent, Sink, Verdict};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

const SECRET: &str = "s3cret/with+signs";

/// A token endpoint whose tokens are `tok-0`, `tok-1` and so on.
async fn issuer() -> FakeHttp {
    FakeHttp::start(|request| issued(&format!("tok-{}", request.number), 3600)).await
}

fn issued(token: &str, seconds: u64) -> Reply {
    let text =
        format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{seconds}}}"#);
    Reply::status(200, text)
}

/// A destination that takes these tokens and answers 401 to others.
async fn taking(tokens: &'static [&'static str]) -> FakeHttp {
    FakeHttp::start(move |request| {
        let shown = request.header("authorization").unwrap_or_default();
        let good = tokens
            .iter()
            .any(|token| shown == format!("Bearer {token}"));
        Reply::status(if good { 200 } else { 401 }, format!("you sent {shown}"))
    })
    .await
}

fn client(token_url: &str, secret: &Token, style: TokenStyle) -> OAuth2 {
    std::fs::write(secret.path(), SECRET).unwrap();
    secret.secret.reread();
    OAuth2 {
        token_url: format!("{token_url}/tenant/token"),
        client_id: "relay:1".to_owned(),
        client_secret: secret.secret.clone(),
        scope: Some("https://monitor.example.com/.default".to_owned()),
        audience: None,
        style,
        ca_file: None,
    }
}

fn sink(destination: &FakeHttp, auth: Auth) -> Http {
    http(endpoint(&destination.url()), Framing::Array, false, auth)
}

fn held(outcome: &Outcome) -> &str {
    let Verdict::Hold { cause, detail, .. } = &outcome.verdicts[0] else {
        panic!("{:?}", outcome.verdicts)
    };
    assert_eq!(*cause, HoldCause::Auth);
    detail
}

fn forms(requests: &[Received]) -> Vec<String> {
    requests.iter().map(Received::text).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_shown_with_each_request() {
    let (issuer, destination) = (issuer().await, taking(&["tok-0"]).await);
    let secret = Token::new();
    let settings = client(&issuer.url(), &secret, TokenStyle::Basic);
    let sink = Arc::new(sink(&destination, Auth::OAuth2(settings)));
    let (one_batch, other_batch) = (batch(), batch());
    let (one, other) = tokio::join!(sink.send(&one_batch), sink.send(&other_batch));
    assert!(is_delivered(&one) && is_delivered(&other));
    assert!(is_delivered(&sink.send(&batch()).await));
    assert_eq!(destination.received().len(), 3);
    let asked = issuer.received();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (&*asked[0].method, &*asked[0].path),
        ("POST", "/tenant/token")
    );
    let kind = asked[0].header("content-type");
    assert_eq!(kind, Some("application/x-www-form-urlencoded"));
    // RFC 6749, section 2.3.1: both are encoded before they are joined.
    let pair = STANDARD.encode("relay%3A1:s3cret%2Fwith%2Bsigns");
    assert_eq!(
        asked[0].header("authorization"),
        Some(&*format!("Basic {pair}"))
    );
    assert_eq!(
        forms(&asked),
        ["grant_type=client_credentials&scope=https%3A%2F%2Fmonitor.example.com%2F.default"]
    );
}

#[tokio::test]
async fn the_credentials_stand_in_the_body_where_the_server_wants_that() {
    let (issuer, destination) = (issuer().await, taking(&["tok-0"]).await);
    let secret = Token::new();
    let mut settings = client(&issuer.url(), &secret, TokenStyle::Body);
    settings.scope = None;
    settings.audience = Some("siem".to_owned());
    let sink = sink(&destination, Auth::OAuth2(settings));
    assert!(is_delivered(&sink.send(&batch()).await));
    let asked = issuer.received();
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(
        forms(&asked),
        [
            "grant_type=client_credentials&audience=siem&client_id=relay%3A1&\
          client_secret=s3cret%2Fwith%2Bsigns"
        ]
    );
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_then_holds() {
    let (issuer, destination) = (issuer().await, taking(&["tok-1", "tok-5"]).await);
    let secret = Token::new();
    let settings = client(&issuer.url(), &secret, TokenStyle::Basic);
    let sink = sink(&destination, Auth::OAuth2(settings));
    let outcome = sink.send(&batch()).await;
    assert!(is_delivered(&outcome), "{:?}", outcome.verdicts);
    assert_eq!(destination.received().len(), 2);
    let sizes: usize = destination
        .received()
        .iter()
        .map(|one| one.wire_bytes)
        .sum();
    assert_eq!(outcome.wire_bytes, sizes);
    // The probe of a held one begins with a new token.
    sink.refresh();
    let outcome = sink.send(&batch()).await;
    let detail = held(&outcome);
    assert!(
        detail.contains("401") && !detail.contains("tok-"),
        "{detail}"
    );
    assert_eq!(
        (destination.received().len(), issuer.received().len()),
        (4, 4)
    );
}

#[tokio::test]
async fn what_the_token_endpoint_answers_decides_between_holding_and_waiting() {
    let unauthorized = r#"{"error":"invalid_client","error_description":"SECRET is wrong"}"#;
    let secret = Token::new();
    for (status, body, expected) in [
        (401, unauthorized, None),
        (400, r#"{"error":"invalid_scope"}"#, None),
        (302, "", None),
        (
            400,
            r#"{"error":"temporarily_unavailable"}"#,
            Some(RetryCause::ServerError),
        ),
        (429, "", Some(RetryCause::RateLimited)),
        (503, "busy", Some(RetryCause::ServerError)),
        (200, "<html>log in</html>", Some(RetryCause::BadAnswer)),
        (
            200,
            r#"{"access_token":"tok-en","token_type":"mac"}"#,
            Some(RetryCause::BadAnswer),
        ),
    ] {
        let body = body.replace("SECRET", SECRET);
        let answer = Reply::status(status, body).header("retry-after", "7");
        let answer = answer.header("location", "http://127.0.0.1:9/");
        let issuer = FakeHttp::start(move |_| answer.clone()).await;
        let destination = taking(&[]).await;
        let settings = client(&issuer.url(), &secret, TokenStyle::Basic);
        let sink = sink(&destination, Auth::OAuth2(settings));
        let outcome = sink.send(&batch()).await;
        let text = detail(&outcome.verdicts[0]);
        assert!(!text.contains(SECRET) && !text.contains("tok-en"), "{text}");
        assert!(text.contains(&issuer.address().to_string()), "{text}");
        match expected {
            None => {
                let host = issuer.address();
                assert!(held(&outcome).starts_with(&format!("{host} issues no token")));
            }
            Some(cause) => {
                assert_eq!(retry(&outcome.verdicts[0]), (Sent::No, cause), "{text}");
                let waits = matches!(&outcome.verdicts[0], Verdict::Retry { after, .. }
                    if after.is_some_and(|wait| wait.as_secs() == 7));
                assert_eq!(waits, status >= 400, "{status} {text}");
            }
        }
        assert_eq!((outcome.status, outcome.wire_bytes), (None, 0));
        assert_eq!(
            (issuer.received().len(), destination.received().len()),
            (1, 0)
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_or_is_silent_is_waited_for() {
    let destination = taking(&["tok-0"]).await;
    let mut gone = issuer().await;
    gone.stop().await;
    let secret = Token::new();
    let settings = client(&gone.url(), &secret, TokenStyle::Basic);
    let waiting = sink(&destination, Auth::OAuth2(settings));
    let outcome = waiting.send(&batch()).await;
    let expected = (Sent::No, RetryCause::Connect);
    assert_eq!(retry(&outcome.verdicts[0]), expected);
    gone.restart().await;
    assert!(is_delivered(&waiting.send(&batch()).await));

    let silent = FakeHttp::start(|_| Reply::Stall).await;
    let settings = client(&silent.url(), &secret, TokenStyle::Basic);
    let mut hasty = endpoint(&destination.url());
    hasty.request_timeout = std::time::Duration::from_millis(200);
    let sink = http(hasty, Framing::Array, false, Auth::OAuth2(settings));
    let outcome = sink.send(&batch()).await;
    let expected = (Sent::No, RetryCause::Timeout);
    assert_eq!(retry(&outcome.verdicts[0]), expected);
}

#[tokio::test]
async fn a_rotated_client_secret_is_used_at_the_next_probe() {
    let good = format!("Basic {}", STANDARD.encode("relay%3A1:the-new-one"));
    let issuer = FakeHttp::start(move |request| match request.header("authorization") {
        Some(shown) if shown == good => issued("tok-new", 3600),
        _ => Reply::status(401, r#"{"error":"invalid_client"}"#),
    })
    .await;
    let destination = taking(&["tok-new"]).await;
    let secret = Token::new();
    let settings = client(&issuer.url(), &secret, TokenStyle::Basic);
    let sink = sink(&destination, Auth::OAuth2(settings));
    held(&sink.send(&batch()).await);
    std::fs::write(secret.path(), "the-new-one").unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
}

#[tokio::test]
async fn neither_the_secret_nor_the_token_has_a_printing_form() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let issuer = FakeHttp::start(|_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        issued("t0p-s3cret-token", 3600)
    })
    .await;
    let secret = Token::new();
    let settings = client(&issuer.url(), &secret, TokenStyle::Basic);
    let destination =
        FakeHttp::start(|request| Reply::status(404, format!("{:?}", request.headers))).await;
    let login = siem_relay::sink::client::Login::new(
        &Auth::OAuth2(settings.clone()),
        &endpoint(&destination.url()),
    );
    let text = format!("{settings:?} {:?}", login.unwrap());
    assert!(
        !text.contains("s3cret") && !text.contains("tenant"),
        "{text}"
    );
    let sink = sink(&destination, Auth::OAuth2(settings));
    let outcome = sink.send(&batch()).await;
    let quoted = detail(&outcome.verdicts[0]);
    assert!(
        quoted.contains("***") && !quoted.contains("t0p"),
        "{quoted}"
    );
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
}

/// A key file for the fake, and what checks its signatures.
fn service_account(token_uri: &str) -> (tempfile::TempDir, Secret, Vec<u8>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let lines = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
    let file = serde_json::json!({
        "type": "service_account",
        "private_key_id": "k1",
        "private_key": pem,
        "client_email": "relay@acme.iam.gserviceaccount.com",
        "token_uri": token_uri,
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let text = serde_json::to_string_pretty(&file).unwrap();
    std::fs::write(&path, text).unwrap();
    let secret = Secret::load_document(SecretPlace::File(path)).unwrap();
    (directory, secret, pair.public_key().as_ref().to_vec())
}

#[tokio::test]
async fn a_service_account_states_who_it_is_and_signs_that() {
    let (issuer, destination) = (issuer().await, taking(&["tok-0"]).await);
    let uri = format!("{}/token", issuer.url());
    let (_directory, key, public) = service_account(&uri);
    let scope = "https://www.googleapis.com/auth/cloud-platform".to_owned();
    let settings = GoogleServiceAccount { key, scope };
    let sink = sink(&destination, Auth::GoogleServiceAccount(settings));
    assert!(is_delivered(&sink.send(&batch()).await));
    let form = issuer.received()[0].text();
    let (grant, statement) = form.split_once("&assertion=").unwrap();
    assert_eq!(
        grant,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    );
    let (signed, signature) = statement.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
    public.verify(signed.as_bytes(), &signature).unwrap();
    let part = |at: usize| -> serde_json::Value {
        let text = signed.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let head = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "k1"});
    assert_eq!(part(0), head);
    let claims = part(1);
    assert_eq!(claims["iss"], "relay@acme.iam.gserviceaccount.com");
    assert_eq!(
        claims["scope"],
        "https://www.googleapis.com/auth/cloud-platform"
    );
    assert_eq!(claims["aud"], uri);
    let (from, to) = (
        claims["iat"].as_u64().unwrap(),
        claims["exp"].as_u64().unwrap(),
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(from) < 60 && to == from + 3600, "{claims}");
}

#[test]
fn a_key_file_that_cannot_work_is_refused_before_anything_is_sent() {
    let good = "http://127.0.0.1:9/token";
    let make = |key: Secret| {
        let scope = "s".to_owned();
        let auth = Auth::GoogleServiceAccount(GoogleServiceAccount { key, scope });
        let refused = siem_relay::sink::client::Login::new(&auth, &endpoint("https://h/"));
        refused.map(|_| ()).map_err(|error| error.to_string())
    };
    let (directory, key, _) = service_account(good);
    assert_eq!(make(key), Ok(()));
    let path = directory.path().join("key.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let elsewhere = text.replace(good, "http://oauth2.example.com/token");
    let broken = text.replace("PRIVATE KEY-----\\nMII", "PRIVATE KEY-----\\nMIIM");
    assert!(broken != text && elsewhere != text);
    for (text, expected) in [
        (&*elsewhere, "token_uri that is not an https URL"),
        (&*broken, "private_key"),
        ("{}", "not the key file of a service account"),
    ] {
        std::fs::write(&path, text).unwrap();
        let key = Secret::load_document(SecretPlace::File(path.clone())).unwrap();
        let error = make(key).unwrap_err();
        assert!(
            error.contains(expected) && !error.contains("MII"),
            "{error}"
        );
    }
}
