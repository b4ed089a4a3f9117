//! Keys that a container's or an instance's own endpoint hands out, and that end.
//!
//! Containers: "Container credential provider", AWS SDKs and Tools Reference Guide. Instances: "Use
//! the Instance Metadata Service to access instance metadata", Amazon EC2 User Guide, version 2
//! only. Neither is asked by way of the destination's proxy.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use jiff::Timestamp;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Keys;
use crate::secret::{Secret, SecretPlace};
use crate::settings::{Endpoint, EndpointTls};
use crate::sink::RetryCause;
use crate::sink::client::login::kept::Kept;
use crate::sink::client::login::{Hidden, LoginError, sensitive};
use crate::sink::client::{ANSWER_BYTES, Answer, Client, Fault, Outgoing, Target};

/// Where a container asks that is told a path only.
const CONTAINER: &str = "http://169.254.170.2";
/// Where else plain HTTP is meant: the addresses of Amazon EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
/// Where an instance asks.
const INSTANCE: &str = "http://169.254.169.254";
const ROLES: [&str; 4] = ["latest", "meta-data", "iam", "security-credentials"];
/// A session of the metadata service, shown in the one header and asked for with the other.
const SESSION: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const SESSION_SECONDS: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
/// Both are in the same machine, and answer at once or never.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long keys are taken to be good that have no end.
const LIFE: Duration = Duration::from_secs(300);

/// The endpoint, and the keys that it handed out last.
pub(super) struct Machine {
    client: Client,
    kind: Kind,
    kept: Kept<Keys>,
}

enum Kind {
    /// With what it is shown, where that is asked.
    Container(Option<Shown>),
    Instance,
}

/// What a container shows.
enum Shown {
    Fixed(SecretString),
    /// A file that is replaced from time to time.
    File(Secret),
}

/// What both hand out.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HandedOut {
    access_key_id: String,
    secret_access_key: SecretString,
    token: Option<SecretString>,
    /// RFC 3339.
    expiration: Option<String>,
}

impl Machine {
    pub(super) fn container(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let relative = relative.map(|path| format!("{CONTAINER}{path}"));
        let url = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
        let none = || {
            "credentials = \"container\", but neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
             AWS_CONTAINER_CREDENTIALS_FULL_URI is set; give the container a role"
        };
        let url = url.ok_or_else(|| LoginError::NoAwsKeys(none().to_owned()))?;
        if !is_allowed(&url) {
            let text = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this \
                        machine; correct it";
            return Err(LoginError::NoAwsKeys(text.to_owned()));
        }
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let shown = match file {
            Some(path) => {
                let secret = Secret::load(SecretPlace::File(path.into()));
                let secret = secret.map_err(|error| LoginError::NoAwsKeys(error.to_string()))?;
                Some(Shown::File(secret))
            }
            None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")
                .map(|text| Shown::Fixed(SecretString::from(text))),
        };
        Self::new(&url, Kind::Container(shown))
    }

    pub(super) fn instance(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let url = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        Self::new(url.as_deref().unwrap_or(INSTANCE), Kind::Instance)
    }

    fn new(url: &str, kind: Kind) -> Result<Self, LoginError> {
        let client = Client::new(&Endpoint {
            url: url.to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            ca_file: None,
            tls: EndpointTls::default(),
            proxy: None,
            gzip: false,
        });
        Ok(Self {
            client: client.map_err(|error| {
                LoginError::NoAwsKeys(format!("the address that hands out AWS keys: {error}"))
            })?,
            kind,
            kept: Kept::new(),
        })
    }

    /// Keys that are good, fetched if there are none.
    pub(super) async fn keys(&self) -> Result<Keys, Fault> {
        let kept = self.kept.get(self.fetch()).await?;
        Ok(Keys {
            id: kept.value.id.clone(),
            secret: kept.value.secret.clone(),
            session_token: kept.value.session_token.clone(),
        })
    }

    /// Keeps none: the next request fetches new ones.
    pub(super) fn forget(&self) {
        if let Kind::Container(Some(Shown::File(secret))) = &self.kind {
            secret.reread();
        }
        self.kept.clear();
    }

    async fn fetch(&self) -> Result<(Keys, Duration), Fault> {
        let answer = match &self.kind {
            Kind::Container(shown) => self.ask_container(shown.as_ref()).await?,
            Kind::Instance => self.ask_instance().await?,
        };
        // Nothing of such an answer is quoted: it may hold keys.
        let handed: HandedOut = match serde_json::from_slice(&answer.body) {
            Ok(handed) if !answer.cut => handed,
            _ => return Err(self.bad("hands out no AWS keys, but something else")),
        };
        let end = handed.expiration.and_then(|text| text.parse().ok());
        let life = end.map(|end: Timestamp| {
            let left = end.duration_since(Timestamp::now());
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        });
        let keys = Keys {
            id: handed.access_key_id,
            secret: handed.secret_access_key,
            session_token: handed.token,
        };
        Ok((keys, life.unwrap_or(LIFE)))
    }

    async fn ask_container(&self, shown: Option<&Shown>) -> Result<Answer, Fault> {
        let mut headers = HeaderMap::new();
        let mut secrets = Vec::new();
        let text = shown.map(|shown| match shown {
            Shown::Fixed(text) => text.clone(),
            Shown::File(secret) => SecretString::from(secret.value().expose_secret()),
        });
        if let Some(text) = text {
            secrets.push(Hidden::new(text.expose_secret()));
            let value = sensitive(text.expose_secret()).ok_or_else(|| {
                Fault::refused("the container's authorization token cannot be sent".to_owned())
            })?;
            headers.insert(AUTHORIZATION, value);
        }
        let target = self.client.base();
        self.ask(Method::GET, &target, headers, secrets).await
    }

    async fn ask_instance(&self) -> Result<Answer, Fault> {
        let seconds = HeaderMap::from_iter([(
            SESSION_SECONDS,
            "21600".parse().map_err(|_| self.bad("cannot be asked"))?,
        )]);
        let target = self.client.target(&["latest", "api", "token"], &[]);
        let answer = self.ask(Method::PUT, &target, seconds, Vec::new()).await?;
        let session = String::from_utf8_lossy(&answer.body).into_owned();
        let value = sensitive(&session).filter(|_| !session.is_empty());
        let value = value.ok_or_else(|| self.bad("opens no session"))?;
        let headers = HeaderMap::from_iter([(SESSION, value)]);
        let secrets = vec![Hidden::new(&session)];
        // With a slash at its end, which a redirect would ask for.
        let roles = [&ROLES[..], &[""]].concat();
        let target = self.client.target(&roles, &[]);
        let answer = self
            .ask(Method::GET, &target, headers.clone(), secrets.clone())
            .await?;
        let names = String::from_utf8_lossy(&answer.body).into_owned();
        let name = names
            .lines()
            .next()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| {
            Fault::refused("the instance has no role; attach one to it".to_owned())
        })?;
        let role = [&ROLES[..], &[name]].concat();
        let target = self.client.target(&role, &[]);
        self.ask(Method::GET, &target, headers, secrets).await
    }

    async fn ask(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
        mut secrets: Vec<Hidden>,
    ) -> Result<Answer, Fault> {
        let outgoing = Outgoing {
            method,
            url: &target.0,
            headers,
            body: Bytes::new(),
            answer_bytes_max: ANSWER_BYTES,
            id: None,
        };
        secrets.extend(self.client.url_secrets.iter().cloned());
        let whom = self.client.host();
        let answer = self.client.send(outgoing, secrets).await.result;
        let answer = answer.map_err(|fault| fault.while_logging_in(&whom))?;
        if answer.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let mut text = format!("{whom} hands out no AWS keys: HTTP {status}");
        let quote = answer.quote_body();
        if !quote.is_empty() {
            text.push_str(": ");
            text.push_str(&quote);
        }
        let cause = match status {
            429 => RetryCause::RateLimited,
            408 => RetryCause::Timeout,
            500.. => RetryCause::ServerError,
            _ => {
                text.push_str(
                    "; check the role, and that the metadata service is open to the relay",
                );
                return Err(Fault::refused(text));
            }
        };
        Err(Fault::no_token(cause, answer.retry_after, text))
    }

    fn bad(&self, what: &str) -> Fault {
        let text = format!("{} {what}", self.client.host());
        Fault::no_token(RetryCause::BadAnswer, None, text)
    }
}

/// Whether a container may be sent there with its authorization token: over https, or not out of
/// this machine.
fn is_allowed(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => true,
        "http" => is_loopback || CONTAINER_HOSTS.contains(&host),
        _ => false,
    }
}
