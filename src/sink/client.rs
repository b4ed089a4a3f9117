//! The HTTP client of every destination, and the only user of `reqwest`.
//!
//! It sends one request, once: no redirect is followed (a token must not reach another host),
//! nothing is sent again by itself (the relay decides on retries), no proxy is taken from the
//! environment. It knows connections and bytes; what a status means is the sinks' business.
//! No text that leaves this module holds a URL or a credential: a URL can be one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::Url;

use crate::settings::{Endpoint, EndpointTls};

mod answer;
mod error;
mod fault;
mod gzip;
mod login;
mod pool;
mod rota;
mod transport;

pub use answer::Answer;
pub use error::ClientError;
pub use fault::{Fault, FaultKind};
pub use login::{Aws, Login, LoginError, Signer, Tokens};
pub use rota::Rota;

use pool::Pool;

/// Bytes of an answer kept where only its beginning matters.
pub const ANSWER_BYTES: usize = 64 * 1024;

/// Shorter than receivers and load balancers usually keep an idle connection: a request on one
/// that is just being closed fails with its outcome unknown, which can make a duplicate.
const POOL_IDLE: Duration = Duration::from_secs(10);
/// As many as `max_in_flight` allows at most: one that is closed between two requests costs a new
/// handshake with the next.
const POOL_IDLE_CONNECTIONS_MAX: usize = 64;
/// Timeouts of [`post_once`] and [`get_once`].
const ONCE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ONCE_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one endpoint.
pub struct Client {
    /// What the destination's URL is; targets are made from it.
    base: Url,
    endpoint: Endpoint,
    pool: Arc<Pool>,
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
    /// Whose credentials; read now, so that a rotated secret is used, and fetched first where they
    /// are a token. It signs the bytes that go out, each time they do.
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

/// A request as it goes out, but for its login.
struct Outgoing<'a> {
    method: Method,
    url: &'a Url,
    headers: HeaderMap,
    /// The bytes on the wire.
    body: Bytes,
    answer_bytes_max: usize,
    id: Option<&'a str>,
}

/// What became of one request.
#[derive(Debug)]
pub struct Exchange {
    /// Body bytes put on the wire; 0 when there was no connection.
    pub wire_bytes: usize,
    /// The answer, or why there is none.
    pub result: Result<Answer, Fault>,
}

/// Why [`post_once`] or [`get_once`] has no answer.
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
        let proxy = endpoint.proxy.as_ref().map(|proxy| {
            let proxy = Url::parse(&proxy.url).map_err(|_| ClientError::Proxy)?;
            let host = proxy.host_str().ok_or(ClientError::Proxy)?;
            let port = proxy.port_or_known_default().ok_or(ClientError::Proxy)?;
            Ok::<_, ClientError>(Arc::from(format!("{host}:{port}")))
        });
        Ok(Self {
            url_secrets: answer::url_secrets(&base),
            proxy: proxy.transpose()?,
            pool: Arc::new(Pool::new(endpoint, &base)?),
            base,
            endpoint: endpoint.clone(),
        })
    }

    /// The endpoint's host, with its port where the URL has one: for people.
    fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
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

    /// A token that the destination refuses may have ended early or been taken back: the request
    /// goes once more, with a new one.
    async fn exchange(&self, method: Method, request: Request<'_>) -> Exchange {
        let Request {
            target,
            login,
            mut headers,
            mut body,
            answer_bytes_max,
            id,
        } = request;
        if self.endpoint.gzip
            && !body.is_empty()
            && let Some(compressed) = gzip::compress(&body).await
        {
            body = compressed;
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let outgoing = |headers| Outgoing {
            method: method.clone(),
            url: &target.0,
            headers,
            body: body.clone(),
            answer_bytes_max,
            id: id.as_deref(),
        };
        let again = login.has_token().then(|| headers.clone());
        let (mut exchange, shown) = self.attempt(login, outgoing(headers)).await;
        let refused = matches!(&exchange.result, Ok(answer) if answer.status == 401);
        if let (true, Some(shown), Some(headers)) = (refused, shown, again) {
            login.forget(shown);
            let before = exchange.wire_bytes;
            exchange = self.attempt(login, outgoing(headers)).await.0;
            exchange.wire_bytes += before;
        }
        exchange
    }

    /// One attempt, and the number of the token that it showed.
    async fn attempt(&self, login: &Login, mut outgoing: Outgoing<'_>) -> (Exchange, Option<u64>) {
        let mut secrets = self.url_secrets.clone();
        secrets.extend(answer::cookie_secrets(&outgoing.headers));
        match login.prove(&mut outgoing, &mut secrets).await {
            Ok(shown) => (self.send(outgoing, secrets).await, shown),
            Err(fault) => {
                let exchange = Exchange {
                    wire_bytes: 0,
                    result: Err(fault),
                };
                (exchange, None)
            }
        }
    }

    /// Sends a request as it is; `secrets` are blanked where the answer repeats them.
    async fn send(&self, outgoing: Outgoing<'_>, mut secrets: Vec<login::Hidden>) -> Exchange {
        let transport = self.pool.present().await;
        secrets.extend(transport.made_of.hidden());
        let wire_bytes = outgoing.body.len();
        let sent = transport
            .http
            .request(outgoing.method, outgoing.url.clone())
            .headers(outgoing.headers)
            .body(outgoing.body)
            .send()
            .await;
        let result = match sent {
            Ok(response) => {
                // Only a proxy that reads plain HTTP can answer in the destination's place.
                let via = self.proxy.clone().filter(|_| self.base.scheme() == "http");
                Answer::read(response, outgoing.answer_bytes_max, secrets, via).await
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
            self.pool.soon(Pool::refresh).await;
        }
        Exchange {
            wire_bytes: if not_sent { 0 } else { wire_bytes },
            result,
        }
    }

    /// Reads certificates, keys and the proxy's password again; new connections use them if they
    /// changed. The last good ones stay if that fails.
    pub fn refresh(&self) {
        self.pool.refresh();
    }

    /// Lets go of the connections that are kept: the next request gets a new one.
    pub async fn reconnect(&self) {
        self.pool.soon(Pool::reconnect).await;
    }
}

/// Sends one POST to any URL, with a client of its own: for commands that try things out.
pub async fn post_once(
    url: &str,
    login: &Login,
    ca_file: Option<&Path>,
    body: Bytes,
) -> Result<Answer, PostError> {
    let client = Client::new(&once(url, ca_file))?;
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

/// Sends one GET to any URL, with a client of its own, and keeps so many bytes of the answer.
pub async fn get_once(
    url: &str,
    login: &Login,
    answer_bytes_max: usize,
) -> Result<Answer, PostError> {
    let client = Client::new(&once(url, None))?;
    let exchange = client
        .get(Request {
            target: &client.base(),
            login,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            answer_bytes_max,
            id: None,
        })
        .await;
    Ok(exchange.result?)
}

fn once(url: &str, ca_file: Option<&Path>) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        connect_timeout: ONCE_CONNECT_TIMEOUT,
        request_timeout: ONCE_REQUEST_TIMEOUT,
        ca_file: ca_file.map(Path::to_owned),
        tls: EndpointTls::default(),
        proxy: None,
        gzip: false,
    }
}

/// A header set with nothing but the content type.
pub fn content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
}

#[cfg(test)]
pub(super) use login::tests::secret as test_secret;
