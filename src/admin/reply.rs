//! How an answer looks: text, JSON, errors, gzip, and the headers that all of them carry.
//!
//! No answer is cached or guessed at by a browser. Knows no route.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// `Content-Type` of plain answers.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// An error as the ingest listener has it too.
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    detail: &'a str,
}

/// An answer with its type and length, and the headers of all answers.
pub(super) fn text(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let body = body.into();
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => text(status, JSON, body),
        Err(error) => {
            tracing::error!(%error, "answer not rendered");
            let body = r#"{"error":"internal","detail":"the answer cannot be rendered"}"#;
            text(StatusCode::INTERNAL_SERVER_ERROR, JSON, body)
        }
    }
}

/// A JSON error; 401 with the challenge that belongs to it.
pub(super) fn error(status: StatusCode, error: &str, detail: &str) -> Response<Full<Bytes>> {
    let mut response = json(status, &ErrorBody { error, detail });
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer realm=\"siem-relay admin\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// 405 with what is allowed.
pub(super) fn method_not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let detail = format!("this path takes {allowed}");
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &detail,
    );
    let allow = HeaderValue::from_static(allowed);
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// A compressed answer.
pub(super) fn gzip(content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
    // Writing into memory does not fail; if it ever did, the plain text is as good an answer.
    let Ok(packed) = packed else {
        return varying(text(StatusCode::OK, content_type, body));
    };
    let mut response = varying(text(StatusCode::OK, content_type, packed));
    let coding = HeaderValue::from_static("gzip");
    response.headers_mut().insert(CONTENT_ENCODING, coding);
    response
}

/// Marks an answer that could have been compressed, or is.
pub(super) fn varying(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().insert(VARY, vary);
    response
}

/// Whether `Accept-Encoding` names gzip, or anything, with a weight above zero (RFC 9110,
/// section 12.5.3). A malformed weight counts as zero: plain text suits everybody.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut any = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, parameter) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = parameter.trim().strip_prefix(['q', 'Q']);
        let weight = weight.and_then(|weight| weight.strip_prefix('='));
        let wanted = weight.is_some_and(|weight| weight.parse().is_ok_and(|q: f32| q > 0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}
