//! The HTTP client of every destination, and the only user of `reqwest`.
//!
//! It sends one request, once: no redirect is followed (a token must not reach another host),
//! nothing is sent again by itself (the relay decides on retries), no proxy is taken from the
//! environment. It knows connections and bytes; what a status means is the sinks' business.
//! No text that leaves this module holds a URL or a credential: a URL can be one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Url};

use crate::settings::Endpoint;

mod answer;
mod fault;
mod gzip;
mod login;

pub use answer::Answer;
pub use fault::{Fault, FaultKind};
pub use login::{Login, LoginError};

/// Bytes of an answer kept where only its beginning matters.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Shorter than receivers and load balancers usually keep an idle connection: a request on one
/// that is just being closed fails with its outcome unknown, which can make a duplicate.
const POOL_IDLE: Duration = Duration::from_secs(10);
/// A worker has one request in flight; a second connection is a reconnect's leftover.
const POOL_IDLE_CONNECTIONS_MAX: usize = 2;
/// Largest PEM bundle; the system's own is about 0.2 MB.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Timeouts of [`post_once`].
const ONCE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ONCE_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one endpoint.
pub struct Client {
    /// What the destination's URL is; targets are made from it.
    base: Url,
    endpoint: Endpoint,
    /// Replaced when the trusted certificates changed.
    trusting: ArcSwap<Trusting>,
    /// Parts of the URL that may be a capability, to be blanked where an answer repeats them.
    url_secrets: Vec<login::Hidden>,
}

/// A full URL of the endpoint. Has no printing form.
#[derive(Clone)]
pub struct Target(Url);

/// One request.
pub struct Request<'a> {
    /// Where to.
    pub target: &'a Target,
    /// Whose credentials; read now, so that a rotated secret is used.
    pub login: &'a Login,
    /// All other headers.
    pub headers: HeaderMap,
    /// Uncompressed.
    pub body: Bytes,
    /// Bytes of the answer kept; more are cut.
    pub answer_bytes_max: usize,
}

/// What became of one request.
#[derive(Debug)]
pub struct Exchange {
    /// Body bytes put on the wire; 0 when there was no connection.
    pub wire_bytes: usize,
    /// The answer, or why there is none.
    pub result: Result<Answer, Fault>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an absolute URL with a host. The URL itself is not shown: it may be a credential.
    #[error("url is not a full http or https URL; write it as https://host:port/path")]
    Url,
    /// The CA bundle cannot be read.
    #[error("cannot read ca_file {path}: {source}; create it and let the relay's user read it")]
    CaUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The CA bundle holds no certificate.
    #[error("ca_file {path} holds no usable PEM certificate or is over 4 MiB; put the CA there")]
    CaUnusable {
        /// The file.
        path: PathBuf,
    },
    /// A configured header cannot be sent.
    #[error("header {name} cannot be sent: {why}; remove or correct it")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The credential cannot be sent.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}; install the system's CA certificates or set ca_file")]
    Tls(String),
}

/// Why [`post_once`] has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The request could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It was made, and failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A connection pool and the certificates it trusts.
struct Trusting {
    http: reqwest::Client,
    /// Content of `ca_file` when it was read.
    ca_pem: Option<Vec<u8>>,
}

impl Client {
    /// Makes the client; opens no connection.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let base = Url::parse(&endpoint.url).map_err(|_| ClientError::Url)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(ClientError::Url);
        }
        let ca_pem = endpoint.ca_file.as_deref().map(read_ca).transpose()?;
        let trusting = build(endpoint, &base, ca_pem)?;
        Ok(Self {
            url_secrets: answer::url_secrets(&base),
            base,
            endpoint: endpoint.clone(),
            trusting: ArcSwap::from_pointee(trusting),
        })
    }

    /// The endpoint's URL as it is.
    pub fn base(&self) -> Target {
        Target(self.base.clone())
    }

    /// The endpoint's URL with path segments and a query added.
    pub fn target(&self, segments: &[&str], query: &[(&str, &str)]) -> Target {
        let mut url = self.base.clone();
        // Always so for http and https: only URLs such as `mailto:` have no path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Target(url)
    }

    /// Sends one POST and reads the answer.
    pub async fn post(&self, request: Request<'_>) -> Exchange {
        self.exchange(Method::POST, request).await
    }

    /// Sends one GET, whose body is empty, and reads the answer.
    pub async fn get(&self, request: Request<'_>) -> Exchange {
        self.exchange(Method::GET, request).await
    }

    async fn exchange(&self, method: Method, request: Request<'_>) -> Exchange {
        let credential = match request.login.credential() {
            Ok(credential) => credential,
            Err(error) => {
                return Exchange {
                    wire_bytes: 0,
                    result: Err(Fault::credential(&error)),
                };
            }
        };
        let mut headers = request.headers;
        let mut body = request.body;
        if self.endpoint.gzip
            && !body.is_empty()
            && let Some(compressed) = gzip::compress(&body).await
        {
            body = compressed;
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut secrets = self.url_secrets.clone();
        secrets.extend(answer::cookie_secrets(&headers));
        if let Some(credential) = credential {
            headers.insert(credential.name, credential.value);
            secrets.extend(credential.secrets);
        }
        let wire_bytes = body.len();
        let http = self.trusting.load().http.clone();
        let sent = http
            .request(method, request.target.0.clone())
            .headers(headers)
            .body(body)
            .send()
            .await;
        let result = match sent {
            Ok(response) => Answer::read(response, request.answer_bytes_max, secrets).await,
            Err(error) => Err(Fault::from_reqwest(error, &self.endpoint)),
        };
        let not_sent = result
            .as_ref()
            .is_err_and(|fault| fault.kind.is_before_sending());
        if result
            .as_ref()
            .is_err_and(|fault| fault.kind == FaultKind::Tls)
        {
            // A wrong certificate is tried again for ever: this is how a corrected one is seen.
            self.refresh();
        }
        Exchange {
            wire_bytes: if not_sent { 0 } else { wire_bytes },
            result,
        }
    }

    /// Reads the trusted certificates again; new connections use them if they changed. The last
    /// good ones stay if that fails.
    pub fn refresh(&self) {
        let outcome = self.endpoint.ca_file.as_deref().map(read_ca).transpose();
        let rebuilt = outcome.and_then(|ca_pem| {
            // Without ca_file the system's certificates may have changed; plain HTTP has none.
            let system = ca_pem.is_none() && self.base.scheme() == "https";
            if !system && ca_pem == self.trusting.load().ca_pem {
                return Ok(None);
            }
            build(&self.endpoint, &self.base, ca_pem).map(Some)
        });
        match rebuilt {
            Ok(Some(trusting)) => self.trusting.store(Arc::new(trusting)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "certificates not re-read, the last good ones stay");
            }
        }
    }
}

/// Sends one POST to any URL, with a client of its own: for commands that try things out.
pub async fn post_once(
    url: &str,
    login: &Login,
    ca_file: Option<&Path>,
    body: Bytes,
) -> Result<Answer, PostError> {
    let client = Client::new(&Endpoint {
        url: url.to_owned(),
        connect_timeout: ONCE_CONNECT_TIMEOUT,
        request_timeout: ONCE_REQUEST_TIMEOUT,
        ca_file: ca_file.map(Path::to_owned),
        gzip: false,
    })?;
    let exchange = client
        .post(Request {
            target: &client.base(),
            login,
            headers: content_type("application/json"),
            body,
            answer_bytes_max: ANSWER_BYTES,
        })
        .await;
    Ok(exchange.result?)
}

/// A header set with nothing but the content type.
pub fn content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
}

fn read_ca(path: &Path) -> Result<Vec<u8>, ClientError> {
    let unreadable = |source| ClientError::CaUnreadable {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > CA_BYTES_MAX {
        return Err(ClientError::CaUnusable {
            path: path.to_owned(),
        });
    }
    std::fs::read(path).map_err(unreadable)
}

fn build(
    endpoint: &Endpoint,
    base: &Url,
    ca_pem: Option<Vec<u8>>,
) -> Result<Trusting, ClientError> {
    let https = base.scheme() == "https";
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("siem-relay/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .https_only(https)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(endpoint.connect_timeout)
        .timeout(endpoint.request_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS_MAX);
    if let (Some(path), Some(pem)) = (&endpoint.ca_file, &ca_pem) {
        let unusable = || ClientError::CaUnusable { path: path.clone() };
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| unusable())?;
        if certificates.is_empty() {
            return Err(unusable());
        }
        builder = builder.tls_certs_only(certificates);
    } else if !https {
        // Plain HTTP needs no certificates, and must work where the system has none.
        builder = builder.tls_certs_only([]);
    }
    let http = builder
        .build()
        .map_err(|error| ClientError::Tls(fault::causes(&error.without_url())))?;
    Ok(Trusting { http, ca_pem })
}

#[cfg(test)]
pub(super) use login::tests::secret as test_secret;
