//! Commands over HTTP: `POST` below `/api/v1/journal/`, `/api/v1/dead-letters/` and
//! `/api/v1/destinations/`, who may send them, and what they take.
//!
//! Every command needs the write token, also on loopback, and must not come from a web page: a
//! browser on the operator's machine is no operator. A command that is read whole runs to its end
//! in the blocking pool, even if its client leaves. Each one is counted and logged once, whatever
//! becomes of it. Knows nothing of what a command does: that is behind [`Commands`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::commands::{CommandError, Commands, PassedPlace, Places, Wish};
use super::entry::Entry;
use super::guard::{self, Denied};
use super::letters::{KEYS, Letters, LettersAnswer, LettersBody, LettersOf};
use super::reply;
use super::{Admin, Command};

/// Bytes of a command's body.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// From the end of the head to the end of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a refused command's body that are read and thrown away before it is answered.
const DISCARD_BYTES_MAX: usize = 64 * 1024;
/// How long that may take.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(500);

/// What a command says in its body.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Skip { places: Places, dry_run: bool },
    Forget { destination: String },
    Replay { letters: Letters, dry_run: bool },
    Purge { letters: Letters, dry_run: bool },
    Wish { destination: String, wish: Wish },
}

/// Why a command is not obeyed.
struct Refused {
    status: StatusCode,
    /// The error word, which is the metric's result, too.
    error: &'static str,
    detail: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkipBody {
    after: Option<u64>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DestinationBody {
    destination: String,
}

#[derive(Serialize)]
struct Skipped {
    dry_run: bool,
    places: Vec<PassedPlace>,
}

#[derive(Serialize)]
struct Wished<'a> {
    destination: &'a str,
}

#[derive(Serialize)]
struct Forgotten<'a> {
    destination: &'a str,
    waiting_events: u64,
}

impl Admin {
    /// Answers a command.
    pub(super) async fn command<B>(
        &self,
        command: Command,
        request: Request<B>,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let entry = Entry::begin(command, peer, self.metrics.admin.clone(), &self.refusals);
        let (head, mut body) = request.into_parts();
        let order = match self.admit_command(&head.headers) {
            Ok(()) => read_order(command, &mut body).await,
            Err(refused) => Err(refused),
        };
        let order = match order {
            Ok(order) => order,
            Err(refused) => {
                let mut response = refused.answer();
                if !discard(&head.headers, &mut body).await {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                entry.refuse(refused.error, &refused.detail);
                return response;
            }
        };
        let commands = Arc::clone(&self.commands);
        // The entry goes along: what is done counts as done, also when nobody waits for the answer.
        let obeyed = tokio::task::spawn_blocking(move || obey(&*commands, &order, entry));
        obeyed.await.unwrap_or_else(|_| {
            let detail = "this is a fault of the relay; please report it with the log";
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        })
    }

    /// Admits by the head alone: not from a web page, with the write token, with JSON.
    fn admit_command(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if self.loopback_only {
            guard::check_host(headers)?;
        }
        guard::check_site(headers)?;
        guard::check_write(self.read_token.as_ref(), self.write_token.as_ref(), headers)?;
        if is_json(headers) {
            return Ok(());
        }
        Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported",
            "send JSON with content-type application/json",
        ))
    }
}

/// Does what the order says, and ends its entry.
fn obey(commands: &dyn Commands, order: &Order, entry: Entry) -> Response<Full<Bytes>> {
    let obeyed = match order {
        Order::Skip { places, dry_run } => {
            let dry_run = *dry_run;
            commands.skip_damage(*places, dry_run).map(|places| {
                let events: u64 = places.iter().map(|place| place.events).sum();
                let what = format!("{} place(s), {events} event(s)", places.len());
                let result = if dry_run { "previewed" } else { "done" };
                let answer = reply::json(StatusCode::OK, &Skipped { dry_run, places });
                (result, what, answer)
            })
        }
        Order::Forget { destination } => commands.forget(destination).map(|waiting_events| {
            let what = format!("destination {destination}, {waiting_events} event(s) waited");
            let forgotten = Forgotten {
                destination,
                waiting_events,
            };
            ("done", what, reply::json(StatusCode::OK, &forgotten))
        }),
        Order::Wish { destination, wish } => commands.wish(destination, *wish).map(|()| {
            let what = format!("destination {destination}");
            let answer = reply::json(StatusCode::OK, &Wished { destination });
            ("done", what, answer)
        }),
        Order::Replay { letters, dry_run } => {
            let told = commands.replay_letters(letters, *dry_run);
            told.map(|told| tell_letters(*dry_run, told))
        }
        Order::Purge { letters, dry_run } => {
            let told = commands.purge_letters(letters, *dry_run);
            told.map(|told| tell_letters(*dry_run, told))
        }
    };
    match obeyed {
        Ok((result, what, answer)) => {
            entry.obeyed(result, &what);
            answer
        }
        Err(error) => {
            let refused = Refused::from(error);
            let answer = refused.answer();
            entry.refuse(refused.error, &refused.detail);
            answer
        }
    }
}

/// The result's word, what it was about, and the answer.
fn tell_letters(
    dry_run: bool,
    destinations: Vec<LettersOf>,
) -> (&'static str, String, Response<Full<Bytes>>) {
    let counts = destinations.iter();
    let counts =
        counts.map(|of| format!("destination {}: {} letter(s)", of.destination, of.letters));
    let what = counts.collect::<Vec<_>>().join(", ");
    let result = if dry_run { "previewed" } else { "done" };
    let answer = LettersAnswer {
        dry_run,
        destinations,
    };
    (result, what, reply::json(StatusCode::OK, &answer))
}

async fn read_order<B>(command: Command, body: &mut B) -> Result<Order, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let bytes = timeout(BODY_TIMEOUT, read(body)).await.map_err(|_| {
        let detail = "the body did not arrive in 10 seconds; send it at once";
        Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    })??;
    match command {
        Command::JournalSkip => serde_json::from_slice(&bytes).ok().and_then(skip),
        Command::JournalForget => serde_json::from_slice(&bytes).ok().map(forget),
        Command::Destination(wish) => {
            let body = serde_json::from_slice::<DestinationBody>(&bytes).ok();
            body.map(|DestinationBody { destination }| Order::Wish { destination, wish })
        }
        Command::LettersReplay => {
            letters(&bytes).map(|(letters, dry_run)| Order::Replay { letters, dry_run })
        }
        Command::LettersPurge => {
            letters(&bytes).map(|(letters, dry_run)| Order::Purge { letters, dry_run })
        }
    }
    .ok_or_else(|| {
        // What a parser says would quote the client.
        let detail = match command {
            Command::JournalSkip => {
                "send {\"after\": POSITION} or {\"all\": true}, with \"dry_run\": true to change \
                 nothing, and no other key"
            }
            Command::JournalForget | Command::Destination(_) => {
                "send {\"destination\": \"NAME\"} and no other key"
            }
            Command::LettersReplay | Command::LettersPurge => KEYS,
        };
        Refused::new(StatusCode::BAD_REQUEST, "malformed", detail)
    })
}

/// Exactly one of a position and all.
fn skip(body: SkipBody) -> Option<Order> {
    let places = match (body.after, body.all) {
        (Some(after), false) => Places::After(after),
        (None, true) => Places::Known,
        _ => return None,
    };
    Some(Order::Skip {
        places,
        dry_run: body.dry_run,
    })
}

fn forget(body: DestinationBody) -> Order {
    Order::Forget {
        destination: body.destination,
    }
}

fn letters(bytes: &[u8]) -> Option<(Letters, bool)> {
    serde_json::from_slice::<LettersBody>(bytes).ok()?.read()
}

/// Reads the body, whatever was declared.
async fn read<B>(body: &mut B) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || {
        let detail = "a command has at most 4096 bytes; send only what it takes";
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    };
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body broke off, or its transfer coding is broken; send it again";
            Refused::new(StatusCode::BAD_REQUEST, "malformed", detail)
        })?;
        // Trailers say nothing that is asked for.
        let data = frame.into_data().unwrap_or_default();
        if bytes.len().saturating_add(data.len()) > BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Reads on a little before a refusal is answered: a connection that is closed on unread bytes can
/// lose the answer. False when there is more than that.
async fn discard<B>(headers: &HeaderMap, body: &mut B) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return true;
    }
    if headers.contains_key(EXPECT) {
        return false;
    }
    let drain = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let count = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(count) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    timeout(DISCARD_TIMEOUT, drain).await.unwrap_or(false)
}

/// `application/json`, once: forms of web pages cannot say that without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let value = guard::only(headers, CONTENT_TYPE).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

impl Refused {
    fn new(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            error,
            detail: detail.into(),
        }
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        reply::error(self.status, self.error, &self.detail)
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        let (status, error, detail) = denied.row();
        Self::new(status, error, detail)
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(detail) => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            CommandError::Conflict(detail) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            CommandError::Storage(detail) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "storage_error", detail)
            }
        }
    }
}
