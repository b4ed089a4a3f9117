//! AWS signatures of bulk requests, checked by code that shares nothing with the relay's, over the
//! bytes that came; and what a refused one means.

use std::time::{SystemTime, UNIX_EPOCH};

use siem_relay::secret::{Secret, SecretPlace};
use siem_relay::settings::{Auth, Aws, AwsCredentials, AwsService, BulkTarget, ElasticFlavour};
use siem_relay::settings::{Elasticsearch, NamePart};
use siem_relay::sink::elastic::Elastic;
use siem_relay::sink::{HoldCause, Sink, Verdict};

use crate::aws_signature::{Signed, hash};
use crate::fake_http::{FakeHttp, Received, Reply};
use crate::setup::*;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const STORED: &str = r#"{"errors":false,"items":[{"create":{"status":201}},
    {"create":{"status":201}}]}"#;

fn secret(directory: &tempfile::TempDir, name: &str, text: &str) -> Secret {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    Secret::load(SecretPlace::File(path)).unwrap()
}

fn auth(service: AwsService, key: &Secret, session_token: Option<Secret>) -> Auth {
    Auth::Aws(Aws {
        service,
        region: "eu-west-1".to_owned(),
        credentials: AwsCredentials::Stated {
            access_key_id: ID.to_owned(),
            secret_access_key: key.clone(),
            session_token,
        },
    })
}

fn check(request: &Received, service: &str, secret: &str) -> Result<Vec<String>, String> {
    let signed = Signed {
        id: ID,
        secret,
        region: "eu-west-1",
        service,
    };
    signed.check(request)
}

async fn storing() -> FakeHttp {
    FakeHttp::start(|_| Reply::status(200, STORED)).await
}

#[tokio::test]
async fn the_compressed_bytes_are_signed_with_path_query_and_type() {
    let destination = storing().await;
    let directory = tempfile::tempdir().unwrap();
    let key = secret(&directory, "key", SECRET);
    let mut endpoint = endpoint(&format!("{}/some path/", destination.url()));
    endpoint.gzip = true;
    let auth = auth(AwsService::Es, &key, None);
    // A pipeline with characters that a query and a signature write in different ways.
    let sink = elastic(endpoint, auth, Some("a b+c~d*e"));
    assert!(is_delivered(&sink.send(&batch()).await));
    let mut request = destination.received().remove(0);
    assert!(
        request.path.starts_with("/some%20path/_bulk?"),
        "{}",
        request.path
    );
    assert!(request.packed.is_some());
    let signed = check(&request, "es", SECRET).unwrap();
    assert_eq!(signed, ["content-type", "host", "x-amz-date"]);
    let time: jiff::civil::DateTime = request.header("x-amz-date").unwrap()[..15].parse().unwrap();
    let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(now.as_secs().abs_diff(time.as_second().unsigned_abs()) < 60);
    // The check can fail.
    assert!(check(&request, "es", "another").is_err());
    assert!(check(&request, "aoss", SECRET).is_err());
    request.packed = None;
    assert!(check(&request, "es", SECRET).is_err());
}

#[tokio::test]
async fn a_serverless_request_also_signs_its_bodys_hash_and_keys_that_end_their_token() {
    let destination = storing().await;
    let directory = tempfile::tempdir().unwrap();
    let key = secret(&directory, "key", SECRET);
    let token = secret(&directory, "token", "t0k3n//with+signs==");
    let settings = Elasticsearch {
        flavour: ElasticFlavour::OpenSearchServerless,
        target: BulkTarget::Index(vec![NamePart::Text("findings".to_owned())]),
        auth: auth(AwsService::Aoss, &key, Some(token)),
        ..elastic_settings(vec![endpoint(&destination.url())])
    };
    let sink = Elastic::new(&settings).unwrap();
    assert!(is_delivered(&sink.send(&batch()).await));
    let request = destination.received().remove(0);
    let signed = check(&request, "aoss", SECRET).unwrap();
    let expected = [
        "content-type",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    ];
    assert_eq!(signed, expected);
    let body = hash(&request.body);
    assert_eq!(request.header("x-amz-content-sha256"), Some(&*body));
    let token = request.header("x-amz-security-token");
    assert_eq!(token, Some("t0k3n//with+signs=="));
}

#[tokio::test]
async fn a_rotated_key_signs_the_next_request() {
    let destination = storing().await;
    let directory = tempfile::tempdir().unwrap();
    let key = secret(&directory, "key", SECRET);
    let url = destination.url();
    let sink = elastic(endpoint(&url), auth(AwsService::Es, &key, None), None);
    assert!(is_delivered(&sink.send(&batch()).await));
    std::fs::write(directory.path().join("key"), "another").unwrap();
    sink.refresh();
    assert!(is_delivered(&sink.send(&batch()).await));
    let bulk = |request: &Received| request.path.starts_with("/_bulk");
    let requests: Vec<_> = destination.received().into_iter().filter(bulk).collect();
    check(&requests[0], "es", SECRET).unwrap();
    check(&requests[1], "es", "another").unwrap();
}

#[tokio::test]
async fn a_signature_of_another_time_holds_and_points_to_the_clock() {
    let expired = r#"{"message":"Signature expired: 20261124T000000Z is now earlier than ..."}"#;
    let denied = r#"{"Message":"User: relay is not authorized to perform: es:ESHttpPost"}"#;
    let unknown = r#"{"code":"SignatureDoesNotMatch","message":"KEY t0k3n"}"#;
    for (body, is_clock) in [(expired, true), (denied, false), (unknown, true)] {
        let body = body.replace("KEY", SECRET);
        let destination = FakeHttp::start(move |_| Reply::status(403, body.clone())).await;
        let directory = tempfile::tempdir().unwrap();
        let key = secret(&directory, "key", SECRET);
        let token = secret(&directory, "token", "t0k3n");
        let auth = auth(AwsService::Es, &key, Some(token));
        let sink = elastic(endpoint(&destination.url()), auth, None);
        let outcome = sink.send(&batch()).await;
        let Verdict::Hold { cause, detail, .. } = &outcome.verdicts[0] else {
            panic!("{:?}", outcome.verdicts)
        };
        assert_eq!(*cause, HoldCause::Auth);
        assert_eq!(
            detail.contains("check this machine's clock"),
            is_clock,
            "{detail}"
        );
        assert!(
            !detail.contains(SECRET) && !detail.contains("t0k3n"),
            "{detail}"
        );
    }
}
