//! The address of an HTTP destination: URL, time limits, trust, and whether secrets are safe.
//!
//! No message repeats a URL: credentials are easily pasted into one.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;

use crate::settings::Endpoint;

use super::names::secret_like;
use super::sections::is_loopback;
use super::table::Table;
use super::transport;

const SECOND: Duration = Duration::from_secs(1);
/// Addresses of one destination: each has a connection pool and channels of its own.
const ENDPOINTS_MAX: usize = 16;
const CENTISECOND: Duration = Duration::from_millis(10);

/// What a kind makes of its URL.
pub(super) struct Shape {
    /// Whether the relay adds path and query itself.
    pub(super) base: bool,
    /// The path that it adds, and that is easily pasted with the rest.
    pub(super) added: &'static str,
    /// Whether bodies are compressed unless told otherwise.
    pub(super) gzip: bool,
    /// How a URL of the kind looks.
    pub(super) example: &'static str,
}

impl Shape {
    pub(super) const SPLUNK: Self = Self {
        base: true,
        added: "/services/collector",
        gzip: true,
        example: "https://splunk.example.com:8088",
    };
    pub(super) const ELASTICSEARCH: Self = Self {
        base: true,
        added: "/_bulk",
        gzip: true,
        example: "https://es.example.com:9200",
    };
    /// Any endpoint, of which nobody knows whether it reads gzip.
    pub(super) const HTTP: Self = Self {
        base: false,
        added: "",
        gzip: false,
        example: "https://soar.example.com/events",
    };
    /// Where a login fetches its tokens.
    const TOKENS: Self = Self {
        base: false,
        added: "",
        gzip: false,
        example: "https://login.example.com/oauth2/token",
    };
}

/// Reads the keys of every HTTP destination. `login` says that secrets go there.
pub(super) fn endpoint(table: &Table<'_>, login: bool, shape: &Shape) -> Option<Endpoint> {
    let url = table.required("url", &format!("write such as \"{}\"", shape.example));
    let endpoints = reached(table, login, shape, "url", url.as_slice());
    endpoints?.into_iter().next()
}

/// The same with one address under `url` or several under `urls`; never an empty list.
pub(super) fn endpoints(table: &Table<'_>, login: bool, shape: &Shape) -> Option<Vec<Endpoint>> {
    let one = table.string("url", None);
    let several = table.list("urls", None);
    let example = format!("write such as \"{}\"", shape.example);
    match (table.has("url"), table.has("urls")) {
        (true, true) => table.problem("urls", "stands beside url", "keep one of them"),
        (false, false) => table.problem("url", "missing", example),
        _ => {}
    }
    let number = several.as_ref().map(Vec::len);
    if number.is_some_and(|number| !(1..=ENDPOINTS_MAX).contains(&number)) {
        let what = format!("has {} entries", number.unwrap_or_default());
        table.problem("urls", what, format!("keep 1 to {ENDPOINTS_MAX}"));
    }
    let (key, urls) = match several {
        Some(urls) => ("urls", urls),
        None => ("url", one.into_iter().collect()),
    };
    let endpoints = reached(table, login, shape, key, &urls)?;
    (!endpoints.is_empty()).then_some(endpoints)
}

/// The URL of a token endpoint, to which a secret goes: https, or plain HTTP that does not leave
/// this machine. `proxied` says that the destination is reached by way of a proxy.
pub(super) fn token_url(table: &Table<'_>, key: &str, proxied: bool) -> Option<String> {
    let shape = &Shape::TOKENS;
    let url = table.required(key, &format!("write such as \"{}\"", shape.example))?;
    match checked(&url, shape) {
        Err((what, remedy)) => table.problem(key, what, remedy),
        Ok(uri) => {
            let stays_here = !proxied && uri.host().is_some_and(is_local);
            if uri.scheme_str() == Some("https") || stays_here {
                return Some(url);
            }
            let what = "a secret would cross the network in plain HTTP";
            table.problem(key, what, "use https");
        }
    }
    None
}

/// One endpoint per URL found under `key`, alike in everything else.
pub(super) fn reached(
    table: &Table<'_>,
    login: bool,
    shape: &Shape,
    key: &str,
    urls: &[String],
) -> Option<Vec<Endpoint>> {
    let allow_plaintext = table.flag("allow_plaintext", false);
    let range = CENTISECOND..=300 * SECOND;
    let connect_timeout = table.duration("connect_timeout", 10 * SECOND, range);
    let range = CENTISECOND..=3600 * SECOND;
    let request_timeout = table.duration("request_timeout", 30 * SECOND, range);
    let ca_file = table.readable("ca_file");
    let gzip = table.flag("gzip", shape.gzip);
    let proxy = transport::proxy(table);
    let mut uris = Vec::new();
    for url in urls {
        match checked(url, shape) {
            Ok(uri) => uris.push((url, uri)),
            Err((what, remedy)) => {
                table.problem(key, what, remedy);
            }
        }
    }
    let is_http = |uri: &Uri| uri.scheme_str() == Some("http");
    let all_http = !uris.is_empty() && uris.iter().all(|(_, uri)| is_http(uri));
    let tls = transport::tls(table, all_http);
    if uris.len() < urls.len() {
        return None;
    }
    let mut endpoints = Vec::new();
    for (url, uri) in uris {
        // A proxy elsewhere takes even what is meant for this machine across the network.
        let stays_here = match &proxy {
            Some(proxy) => transport::is_local(proxy) && uri.host().is_some_and(is_local),
            None => uri.host().is_some_and(is_local),
        };
        let plain = is_http(&uri) && !stays_here;
        if plain && login && !allow_plaintext {
            table.problem(
                key,
                "credentials would cross the network in plain HTTP",
                "use https, or set allow_plaintext = true",
            );
        } else if plain {
            let what = if login {
                "credentials and events"
            } else {
                "events"
            };
            table.warning(key, &format!("{what} cross the network in plain HTTP"));
        }
        let url = if shape.base {
            url.trim_end_matches('/')
        } else {
            url
        };
        endpoints.push(Endpoint {
            url: url.to_owned(),
            connect_timeout,
            request_timeout,
            ca_file: ca_file.clone(),
            tls: tls.clone(),
            proxy: proxy.clone(),
            gzip,
        });
    }
    Some(endpoints)
}

fn checked(url: &str, shape: &Shape) -> Result<Uri, (&'static str, String)> {
    let example = format!("write such as \"{}\"", shape.example);
    let malformed = |_| ("is not a URL", example.clone());
    let uri: Uri = url.parse().map_err(malformed)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(("begins with neither https:// nor http://", example));
    }
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        let remedy = "remove user and password, and use the keys for logging in";
        return Err(("has credentials", remedy.to_owned()));
    }
    let host = uri.host().unwrap_or_default();
    let has_port = authority.len() > host.len();
    if host.is_empty() || (has_port && uri.port_u16().is_none_or(|port| port == 0)) {
        return Err(("has no host, or a port that is none", example));
    }
    // The parser drops a fragment without a word.
    if url.contains('#') {
        return Err(("has a fragment", "remove the # and what follows".to_owned()));
    }
    let query = uri.query();
    if query.is_some_and(has_secret) {
        let remedy = "remove it, and use the keys for logging in";
        return Err((
            "has a query parameter that sounds like a secret",
            remedy.to_owned(),
        ));
    }
    if shape.base && query.is_some() {
        return Err(("has a query", "remove the ? and what follows".to_owned()));
    }
    if shape.base && uri.path().contains(shape.added) {
        let remedy = format!("remove {} and what follows: the relay adds it", shape.added);
        return Err(("has a path that the relay adds itself", remedy));
    }
    Ok(uri)
}

fn has_secret(query: &str) -> bool {
    let name = |parameter: &str| secret_like(parameter.split('=').next().unwrap_or_default());
    query.split('&').any(name)
}

/// Whether the host is this machine, by name or address.
pub(super) fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(is_loopback)
}
