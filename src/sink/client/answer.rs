//! An HTTP answer, read up to a limit, and the one way to quote from it.
//!
//! A quote is short, printable, and blanked of the credentials of the request, since servers
//! and proxies like to repeat what they were sent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use jiff::Timestamp;
use reqwest::{Response, StatusCode, Url};

use super::fault::Fault;
use super::login::Hidden;
use crate::sink::retry_after;

/// By this header Elasticsearch tells that it is Elasticsearch.
const ELASTIC_PRODUCT: &str = "x-elastic-product";
/// Longest quote, in bytes.
const QUOTE_BYTES_MAX: usize = 512;
/// How much of a body is looked at for a quote.
const QUOTE_FROM_BYTES_MAX: usize = 64 * 1024;
/// `Set-Cookie` headers kept of one answer.
const COOKIES_MAX: usize = 16;
/// Shorter values of cookies are words such as `on`: blanking them would spoil quotes.
const COOKIE_SECRET_BYTES_MIN: usize = 8;
/// Shorter parts of a URL are words such as `events`, not capabilities.
const URL_SECRET_BYTES_MIN: usize = 16;

/// What a destination answered.
#[derive(Clone, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, unbounded but for a year.
    pub retry_after: Option<Duration>,
    /// Where a redirect points, without what may be a credential; at most about 512 bytes.
    pub location: Option<String>,
    /// The body's beginning, or all of it.
    pub body: Bytes,
    /// The body did not end within the limit, or broke.
    pub cut: bool,
    /// The proxy (`host:port`) that may have answered in the destination's place.
    pub via: Option<Arc<str>>,
    /// It comes from Elasticsearch, by its header `X-Elastic-Product` (7.14 and later).
    pub elastic: bool,
    /// The first 16 `Set-Cookie` headers, as they came.
    pub cookies: Vec<HeaderValue>,
    /// What must not be quoted.
    pub(super) secrets: Vec<Hidden>,
}

impl Answer {
    /// Reads the head's facts and at most `bytes_max` of the body.
    ///
    /// A refusal counts even when its body breaks: servers close early when they do not want a
    /// body. An acceptance whose body breaks does not count: it may be a proxy's half answer.
    pub(super) async fn read(
        mut response: Response,
        bytes_max: usize,
        secrets: Vec<Hidden>,
        via: Option<Arc<str>>,
    ) -> Result<Self, Fault> {
        let status = response.status();
        if let Some(proxy) = via.as_deref()
            && status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            return Err(Fault::proxy_login(proxy));
        }
        let retry_after = retry_after::parse(response.headers(), Timestamp::now());
        let product = response.headers().get(ELASTIC_PRODUCT);
        let elastic = product.is_some_and(|name| name == "Elasticsearch");
        let location = status
            .is_redirection()
            .then(|| location(response.headers(), response.url()));
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let cookies = cookies.take(COOKIES_MAX).cloned().collect();
        let mut body = BytesMut::new();
        let mut cut = false;
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) => {
                    let room = bytes_max - body.len();
                    body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                    if chunk.len() > room {
                        cut = true;
                        break;
                    }
                }
                Err(error) if status.is_success() => return Err(Fault::from_body(error)),
                Err(_) => {
                    cut = true;
                    break;
                }
            }
        }
        let mut answer = Self {
            status: status.as_u16(),
            retry_after,
            location: None,
            body: body.freeze(),
            cut,
            via,
            elastic,
            cookies,
            secrets,
        };
        answer.location = location.flatten().map(|text| answer.quote(&text));
        Ok(answer)
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A quote of the body; empty if there is none.
    pub fn quote_body(&self) -> String {
        let end = self.body.len().min(QUOTE_FROM_BYTES_MAX);
        self.quote(&String::from_utf8_lossy(
            self.body.get(..end).unwrap_or_default(),
        ))
    }

    /// A quote of a text from this answer: one line, without the request's credentials.
    pub fn quote(&self, text: &str) -> String {
        let blanked = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| secret.blank(text));
        let mut quote = String::new();
        for word in blanked.split(|c: char| c.is_whitespace() || c.is_control()) {
            if word.is_empty() {
                continue;
            }
            if !quote.is_empty() {
                quote.push(' ');
            }
            quote.push_str(word);
            if quote.len() > QUOTE_BYTES_MAX {
                let end = (0..=QUOTE_BYTES_MAX)
                    .rev()
                    .find(|end| quote.is_char_boundary(*end));
                quote.truncate(end.unwrap_or(0));
                quote.push_str("...");
                break;
            }
        }
        quote
    }
}

/// Without the cookies, which may be a session, and the body, which may repeat a credential or an
/// event.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body_bytes", &self.body.len())
            .field("cut", &self.cut)
            .field("via", &self.via)
            .finish()
    }
}

/// Values of the request's cookies, which may stand for a session.
pub(super) fn cookie_secrets(headers: &HeaderMap) -> impl Iterator<Item = Hidden> {
    let texts = headers.get_all(COOKIE).iter();
    let pairs = texts.filter_map(|value| value.to_str().ok());
    let pairs = pairs.flat_map(|text| text.split("; "));
    let values = pairs.filter_map(|pair| Some(pair.split_once('=')?.1));
    values
        .filter(|value| value.len() >= COOKIE_SECRET_BYTES_MIN)
        .map(Hidden::new)
}

/// Where a redirect of `base` points: scheme, host and path. User, query and fragment are left out
/// and long parts of the path blanked, since each of them can be a session or a capability.
fn location(headers: &HeaderMap, base: &Url) -> Option<String> {
    let text = headers.get(LOCATION)?.to_str().ok()?;
    let mut url = base.join(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("{}:...", url.scheme()));
    }
    // Neither fails for a URL with a host.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    let secrets = url_secrets(&url);
    let blank = |text: String, secret: &Hidden| secret.blank(text);
    Some(secrets.iter().fold(url.to_string(), blank))
}

/// Parts of a URL that may be a capability: long path segments, and values of a query, with or
/// without a key, as they are written and as a server reads them.
pub(super) fn url_secrets(url: &Url) -> Vec<Hidden> {
    let is_long = |text: &&str| text.len() >= URL_SECRET_BYTES_MIN;
    let segments = url.path_segments().into_iter().flatten();
    let parts = url.query().into_iter().flat_map(|query| query.split('&'));
    let written = parts.filter_map(|part| match part.split_once('=') {
        Some((_, value)) => Some(value),
        None => Some(part).filter(is_long),
    });
    let read = url.query_pairs().map(|(_, value)| value);
    segments
        .filter(is_long)
        .chain(written)
        .map(Hidden::new)
        .chain(read.map(|value| Hidden::new(&value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str, secrets: &[&str]) -> Answer {
        Answer {
            status: 400,
            body: Bytes::copy_from_slice(body.as_bytes()),
            secrets: secrets.iter().map(|text| Hidden::new(text)).collect(),
            ..Answer::default()
        }
    }

    #[test]
    fn a_quote_is_one_printable_line_of_limited_length() {
        assert_eq!(
            answer("a\r\n\tb\u{1b}[31m\0c", &[]).quote_body(),
            "a b [31m c"
        );
        let long = "\u{e9}".repeat(1000);
        let quote = answer(&long, &[]).quote_body();
        assert_eq!(quote.len(), QUOTE_BYTES_MAX + "...".len());
    }

    #[test]
    fn a_quote_shows_no_credential_that_the_answer_repeats() {
        let quote = answer("token abc-123 is bad: abc-123", &["abc-123"]).quote_body();
        assert_eq!(quote, "token *** is bad: ***");
    }

    #[test]
    fn long_path_segments_and_query_values_are_capabilities() {
        let url = Url::parse("https://h/receiver/v1/ZaVnC4dhaV3-Zbn8Kq?key=s3cret&x=").unwrap();
        let secrets = url_secrets(&url);
        let answer = Answer {
            secrets,
            ..Answer::default()
        };
        assert_eq!(
            answer.quote("no /receiver/v1/ZaVnC4dhaV3-Zbn8Kq?key=s3cret"),
            "no /receiver/v1/***?key=***"
        );
    }

    #[test]
    fn a_redirects_target_is_told_without_what_may_be_a_credential() {
        let base = Url::parse("https://user:s3cret@h/intake/?key=s3cret").unwrap();
        for (target, told) in [
            (
                "https://sso.example.com/login?state=s3cret#s3cret",
                "https://sso.example.com/login",
            ),
            ("https://a:s3cret@b:8443/x", "https://b:8443/x"),
            ("/v2/events", "https://h/v2/events"),
            ("v2?x=s3cret", "https://h/intake/v2"),
            ("//other/p", "https://other/p"),
            ("/t/ZaVnC4dhaV3-Zbn8Kq/x", "https://h/t/***/x"),
            ("javascript:s3cret", "javascript:..."),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(target))]);
            assert_eq!(location(&headers, &base).as_deref(), Some(told), "{target}");
        }
        assert_eq!(location(&HeaderMap::new(), &base), None);
    }

    #[test]
    fn capabilities_in_a_query_are_blanked_as_written_and_as_read() {
        let url = Url::parse("https://h/hook?sig=a%2Fb%2Bs3cret&ZaVnC4dhaV3-Zbn8Kq").unwrap();
        let answer = Answer {
            secrets: url_secrets(&url),
            ..Answer::default()
        };
        for text in [
            "POST /hook?sig=a%2Fb%2Bs3cret&ZaVnC4dhaV3-Zbn8Kq HTTP/1.1",
            "sig a/b+s3cret, ZaVnC4dhaV3-Zbn8Kq",
        ] {
            let quote = answer.quote(text);
            assert!(
                !quote.contains("s3cret") && !quote.contains("Zbn"),
                "{quote}"
            );
        }
    }
}
