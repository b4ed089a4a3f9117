//! An absolute URL, taken apart as far as ECS `url.*` wants it; and text without what URLs hide.
//!
//! Not a general parser: it decodes nothing, resolves nothing and normalises only the case of
//! scheme and host. Text that is not clearly `scheme://host...` is no URL here.

use std::borrow::Cow;

/// What stands between the scheme and the rest.
const MARK: &str = "://";

/// The parts of an absolute URL with an authority.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// In lower case, without the colon.
    pub(super) scheme: String,
    /// In lower case; an IPv6 address keeps its brackets, as ECS wants it.
    pub(super) domain: String,
    /// If it is written out.
    pub(super) port: Option<u64>,
    /// From the first slash on, without query and fragment.
    pub(super) path: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Takes a URL apart; none if it is not one.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let (scheme, rest) = text.split_once(MARK)?;
        if !is_scheme(scheme) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        let host_and_port = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (domain, port) = split_port(host_and_port)?;
        let path = rest
            .find(['?', '#'])
            .map_or(Some(rest), |end| rest.get(..end));
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            domain: domain.to_lowercase(),
            port,
            path: path.filter(|path| !path.is_empty()),
        })
    }

    /// The address, if the host is one.
    pub(super) fn ip(&self) -> Option<std::net::IpAddr> {
        let inner = self
            .domain
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        inner.unwrap_or(&self.domain).parse().ok()
    }
}

/// The text with each URL in it without user and password.
pub(super) fn without_logins(text: &str) -> Cow<'_, str> {
    without(text, |rest| {
        let ends = |c: char| is_outside(c) || matches!(c, '/' | '?' | '#' | '\\');
        let authority = rest.get(..rest.find(ends).unwrap_or(rest.len()))?;
        Some((0, authority.rfind('@')?.checked_add(1)?))
    })
}

/// The text with each URL in it, and an address that begins with its path, without query and
/// fragment.
pub(super) fn without_queries(text: &str) -> Cow<'_, str> {
    let cut = |rest: &str| {
        let url = rest.get(..rest.find(is_outside).unwrap_or(rest.len()))?;
        Some((url.find(['?', '#'])?, url.len()))
    };
    match cut(text) {
        Some((end, _)) if text.starts_with('/') => Cow::Borrowed(text.get(..end).unwrap_or("")),
        _ => without(text, cut),
    }
}

/// The text without the range that `cut` finds behind each scheme.
fn without(text: &str, cut: impl Fn(&str) -> Option<(usize, usize)>) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    let mut changed = false;
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        out.push_str(MARK);
        rest = after;
        if let Some((from, to)) = cut(after) {
            out.push_str(after.get(..from).unwrap_or_default());
            rest = after.get(to..).unwrap_or_default();
            changed = true;
        }
    }
    if !changed {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Ends a URL that stands in other text.
fn is_outside(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>')
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// A bracketed address, or letters, digits and what names and escapes are made of.
fn is_host(host: &str) -> bool {
    let named = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '%');
    !host.is_empty() && (host.starts_with('[') || host.chars().all(named))
}

/// Host and port. An empty port is none; a bad one or a bad host makes the whole no URL.
fn split_port(text: &str) -> Option<(&str, Option<u64>)> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']')?.checked_add(1)?;
        let (host, rest) = text.split_at_checked(end)?;
        let address = host.strip_prefix('[')?.strip_suffix(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None if rest.is_empty() => (host, ""),
            None => return None,
        }
    } else {
        text.split_once(':').unwrap_or((text, ""))
    };
    if !is_host(host) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if port.is_empty() {
        return Some((host, None));
    }
    let port: u16 = port.parse().ok()?;
    Some((host, Some(u64::from(port))))
}
