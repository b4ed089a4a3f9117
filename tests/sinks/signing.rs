//! Signed requests, as a receiver of Standard Webhooks checks them: with code that shares nothing
//! with the relay's, over the bytes that came.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use siem_relay::secret::{Secret, SecretPlace};
use siem_relay::settings::{Auth, Framing};
use siem_relay::sink::http::Http;
use siem_relay::sink::{HoldCause, RetryCause, Sent, Sink, Verdict};

use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

const OLD: [u8; 24] = [1; 24];
const NEW: [u8; 64] = [2; 64];
const SEED: [u8; 32] = [3; 32];

fn whsec(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

fn document(text: &str) -> (tempfile::TempDir, Secret) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    std::fs::write(&path, text).unwrap();
    let secret = Secret::load_document(SecretPlace::File(path)).unwrap();
    (directory, secret)
}

fn signed(keys: &Secret, beside: Auth) -> Auth {
    Auth::Signed {
        keys: keys.clone(),
        beside: Box::new(beside),
    }
}

fn sink(destination: &FakeHttp, framing: Framing, auth: Auth) -> Http {
    http(endpoint(&destination.url()), framing, false, auth)
}

fn signatures(request: &Received) -> Vec<(&str, Vec<u8>)> {
    let header = request.header("webhook-signature").unwrap();
    let parts = header.split(' ').map(|one| one.split_once(',').unwrap());
    parts
        .map(|(version, signature)| (version, STANDARD.decode(signature).unwrap()))
        .collect()
}

/// What the signature is about.
fn content(request: &Received) -> Vec<u8> {
    let id = request.header("webhook-id").unwrap();
    assert!(!id.contains('.'), "{id}");
    let sent = request.header("webhook-timestamp").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_secs().abs_diff(sent.parse().unwrap());
    assert!(age < 60, "{sent}");
    [format!("{id}.{sent}.").as_bytes(), &request.body].concat()
}

fn is_of(request: &Received, key: &[u8], signature: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, &content(request), signature).is_ok()
}

#[tokio::test]
async fn every_key_signs_and_each_kind_of_receiver_can_check() {
    let destination = FakeHttp::start(|_| Reply::status(200, "")).await;
    let public = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let public = public.public_key().as_ref().to_vec();
    let whole = STANDARD.encode([&SEED[..], &public].concat());
    let text = format!("{}\n{} whsk_{whole}\n", whsec(&OLD), whsec(&NEW));
    let (_directory, keys) = document(&text);
    let token = Token::new();
    let beside = Auth::Bearer(token.secret.clone());
    let sink = sink(&destination, Framing::Array, signed(&keys, beside));
    assert!(is_delivered(&sink.send(&batch()).await));
    let request = destination.received().remove(0);
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.header("authorization"), Some(&*bearer));
    assert_eq!(request.header("content-encoding"), None);
    let signatures = signatures(&request);
    let versions: Vec<_> = signatures.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, ["v1", "v1", "v1a"]);
    assert!(is_of(&request, &OLD, &signatures[0].1));
    assert!(is_of(&request, &NEW, &signatures[1].1));
    assert!(!is_of(&request, &NEW, &signatures[0].1));
    UnparsedPublicKey::new(&ED25519, &public)
        .verify(&content(&request), &signatures[2].1)
        .unwrap();
}

#[tokio::test]
async fn a_request_keeps_its_name_when_it_goes_again_and_like_events_have_names_of_their_own() {
    let destination = FakeHttp::start(|request| {
        let status = if request.number == 0 { 503 } else { 200 };
        Reply::status(status, "")
    })
    .await;
    let (_directory, keys) = document(&whsec(&NEW));
    let sink = sink(&destination, Framing::Single, signed(&keys, Auth::None));
    let events = [event(1, "{}")];
    let first = sink.send(&events).await;
    let expected = (Sent::Unknown, RetryCause::ServerError);
    assert_eq!(retry(&first.verdicts[0]), expected);
    assert!(is_delivered(&sink.send(&events).await));
    assert!(is_delivered(&sink.send(&[event(2, "{}")]).await));
    let requests = destination.received();
    let names: Vec<_> = requests
        .iter()
        .map(|request| request.header("webhook-id").unwrap())
        .collect();
    assert_eq!(names[0], names[1]);
    assert_ne!(names[1], names[2]);
    for request in &requests {
        assert!(is_of(request, &NEW, &signatures(request)[0].1));
    }
}

#[tokio::test]
async fn rotated_keys_are_used_and_a_broken_file_keeps_the_last_good_ones() {
    let destination = FakeHttp::start(|_| Reply::status(200, "")).await;
    let (directory, keys) = document(&whsec(&OLD));
    let sink = sink(&destination, Framing::Array, signed(&keys, Auth::None));
    for text in [whsec(&NEW), "hunter2".to_owned()] {
        std::fs::write(directory.path().join("keys"), text).unwrap();
        sink.refresh();
        assert!(is_delivered(&sink.send(&batch()).await));
        let request = destination.received().pop().unwrap();
        assert!(is_of(&request, &NEW, &signatures(&request)[0].1));
    }
}

#[tokio::test]
async fn a_refused_signature_holds_and_no_key_is_quoted() {
    let text = whsec(&OLD);
    let bare = text.trim_start_matches("whsec_").to_owned();
    let echo = format!("no: {text} {bare}");
    let destination = FakeHttp::start(move |_| Reply::status(401, echo.clone())).await;
    let (_directory, keys) = document(&text);
    let sink = sink(&destination, Framing::Array, signed(&keys, Auth::None));
    let outcome = sink.send(&batch()).await;
    let Verdict::Hold { cause, detail, .. } = &outcome.verdicts[0] else {
        panic!("{:?}", outcome.verdicts)
    };
    assert_eq!(*cause, HoldCause::Auth);
    assert!(
        detail.contains("no: whsec_***") && !detail.contains(&bare),
        "{detail}"
    );
}
