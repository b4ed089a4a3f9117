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
use reqwest::Url;

use crate::settings::{Endpoint, EndpointTls};

mod answer;
mod fault;
mod gzip;
mod login;
mod transport;

pub use answer::Answer;
pub use fault::{Fault, FaultKind};
pub(super) use login::base64;
pub use login::{Login, LoginError};

use transport::{Material, Transport};

/// Bytes of an answer kept where only its beginning matters.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Shorter than receivers and load balancers usually keep an idle connection: a request on one
/// that is just being closed fails with its outcome unknown, which can make a duplicate.
const POOL_IDLE: Duration = Duration::from_secs(10);
/// As many as `max_in_flight` allows at most: one that is closed between two requests costs a new
/// handshake with the next.
const POOL_IDLE_CONNECTIONS_MAX: usize = 64;
/// Timeouts of [`post_once`].
const ONCE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ONCE_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one endpoint.
pub struct Client {
    /// What the destination's URL is; targets are made from it.
    base: Url,
    endpoint: Endpoint,
    /// Replaced when certificates or the proxy's password changed.
    transport: ArcSwap<Transport>,
    /// The proxy as people know it, `host:port`.
    proxy: Option<Arc<str>>,
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
    /// Names the request for a login that signs it: the same for the same body, without dots.
    pub id: Option<String>,
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
    /// A file with certificates or a key cannot be read.
    #[error("cannot read {key} {path}: {source}; create it and let the relay's user read it")]
    Unreadable {
        /// The configuration's key that names it.
        key: &'static str,
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
    /// The client certificate's file holds none.
    #[error(
        "client_cert_file {path} holds no usable PEM certificate or is over 4 MiB; put the \
         certificate there, the relay's own first"
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate's key file holds none.
    #[error(
        "client_key_file {path} holds no usable PEM private key; put the key there, not encrypted"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The client certificate and its key do not belong together.
    #[error(
        "client_cert_file {certificate} and client_key_file {key} cannot be used together: \
         {why}; put a certificate and its own key there"
    )]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        why: String,
    },
    /// Not the URL of a proxy. It is not shown: it may have credentials.
    #[error("proxy_url is not the URL of an HTTP proxy; write it as http://host:port")]
    Proxy,
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

impl Client {
    /// Makes the client; opens no connection.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ClientError> {
        let base = Url::parse(&endpoint.url).map_err(|_| ClientError::Url)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(ClientError::Url);
        }
        let material = Material::read(endpoint)?;
        let transport = Transport::build(endpoint, &base, material)?;
        let proxy = endpoint.proxy.as_ref().map(|proxy| {
            let proxy = Url::parse(&proxy.url).map_err(|_| ClientError::Proxy)?;
            let host = proxy.host_str().ok_or(ClientError::Proxy)?;
            let port = proxy.port_or_known_default().ok_or(ClientError::Proxy)?;
            Ok::<_, ClientError>(Arc::from(format!("{host}:{port}")))
        });
        Ok(Self {
            url_secrets: answer::url_secrets(&base),
            proxy: proxy.transpose()?,
            base,
            endpoint: endpoint.clone(),
            transport: ArcSwap::from_pointee(transport),
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
        self.log_in_at_proxy(&mut secrets);
        let wire_bytes = body.len();
        let http = self.transport.load().http.clone();
        let sent = http
            .request(method, request.target.0.clone())
            .headers(headers)
            .body(body)
            .send()
            .await;
        let result = match sent {
            Ok(response) => {
                // Only a proxy that reads plain HTTP can answer in the destination's place.
                let via = self.proxy.clone().filter(|_| self.base.scheme() == "http");
                Answer::read(response, request.answer_bytes_max, secrets, via).await
            }
            Err(error) => Err(Fault::from_reqwest(
                error,
                &self.endpoint,
                self.proxy.as_deref(),
            )),
        };
        let kind = result.as_ref().err().map(|fault| fault.kind);
        let not_sent = kind.is_some_and(FaultKind::is_before_sending);
        let client_certificate = self.endpoint.tls.client.is_some();
        if kind == Some(FaultKind::Tls) || (kind == Some(FaultKind::Broken) && client_certificate) {
            // A wrong certificate is tried again for ever: this is how a corrected one is seen. A
            // server that refuses the relay's own one may do no more than close the connection.
            self.refresh();
        }
        Exchange {
            wire_bytes: if not_sent { 0 } else { wire_bytes },
            result,
        }
    }

    /// Reads certificates, keys and the proxy's password again; new connections use them if they
    /// changed. The last good ones stay if that fails.
    pub fn refresh(&self) {
        transport::proxy_login(&self.endpoint).reread();
        self.renew(false);
    }

    /// Lets go of the connections that are kept: the next request gets a new one.
    pub fn reconnect(&self) {
        self.renew(true);
    }

    /// Takes a rotated password of the proxy into use, and has it blanked in quotes.
    fn log_in_at_proxy(&self, secrets: &mut Vec<login::Hidden>) {
        // A Basic credential can always be made.
        if let Ok(Some(credential)) = transport::proxy_credential(&self.endpoint) {
            if !self
                .transport
                .load()
                .made_of
                .has_login(Some(&credential.value))
            {
                self.renew(false);
            }
            secrets.extend(credential.secrets);
        }
    }

    /// Makes the pool anew if what it is made of changed, or `always`.
    fn renew(&self, always: bool) {
        let rebuilt = Material::read(&self.endpoint).and_then(|material| {
            // Without ca_file the system's certificates may have changed; where none are checked
            // there is nothing to see.
            let checked = self.base.scheme() == "https" && !self.endpoint.tls.skip_verify;
            let system = checked && self.endpoint.ca_file.is_none();
            if !always && !system && material.is_as(&self.transport.load().made_of) {
                return Ok(None);
            }
            Transport::build(&self.endpoint, &self.base, material).map(Some)
        });
        match rebuilt {
            Ok(Some(transport)) => self.transport.store(Arc::new(transport)),
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
        tls: EndpointTls::default(),
        proxy: None,
        gzip: false,
    })?;
    let exchange = client
        .post(Request {
            target: &client.base(),
            login,
            headers: content_type("application/json"),
            body,
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        })
        .await;
    Ok(exchange.result?)
}

/// A header set with nothing but the content type.
pub fn content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
}

#[cfg(test)]
pub(super) use login::tests::secret as test_secret;
