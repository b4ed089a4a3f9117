//! Proves of commands: who may give them and how, that each refusal leaves the stages alone, and
//! that each command is counted and logged once, without a token.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::{Body, Frame};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;

const SKIP: &str = "/api/v1/journal/skip";
const FORGET: &str = "/api/v1/journal/forget";
const WRITE_TOKEN: &str = "another-horse-battery-staple";
/// Where the commands of these tests come from.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7);

impl Commands for Fake {
    fn skip_damage(&self, places: Places, dry_run: bool) -> Result<Vec<PassedPlace>, CommandError> {
        let what = format!("skip {places:?} {dry_run}");
        self.obeyed.lock().unwrap().push(what);
        if places == Places::After(404) {
            return Err(CommandError::Storage("cannot write".to_owned()));
        }
        Ok(vec![PassedPlace {
            file: "00000000000000000001.seg".to_owned(),
            offset: 4096,
            after: 6,
            through: 8,
            events: 2,
        }])
    }

    fn forget(&self, destination: &str) -> Result<u64, CommandError> {
        let what = format!("forget {destination}");
        self.obeyed.lock().unwrap().push(what);
        match destination {
            "splunk" => Err(CommandError::Conflict("it is configured".to_owned())),
            "fault" => panic!("a fault for this test"),
            "old" => Ok(3),
            _ => Err(CommandError::NotFound("it is not registered".to_owned())),
        }
    }

    fn wish(&self, destination: &str, wish: Wish) -> Result<(), CommandError> {
        let what = format!("{wish:?} {destination}");
        self.obeyed.lock().unwrap().push(what);
        match destination {
            "splunk" => Ok(()),
            _ => Err(CommandError::NotFound("it is not configured".to_owned())),
        }
    }

    fn replay_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError> {
        self.letters("replay", letters, dry_run)
    }

    fn purge_letters(
        &self,
        letters: &Letters,
        dry_run: bool,
    ) -> Result<Vec<LettersOf>, CommandError> {
        self.letters("purge", letters, dry_run)
    }
}

/// A body that never comes.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

pub(super) fn writable() -> (Arc<Fake>, Admin) {
    let (fake, mut admin) = admin(true, Some(token()));
    admin.write_token = Some(secret("write-token", WRITE_TOKEN));
    (fake, admin)
}

/// The head of a command without fault, with these headers put in place of its own.
pub(super) fn head(path: &str, changed: &[(&str, &str)]) -> http::request::Builder {
    let bearer = format!("Bearer {WRITE_TOKEN}");
    let own = [
        ("host", "127.0.0.1:9600"),
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let kept = own
        .iter()
        .filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
    let mut builder = Request::post(path);
    for (name, value) in kept.chain(changed) {
        builder = builder.header(*name, *value);
    }
    builder
}

pub(super) async fn post<B>(
    admin: &Admin,
    head: http::request::Builder,
    body: B,
) -> (StatusCode, Value)
where
    B: Body<Data = Bytes> + Unpin,
{
    let response = admin.respond(head.body(body).unwrap(), PEER).await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Sends a skip with a fault; the error word, which must be counted, and the detail. Nothing may
/// be obeyed.
async fn refused(
    (fake, admin): &(Arc<Fake>, Admin),
    changed: &[(&str, &str)],
    body: &str,
) -> (u16, String, String) {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let (status, answer) = post(admin, head(SKIP, changed), body).await;
    assert_eq!(*fake.obeyed.lock().unwrap(), [""; 0]);
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    assert!(!answer.to_string().contains("horse"), "{answer}");
    assert!(
        counted(admin, "journal_skip", &text("error")) > 0,
        "{answer}"
    );
    (status.as_u16(), text("error"), text("detail"))
}

pub(super) fn counted(admin: &Admin, command: &str, result: &str) -> u64 {
    let text = admin.metrics.render().unwrap();
    let name = "siem_relay_admin_commands_total";
    let prefix = format!("{name}{{command=\"{command}\",result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap_or_else(|| panic!("no {prefix}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_command_with_the_write_token_is_obeyed_and_its_outcome_told() {
    let (fake, admin) = writable();
    let place = json!({"file": "00000000000000000001.seg", "offset": 4096, "after": 6,
                       "through": 8, "events": 2});
    for (path, body, what, expected) in [
        (
            SKIP,
            r#"{"after": 6}"#,
            "skip After(6) false",
            json!({"dry_run": false, "places": [place]}),
        ),
        (
            SKIP,
            r#"{"all": true, "dry_run": true}"#,
            "skip Known true",
            json!({"dry_run": true, "places": [place]}),
        ),
        (
            FORGET,
            r#"{"destination": "old"}"#,
            "forget old",
            json!({"destination": "old", "waiting_events": 3}),
        ),
    ] {
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        let (status, answer) = post(&admin, head(path, &[]), body).await;
        assert_eq!((status, answer), (StatusCode::OK, expected));
        assert_eq!(fake.obeyed.lock().unwrap().pop().unwrap(), what);
    }
    for (command, result) in [
        ("journal_skip", "done"),
        ("journal_skip", "previewed"),
        ("journal_forget", "done"),
    ] {
        assert_eq!(counted(&admin, command, result), 1, "{command} {result}");
    }
}

#[tokio::test]
async fn what_the_stages_refuse_has_its_own_status() {
    let (_, admin) = writable();
    for (path, body, status, error) in [
        (FORGET, r#"{"destination": "splunk"}"#, 409, "conflict"),
        (FORGET, r#"{"destination": "new"}"#, 404, "not_found"),
        (FORGET, r#"{"destination": "fault"}"#, 500, "internal"),
        (SKIP, r#"{"after": 404}"#, 500, "storage_error"),
    ] {
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        let (answered, answer) = post(&admin, head(path, &[]), body).await;
        assert_eq!(
            (answered.as_u16(), &answer["error"]),
            (status, &json!(error))
        );
        let command = if path == SKIP {
            "journal_skip"
        } else {
            "journal_forget"
        };
        assert_eq!(counted(&admin, command, error), 1, "{error}");
    }
}

#[tokio::test]
async fn without_a_configured_write_token_every_command_is_refused_with_the_remedy() {
    for loopback_only in [true, false] {
        let (fake, mut admin) = writable();
        admin.loopback_only = loopback_only;
        admin.write_token = None;
        let (status, error, detail) = refused(&(fake, admin), &[], r#"{"all": true}"#).await;
        assert_eq!((status, error.as_str()), (403, "forbidden"));
        assert!(detail.contains("admin.write_token_file"), "{detail}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_so_is_the_read_token() {
    let both = writable();
    for wrong in [
        "",
        WRITE_TOKEN,
        "Bearer ",
        "Bearer another-horse-battery-stapl",
        "Basic another-horse-battery-staple",
    ] {
        let headers = [("authorization", wrong)];
        let (status, error, _) = refused(&both, &headers, r#"{"all": true}"#).await;
        assert_eq!((status, error.as_str()), (401, "unauthorized"), "{wrong}");
    }
    let read = format!("Bearer {TOKEN}");
    let headers = [("authorization", read.as_str())];
    let (status, _, detail) = refused(&both, &headers, r#"{"all": true}"#).await;
    assert_eq!(status, 403);
    assert!(detail.contains("this is the read token"), "{detail}");
    // As when a file is replaced later with the other one's content.
    let (fake, mut admin) = both;
    admin.write_token = admin.read_token.clone();
    assert_eq!(refused(&(fake, admin), &headers, "{}").await.0, 403);
}

#[tokio::test]
async fn a_command_from_a_web_page_is_refused_although_it_bears_the_token() {
    let both = writable();
    for (name, value) in [
        ("host", "evil.example.com"),
        ("origin", "http://127.0.0.1:9600"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let (status, error, _) = refused(&both, &[(name, value)], r#"{"all": true}"#).await;
        assert_eq!(
            (status, error.as_str()),
            (403, "forbidden"),
            "{name}: {value}"
        );
    }
    for site in ["none", "same-origin"] {
        let body = Full::new(Bytes::from_static(br#"{"all": true}"#));
        let head = head(SKIP, &[("sec-fetch-site", site)]);
        assert_eq!(post(&both.1, head, body).await.0, StatusCode::OK, "{site}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_of_the_known_keys_is_refused() {
    let both = writable();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "application/jsonp",
    ] {
        let headers = [("content-type", kind)];
        let (status, error, _) = refused(&both, &headers, r#"{"all": true}"#).await;
        assert_eq!((status, error.as_str()), (415, "unsupported"), "{kind}");
    }
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"all": false}"#,
        r#"{"all": true, "after": 6}"#,
        r#"{"after": -1}"#,
        r#"{"after": "6"}"#,
        r#"{"after": 6, "after": 7}"#,
        r#"{"after": 6, "afterwards": 7}"#,
        r#"{"after": 6} x"#,
        r#"{"destination": "old"}"#,
    ] {
        let (status, error, detail) = refused(&both, &[], body).await;
        assert_eq!((status, error.as_str()), (400, "malformed"), "{body}");
        assert!(detail.contains(r#"{"all": true}"#), "{detail}");
    }
    let (fake, admin) = &both;
    for body in [
        "{}",
        r#"{"destination": "old", "all": true}"#,
        r#"{"destination": 1}"#,
    ] {
        let body = Full::new(Bytes::from_static(body.as_bytes()));
        let status = post(admin, head(FORGET, &[]), body).await.0;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(*fake.obeyed.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_body_over_4_kib_is_refused_at_its_first_byte_too_many() {
    let both = writable();
    let padded = |bytes: usize| format!("{:1$}", r#"{"all": true}"#, bytes);
    let (status, error, _) = refused(&both, &[], &padded(4097)).await;
    assert_eq!((status, error.as_str()), (413, "too_large"));
    let body = Full::new(Bytes::from(padded(4096)));
    assert_eq!(post(&both.1, head(SKIP, &[]), body).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_after_10_seconds() {
    let (fake, admin) = writable();
    let began = Instant::now();
    let (status, answer) = post(&admin, head(SKIP, &[]), Silent).await;
    assert_eq!(
        (status.as_u16(), &answer["error"]),
        (408, &json!("timeout"))
    );
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(11),
        "{took:?}"
    );
    assert_eq!(*fake.obeyed.lock().unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_before_its_command_was_read_is_counted_once() {
    let (_, admin) = writable();
    let posting = post(&admin, head(SKIP, &[]), Silent);
    let left = tokio::time::timeout(Duration::from_secs(1), posting).await;
    assert!(left.is_err());
    assert_eq!(counted(&admin, "journal_skip", "aborted"), 1);
}

#[test]
fn a_command_s_path_takes_post_alone_and_tells_strangers_nothing() {
    let (_, mut admin) = writable();
    for path in [SKIP, FORGET] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
            let host = headers(&[("host", "localhost")]);
            let response = admin.answer(&method, path, &host);
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(header(&response, "allow"), "POST");
        }
        let foreign = get(&admin, path, &[("host", "evil.example.com")]);
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    }
    admin.loopback_only = false;
    let status = get(&admin, SKIP, &[("host", "localhost")]).status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn over_a_socket_a_refusal_arrives_before_the_body_does() {
    let (_, admin) = writable();
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, limits(), None).await.unwrap();
    let address = listener.local_address();
    let (stop, force) = (CancellationToken::new(), CancellationToken::new());
    let serving = tokio::spawn(Arc::new(admin).serve(listener, stop.clone(), force));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {SKIP} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         authorization: Bearer {WRITE_TOKEN}\r\ncontent-length: 1000000\r\n\r\n{{"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
}
