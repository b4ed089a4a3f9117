//! `kind = "http"`: what requests look like, and what the receiver's answers mean.
//!
//! Reads every key before it gives up, so that one mistake does not make others look unknown.

use figment::value::Value;

use crate::settings::{
    CloudEvents, CloudEventsData, CloudEventsMode, Framing, HttpTerms, Success, Wrap,
};

use super::names::{header_name, is_framing, secret_like};
use super::problems::shown;
use super::table::{Fault, Raw, Table};

/// What stands for the array of events in `wrap`.
const EVENTS: &str = "$events";
/// Bytes of a `wrap`; it counts towards `batch_max_bytes`, whose smallest value is 1 KiB.
const WRAP_BYTES_MAX: usize = 512;
/// `type` of CloudEvents unless told otherwise.
const CLOUDEVENTS_TYPE: &str = "siem-relay.event";
/// Bytes of a CloudEvent's `source` or `type`: in binary mode they are headers.
const ATTRIBUTE_BYTES_MAX: usize = 256;
/// Bytes of a pointer into an answer.
const POINTER_BYTES_MAX: usize = 256;
/// Statuses by which receivers say "I have that already". No other one may count as delivery:
/// most of them are also said by servers and proxies that never saw the events.
const SUCCESS_STATUSES: [u16; 3] = [409, 412, 422];

/// The words of `framing`, before what they need is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Array,
    Ndjson,
    Single,
    Wrapped,
}

/// How events are put into bodies.
pub(super) fn framing(table: &Table<'_>, envelope: bool) -> Framing {
    let words = [
        ("array", Word::Array),
        ("ndjson", Word::Ndjson),
        ("single", Word::Single),
        ("wrapped", Word::Wrapped),
    ];
    let word = table.one_of("framing", Some("array"), &words);
    let wrap = wrap(table);
    let wrapped = word == Some(Word::Wrapped);
    if wrapped && !table.has("wrap") {
        let remedy = "write such as '{\"events\":$events}'";
        table.problem("wrap", "missing beside framing = \"wrapped\"", remedy);
    } else if !wrapped && table.has("wrap") {
        let remedy = "set framing = \"wrapped\", or remove it";
        table.problem("wrap", "stands without framing = \"wrapped\"", remedy);
    }
    if let Some(cloud) = cloud_events(table) {
        let what = "stands beside cloudevents, which says what requests look like";
        for (key, clashes) in [("framing", table.has("framing")), ("envelope", envelope)] {
            if clashes {
                table.problem(key, what, "keep one of them");
            }
        }
        return Framing::CloudEvents(cloud);
    }
    match (word, wrap) {
        (Some(Word::Ndjson), _) => Framing::Ndjson,
        (Some(Word::Single), _) => Framing::Single,
        (Some(Word::Wrapped), Some(wrap)) => Framing::Wrapped(wrap),
        // Anything else is the default, or was reported.
        _ => Framing::Array,
    }
}

/// What the receiver makes of requests, and means by its answers.
/// `headers` are the names of those that are configured; of any other one `set_otherwise` tells
/// who sets it.
pub(super) fn terms(
    table: &Table<'_>,
    headers: &[&str],
    set_otherwise: impl Fn(&str) -> Option<&'static str>,
) -> HttpTerms {
    let success_statuses = success_statuses(table);
    let success = success(table);
    HttpTerms {
        idempotency_header: idempotency_header(table, headers, set_otherwise),
        success_statuses,
        success,
    }
}

fn wrap(table: &Table<'_>) -> Option<Wrap> {
    let text = table.string("wrap", None)?;
    let remedy = "write JSON with $events in place of one value, such as '{\"events\":$events}'";
    let problem = |what: &str| {
        table.problem("wrap", what, remedy);
        None
    };
    if text.len() > WRAP_BYTES_MAX {
        return problem(&format!("is longer than {WRAP_BYTES_MAX} bytes"));
    }
    let Some((before, after)) = text.split_once(EVENTS) else {
        return problem("does not say where the events go");
    };
    if after.contains(EVENTS) {
        return problem("says twice where the events go");
    }
    // An array of a text can stand where any array can, and neither inside of a text nor as a key.
    let example = format!("{before}[\"\"]{after}");
    if serde_json::from_str::<serde_json::Value>(&example).is_err() {
        return problem("is not JSON once the events are in it");
    }
    Some(Wrap {
        before: before.to_owned(),
        after: after.to_owned(),
    })
}

fn cloud_events(table: &Table<'_>) -> Option<CloudEvents> {
    let modes = [
        ("structured", CloudEventsMode::Structured),
        ("batched", CloudEventsMode::Batched),
        ("binary", CloudEventsMode::Binary),
    ];
    let mode = table.one_of("cloudevents", None, &modes);
    let source = table.string("cloudevents_source", None);
    if source
        .as_deref()
        .is_some_and(|source| !is_reference(source))
    {
        let remedy = format!(
            "write such as \"https://relay.example.com/appsec\", {ATTRIBUTE_BYTES_MAX} bytes at \
             most"
        );
        table.problem("cloudevents_source", "is not a URI reference", remedy);
    }
    let kind = table.string("cloudevents_type", Some(CLOUDEVENTS_TYPE));
    if kind
        .as_ref()
        .is_some_and(|kind| kind.len() > ATTRIBUTE_BYTES_MAX)
    {
        let what = format!("is longer than {ATTRIBUTE_BYTES_MAX} bytes");
        table.problem(
            "cloudevents_type",
            what,
            "write such as \"com.example.finding\"",
        );
    }
    let forms = [
        ("json", CloudEventsData::Json),
        ("base64", CloudEventsData::Base64),
    ];
    let data = table.one_of("cloudevents_data", Some("json"), &forms)?;
    if mode == Some(CloudEventsMode::Binary) && data == CloudEventsData::Base64 {
        let what = "is base64 although in binary mode the payload is the body as it is";
        table.problem("cloudevents_data", what, "remove it");
    }
    if !table.has("cloudevents") {
        for key in ["cloudevents_source", "cloudevents_type", "cloudevents_data"] {
            if table.has(key) {
                let remedy = "set it to structured, batched or binary, or remove this key";
                table.problem(key, "stands without cloudevents", remedy);
            }
        }
    }
    Some(CloudEvents {
        mode: mode?,
        source,
        kind: kind?,
        data,
    })
}

/// Whether it has only characters of a URI reference (RFC 3986, section 2).
fn is_reference(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    text.len() <= ATTRIBUTE_BYTES_MAX && text.bytes().all(allowed)
}

fn idempotency_header(
    table: &Table<'_>,
    headers: &[&str],
    set_otherwise: impl Fn(&str) -> Option<&'static str>,
) -> Option<String> {
    let wanted = table.flag("idempotency_key", true);
    let text = table.string("idempotency_header", Some("Idempotency-Key"));
    if !wanted && table.has("idempotency_header") {
        let what = "is set although idempotency_key is false";
        table.problem("idempotency_header", what, "keep one of them");
    }
    let text = text.filter(|_| wanted)?;
    let name = header_name(&text);
    let usable = |name: &String| !is_framing(name) && !secret_like(name);
    let Some(name) = name.filter(usable) else {
        let what = "is not the name of a header that can carry a key";
        table.problem(
            "idempotency_header",
            what,
            "write such as \"Idempotency-Key\"",
        );
        return None;
    };
    if headers.contains(&name.as_str()) {
        let what = "is also one of headers";
        table.problem("idempotency_header", what, "remove it from headers");
    }
    if let Some(what) = set_otherwise(&name) {
        let remedy = "name another one, or set idempotency_key = false";
        table.problem("idempotency_header", what, remedy);
    }
    Some(name)
}

fn success_statuses(table: &Table<'_>) -> Vec<u16> {
    let remedy = "write a list of 409, 412 and 422, such as [409]";
    let number = |text: &str| text.trim().parse::<i128>().ok();
    let parse = |raw: Raw<'_>| {
        let numbers: Option<Vec<i128>> = match raw.value {
            Value::String(_, text) if raw.from_env => text.split(',').map(number).collect(),
            Value::Array(_, items) => items.iter().map(Value::to_i128).collect(),
            _ => None,
        };
        let numbers = numbers.ok_or_else(|| Fault::new("is not a list of statuses", remedy))?;
        let known = |number: &i128| SUCCESS_STATUSES.iter().find(|s| i128::from(**s) == *number);
        if let Some(other) = numbers.iter().find(|number| known(number).is_none()) {
            let what = format!("{other} does not mean that the events are there");
            return Err(Fault::new(what, remedy));
        }
        Ok(numbers.iter().filter_map(known).copied().collect())
    };
    let statuses = table.parsed("success_statuses", Some("[]".to_owned()), parse);
    statuses.unwrap_or_default()
}

fn success(table: &Table<'_>) -> Option<Success> {
    let pointer = table.string("success_pointer", None);
    let equals = table.parsed("success_equals", None, scalar);
    for (key, other) in [
        ("success_pointer", "success_equals"),
        ("success_equals", "success_pointer"),
    ] {
        if table.has(other) && !table.has(key) {
            let what = format!("missing beside {other}");
            table.problem(key, what, format!("set it, or remove {other}"));
        }
    }
    let pointer = pointer?;
    if !is_pointer(&pointer) {
        let what = format!("\"{}\" is not a JSON pointer", shown(&pointer));
        let remedy = format!("write such as \"/status\", {POINTER_BYTES_MAX} bytes at most");
        table.problem("success_pointer", what, remedy);
    }
    Some(Success {
        pointer,
        equals: equals?,
    })
}

/// RFC 6901, section 3, without the empty one, which is the whole answer.
fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    text.len() <= POINTER_BYTES_MAX
        && text.starts_with('/')
        && escapes.all(|rest| rest.starts_with(['0', '1']))
}

/// A text, a whole number or a truth value; from the environment, what it looks like.
fn scalar(raw: Raw<'_>) -> Result<serde_json::Value, Fault> {
    let remedy = "write a text, a whole number, true or false";
    let whole = |number: i128| i64::try_from(number).ok().map(serde_json::Value::from);
    let value = match raw.value {
        Value::String(_, text) if raw.from_env => match text.as_str() {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            text => Some(
                text.parse()
                    .map_or(text.into(), |number: i64| number.into()),
            ),
        },
        Value::String(_, text) => Some(text.as_str().into()),
        Value::Bool(_, flag) => Some((*flag).into()),
        Value::Num(..) => raw.value.to_i128().and_then(whole),
        _ => None,
    };
    value.ok_or_else(|| {
        Fault::new(
            "is neither a text nor a whole number, true or false",
            remedy,
        )
    })
}
