//! Headers and path of `kind = "http"`: constants, and what follows from the event.
//!
//! What can be a credential, or what HTTP and the relay set, is neither. Knows no request.

use http::HeaderValue;

use crate::settings::{Auth, Framing, Letters, NamePart};

use super::kinds::constants;
use super::login::SIGNING_HEADERS;
use super::name;
use super::names::{header_name, is_framing, secret_like};
use super::problems::shown;
use super::table::Table;

/// Bytes of a header that follows the event, at its longest.
const HEADER_BYTES_MAX: usize = 2048;
/// Segments of a path that follows the event, and its bytes at its longest.
const SEGMENTS_MAX: usize = 16;
const PATH_BYTES_MAX: usize = 1024;

/// What the relay tells of an event beside it, where a request holds one and no envelope does.
const BESIDE: [&str; 3] = [
    "x-siem-relay-id",
    "x-siem-relay-received",
    "x-siem-relay-replay-id",
];

/// Constant headers, and those that follow the event.
type Headers = (Vec<(String, String)>, Vec<(String, Vec<NamePart>)>);

/// The headers of requests of this form, with this login, which is looked at, too.
pub(super) fn headers(
    table: &Table<'_>,
    framing: &Framing,
    envelope: bool,
    auth: Option<&Auth>,
) -> Headers {
    let (mut headers, mut following): Headers = Default::default();
    let login = auth.and_then(login_header);
    if login.is_some_and(|name| stands_beside(framing, envelope, name)) {
        let what = "is a header that the relay itself sets";
        table.problem("header", what, "name the one that the receiver wants");
    }
    let cloud_events = matches!(framing, Framing::CloudEvents(_));
    for (text, value) in constants(table, "headers") {
        let at = format!("headers.{}", shown(&text));
        let Some(name) = header_name(&text) else {
            let remedy = "write such as \"X-Tenant\"";
            table.problem(&at, "is not the name of a header", remedy);
            continue;
        };
        let follows = name::follows(&value);
        if secret_like(&name) {
            let what = "sounds like a credential, which is not written into the configuration";
            table.problem(&at, what, "use header with value_file or value_env");
        } else if is_framing(&name) && (cloud_events || follows || name != "content-type") {
            let what = "is a header that the relay or HTTP itself sets";
            table.problem(&at, what, "remove it");
        } else if let Some(what) = set_otherwise(framing, envelope, auth, &name) {
            table.problem(&at, what, "remove it");
        } else if HeaderValue::from_str(&value).is_err() {
            let what = "has a value that a header cannot have";
            table.problem(&at, what, "keep visible ASCII characters");
        } else if headers.iter().any(|(other, _)| *other == name)
            || following.iter().any(|(other, _)| *other == name)
        {
            table.problem(&at, "is there twice", "remove one of them");
        }
        if follows {
            following.extend(header_parts(table, &at, &value).map(|parts| (name, parts)));
        } else {
            headers.push((name, value));
        }
    }
    (headers, following)
}

/// What else sets a header (lower case) of requests of this form; none where nothing does.
pub(super) fn set_otherwise(
    framing: &Framing,
    envelope: bool,
    auth: Option<&Auth>,
    name: &str,
) -> Option<&'static str> {
    let signed = matches!(auth, Some(Auth::Signed { .. }));
    if matches!(framing, Framing::CloudEvents(_)) && name.starts_with("ce-") {
        Some("is an attribute of a CloudEvent, which the relay sets")
    } else if stands_beside(framing, envelope, name) {
        Some("is a header that the relay itself sets")
    } else if auth.and_then(login_header) == Some(name) {
        Some("is also the header of the login")
    } else if signed && SIGNING_HEADERS.contains(&name) {
        Some("is a header that the relay sets when it signs")
    } else {
        None
    }
}

/// Whether requests of this form have a header (lower case) that tells of their event.
fn stands_beside(framing: &Framing, envelope: bool, name: &str) -> bool {
    *framing == Framing::Single && !envelope && BESIDE.contains(&name)
}

/// The header that a login names; none where it names none.
fn login_header(auth: &Auth) -> Option<&str> {
    match auth {
        Auth::Header { name, .. } => Some(name),
        Auth::Signed { beside, .. } => login_header(beside),
        _ => None,
    }
}

/// The parts of a header's value; none if it is none, which is then reported.
fn header_parts(table: &Table<'_>, at: &str, value: &str) -> Option<Vec<NamePart>> {
    let remedy = "write such as \"{/event/severity|none}\" or \"{source}\", and {{ for a brace";
    let parts = match name::parts(value, Letters::Header) {
        Ok(parts) => parts,
        Err(what) => {
            table.problem(at, what, remedy);
            return None;
        }
    };
    if name::longest(&parts, Letters::Header).len() > HEADER_BYTES_MAX {
        let what = format!("can be longer than {HEADER_BYTES_MAX} bytes");
        table.problem(at, what, "shorten it, or take fewer values");
        return None;
    }
    Some(parts)
}

/// The segments of `path`; none where there are none, or they are wrong and so reported.
pub(super) fn path(table: &Table<'_>) -> Vec<Vec<NamePart>> {
    let remedy = "write segments such as \"findings/{source}/{/event/severity|none}\", which come \
                  behind the path of url";
    let Some(text) = table.string("path", None) else {
        return Vec::new();
    };
    let problem = |what: String| {
        table.problem("path", what, remedy);
        Vec::new()
    };
    let segments = match name::segments(&text) {
        Ok(segments) => segments,
        Err(what) => return problem(what),
    };
    if !segments.iter().all(|segment| name::is_below(segment)) {
        return problem("has a segment that is empty, . or ..".to_owned());
    }
    // The characters that a segment has without being encoded (RFC 3986, section 3.3).
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    let fits = |part: &NamePart| match part {
        NamePart::Text(text) => text.chars().all(plain),
        _ => true,
    };
    if !segments.iter().flatten().all(fits) {
        return problem("has a character that no segment of a path has".to_owned());
    }
    let longest = segments.iter();
    let longest = longest.map(|segment| name::longest(segment, Letters::Plain).len() + 1);
    if segments.len() > SEGMENTS_MAX || longest.sum::<usize>() > PATH_BYTES_MAX {
        let what = format!("can have more than {SEGMENTS_MAX} segments or {PATH_BYTES_MAX} bytes");
        return problem(what);
    }
    segments
}
