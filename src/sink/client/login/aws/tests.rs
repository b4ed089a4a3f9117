//! Proves signatures against Amazon's own test suite, where keys are looked for, and over real
//! sockets what a container and an instance are asked and what becomes of their answers.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use fake_http::{FakeHttp, Received, Reply};

use super::*;
use crate::settings::AwsCredentials;
use crate::sink::RetryCause;
use crate::sink::client::FaultKind;
use crate::sink::client::login::Hidden;

#[path = "../../../../../tests/support/fake_http.rs"]
mod fake_http;

const HANDED_OUT: &str = r#"{"Code":"Success","AccessKeyId":"ASIAONE","SecretAccessKey":"s3cr3t",
    "Token":"t0k3n","Expiration":"2999-01-01T00:00:00Z"}"#;
const FILE: &str = "# mine\n[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key=other\n\
    \n[ default ]\nregion = eu-west-1\naws_access_key_id=AKIADEFAULT\naws_secret_access_key = a=b\n\
    aws_session_token = token\n[empty]\n";

/// 2015-08-30T12:36:00Z, the suite's time.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)
}

fn signature(method: Method, url: &str, token: Option<&str>, with_hash: bool) -> HeaderMap {
    let scope = Scope {
        service: "service",
        region: "us-east-1".to_owned(),
        with_hash,
    };
    let keys = Keys {
        id: "AKIDEXAMPLE".to_owned(),
        secret: SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: token.map(SecretString::from),
    };
    let url = Url::parse(url).unwrap();
    let mut outgoing = Outgoing {
        method,
        url: &url,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        answer_bytes_max: 0,
        id: None,
    };
    sign_request(&scope, &keys, then(), &mut outgoing).unwrap();
    outgoing.headers
}

#[test]
fn amazons_own_examples_have_amazons_signatures() {
    // aws-signing-test-suite, get-vanilla-query-order-key-case and post-sts-header-before.
    let url = "https://example.amazonaws.com/?Param2=value2&Param1=value1";
    let headers = signature(Method::GET, url, None, false);
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(
        headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    );
    assert!(headers["authorization"].is_sensitive());
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAe\
        MicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsbur\
        EDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64l\
        IZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    let url = "https://example.amazonaws.com/";
    let headers = signature(Method::POST, url, Some(token), false);
    assert_eq!(headers["x-amz-security-token"], token);
    let signed = headers["authorization"].to_str().unwrap();
    let of_suite = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
    assert!(signed.ends_with(of_suite), "{signed}");
    assert!(!headers.contains_key("x-amz-content-sha256"));
    let headers = signature(Method::POST, url, None, true);
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(headers["x-amz-content-sha256"], of_nothing);
    let signed = headers["authorization"].to_str().unwrap();
    assert!(
        signed.contains("host;x-amz-content-sha256;x-amz-date"),
        "{signed}"
    );
}

fn under(credentials: AwsCredentials, variables: &[(&str, &str)]) -> Result<Aws, LoginError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    let settings = settings::Aws {
        service: AwsService::Es,
        region: "eu-west-1".to_owned(),
        credentials,
    };
    Aws::under(&settings, &|name| {
        variables.get(name).map(|text| (*text).to_owned())
    })
}

const fn chain() -> AwsCredentials {
    AwsCredentials::Chain { profile: None }
}

async fn keys(aws: &Aws) -> (String, String, Option<String>) {
    let keys = aws.source.keys().await.unwrap();
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    (
        keys.id,
        text(&keys.secret),
        keys.session_token.as_ref().map(text),
    )
}

#[tokio::test]
async fn the_environment_comes_before_the_file_and_a_named_profile_before_both() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let path = home.path().join(".aws/credentials");
    std::fs::write(&path, FILE).unwrap();
    let (home, file) = (home.path().to_str().unwrap(), path.to_str().unwrap());
    let id = [
        ("AWS_ACCESS_KEY_ID", "AKIAENV"),
        ("AWS_SECRET_ACCESS_KEY", "env"),
        ("HOME", home),
    ];
    let named = AwsCredentials::Chain {
        profile: Some("other".to_owned()),
    };
    let tuple = |id: &str, secret: &str, token: Option<&str>| {
        (id.to_owned(), secret.to_owned(), token.map(str::to_owned))
    };
    for (credentials, variables, expected) in [
        (chain(), &id[..], tuple("AKIAENV", "env", None)),
        (named, &id[..], tuple("AKIAOTHER", "other", None)),
        (
            chain(),
            &id[2..],
            tuple("AKIADEFAULT", "a=b", Some("token")),
        ),
        (
            chain(),
            &[
                ("AWS_SHARED_CREDENTIALS_FILE", file),
                ("AWS_PROFILE", "other"),
            ],
            tuple("AKIAOTHER", "other", None),
        ),
    ] {
        assert_eq!(
            keys(&under(credentials, variables).unwrap()).await,
            expected
        );
    }
    for (variables, expected) in [
        (&id[..1], "without AWS_SECRET_ACCESS_KEY"),
        (&[][..], "neither AWS_ACCESS_KEY_ID nor"),
        (&[("HOME", "/nowhere")], "/nowhere/.aws/credentials"),
        (
            &[("HOME", home), ("AWS_PROFILE", "third")],
            "no such profile",
        ),
        (
            &[("HOME", home), ("AWS_PROFILE", "empty")],
            "without aws_access_key_id",
        ),
    ] {
        let error = under(chain(), variables).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let aws = under(chain(), &id[2..]).unwrap();
    std::fs::write(&path, FILE.replace("a=b", "changed")).unwrap();
    aws.reread();
    assert_eq!(keys(&aws).await.1, "changed");
    assert!(!format!("{aws:?}").contains("changed"));
}

fn handing_out(request: &Received) -> Reply {
    let session = request.header("x-aws-ec2-metadata-token") == Some("s3ss10n");
    match (&*request.method, &*request.path) {
        ("PUT", "/latest/api/token") => Reply::status(200, "s3ss10n"),
        ("GET", "/latest/meta-data/iam/security-credentials/") if session => {
            Reply::status(200, "relay-role\n")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/relay-role") if session => {
            Reply::status(200, HANDED_OUT)
        }
        _ => Reply::status(401, "s3ss10n"),
    }
}

#[tokio::test]
async fn an_instance_is_asked_in_a_session_and_once() {
    let service = FakeHttp::start(handing_out).await;
    let url = format!("{}/", service.url());
    let endpoint = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url)];
    let aws = under(AwsCredentials::Instance, &endpoint).unwrap();
    assert!(service.received().is_empty());
    let expected = (
        "ASIAONE".to_owned(),
        "s3cr3t".to_owned(),
        Some("t0k3n".to_owned()),
    );
    assert_eq!(keys(&aws).await, expected);
    assert_eq!(keys(&aws).await, expected);
    let asked = service.received();
    assert_eq!(asked.len(), 3);
    assert_eq!(
        asked[0].header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("21600")
    );
    aws.reread();
    assert_eq!(keys(&aws).await, expected);
    assert_eq!(service.received().len(), 6);
}

#[tokio::test]
async fn a_container_shows_its_token_which_may_change() {
    let service = FakeHttp::start(|_| Reply::status(200, HANDED_OUT)).await;
    let url = format!("{}/v1/credentials", service.url());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let aws = under(
        AwsCredentials::Container,
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this"),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                path.to_str().unwrap(),
            ),
        ],
    )
    .unwrap();
    assert_eq!(keys(&aws).await.0, "ASIAONE");
    std::fs::write(&path, "second").unwrap();
    aws.reread();
    assert_eq!(keys(&aws).await.0, "ASIAONE");
    let asked = service.received();
    let shown: Vec<_> = asked
        .iter()
        .map(|one| one.header("authorization").unwrap())
        .collect();
    assert_eq!(shown, ["first", "second"]);
    assert_eq!(
        (&*asked[0].method, &*asked[0].path),
        ("GET", "/v1/credentials")
    );
}

#[test]
fn a_containers_token_goes_to_no_other_machine_in_plain_http() {
    for (url, allowed) in [
        ("http://169.254.170.23/v1/credentials", true),
        ("http://[fd00:ec2::23]/v1/credentials", true),
        ("http://127.0.0.1:1/", true),
        ("https://keys.example.com/", true),
        ("http://keys.example.com/", false),
        ("http://169.254.170.2.example.com/", false),
        ("keys", false),
    ] {
        let variable = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)];
        let result = under(AwsCredentials::Container, &variable);
        assert_eq!(result.is_ok(), allowed, "{url}");
    }
    let relative = [(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "/v2/credentials/1",
    )];
    assert!(under(AwsCredentials::Container, &relative).is_ok());
    let error = under(AwsCredentials::Container, &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("give the container a role"), "{error}");
}

#[tokio::test]
async fn what_hands_out_nothing_decides_between_holding_and_waiting() {
    for (status, body, expected) in [
        (403, "t0k3n-of-mine", None),
        (404, "", None),
        (429, "", Some(RetryCause::RateLimited)),
        (500, "", Some(RetryCause::ServerError)),
        (
            200,
            r#"{"AccessKeyId":"ASIAONE"}"#,
            Some(RetryCause::BadAnswer),
        ),
    ] {
        let service = FakeHttp::start(move |_| Reply::status(status, body)).await;
        let url = service.url();
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t0k3n-of-mine"),
        ];
        let aws = under(AwsCredentials::Container, &variables).unwrap();
        let fault = aws.source.keys().await.err().unwrap();
        match expected {
            None => assert_eq!(fault.kind, FaultKind::Credential, "{fault}"),
            Some(cause) => {
                let kind = FaultKind::Token { cause, after: None };
                assert_eq!(fault.kind, kind, "{fault}");
            }
        }
        assert!(!fault.to_string().contains("t0k3n"), "{fault}");
    }
    let closed = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")];
    let aws = under(AwsCredentials::Instance, &closed).unwrap();
    let fault = aws.source.keys().await.err().unwrap();
    let cause = RetryCause::Connect;
    assert_eq!(
        fault.kind,
        FaultKind::Token { cause, after: None },
        "{fault}"
    );
}

#[tokio::test]
async fn neither_key_nor_session_is_quoted() {
    let service = FakeHttp::start(handing_out).await;
    let url = service.url();
    let endpoint = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url)];
    let aws = under(AwsCredentials::Instance, &endpoint).unwrap();
    let url = Url::parse("https://h.example.com/").unwrap();
    let mut outgoing = Outgoing {
        method: Method::POST,
        url: &url,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        answer_bytes_max: 0,
        id: None,
    };
    let mut secrets: Vec<Hidden> = Vec::new();
    aws.prove(&mut outgoing, &mut secrets).await.unwrap();
    let text = secrets
        .iter()
        .fold("s3cr3t t0k3n".to_owned(), |text, one| one.blank(text));
    assert_eq!(text, "*** ***");
    assert_eq!(outgoing.headers["x-amz-security-token"], "t0k3n");
}
