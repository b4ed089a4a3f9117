//! Bearer tokens that a token endpoint issues: the request, and what its answer means.
//!
//! What is shown there is in `oauth2` and `google`. A refusal holds the destination, since only a
//! person can mend it; everything that passes by itself is tried again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::google::ServiceAccount;
use super::kept::{Fetched, Kept};
use super::oauth2::ClientCredentials;
use super::{Hidden, LoginError, sensitive};
use crate::settings::{self, Endpoint, EndpointTls};
use crate::sink::RetryCause;
use crate::sink::client::{ANSWER_BYTES, Answer, Client, ClientError, Fault, Outgoing};

/// How long a token is taken to be good whose issuer does not say.
const LIFE: Duration = Duration::from_secs(300);
/// Errors of a token endpoint that pass by themselves (RFC 6749, section 4.1.2.1).
const PASSING: [&str; 2] = ["temporarily_unavailable", "server_error"];

/// The tokens of one destination.
pub struct Tokens {
    client: Client,
    /// Host and port of the token endpoint, for people.
    whom: String,
    grant: Grant,
    kept: Kept<Token>,
}

/// What a token is asked for with.
enum Grant {
    OAuth2(ClientCredentials),
    Google(ServiceAccount),
}

/// What goes to the token endpoint.
pub(super) struct Asking {
    /// `Authorization`, where the client's credentials do not stand in the body.
    pub(super) authorization: Option<HeaderValue>,
    /// The form, encoded.
    pub(super) form: SecretString,
    /// What must not be quoted of the answer.
    pub(super) secrets: Vec<Hidden>,
}

/// A token, ready to be shown.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    pub(super) hidden: Hidden,
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct Issued {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// RFC 6749, section 5.2.
#[derive(Default, Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

impl Tokens {
    /// Tokens for a client's own credentials.
    pub(super) fn oauth2(
        settings: &settings::OAuth2,
        destination: &Endpoint,
    ) -> Result<Self, ClientError> {
        let mut endpoint = at(&settings.token_url, destination);
        if settings.ca_file.is_some() {
            endpoint.ca_file.clone_from(&settings.ca_file);
        }
        let grant = Grant::OAuth2(ClientCredentials::new(settings));
        Self::new(&endpoint, grant)
    }

    /// Tokens for a Google service account.
    pub(super) fn google(
        settings: &settings::GoogleServiceAccount,
        destination: &Endpoint,
    ) -> Result<Self, ClientError> {
        let account = ServiceAccount::new(settings, destination.proxy.is_some())?;
        let endpoint = at(account.token_uri(), destination);
        Self::new(&endpoint, Grant::Google(account))
    }

    fn new(endpoint: &Endpoint, grant: Grant) -> Result<Self, ClientError> {
        let client = Client::new(endpoint)?;
        Ok(Self {
            whom: client.host(),
            client,
            grant,
            kept: Kept::new(),
        })
    }

    /// A token that is good, fetched if there is none.
    pub(super) async fn present(&self) -> Result<Arc<Fetched<Token>>, Fault> {
        self.kept.get(self.fetch()).await
    }

    pub(super) fn forget(&self, number: u64) {
        self.kept.forget(number);
    }

    pub(super) fn check(&self) -> Result<(), LoginError> {
        match &self.grant {
            Grant::OAuth2(_) => Ok(()),
            Grant::Google(account) => account.check(),
        }
    }

    pub(super) fn reread(&self) {
        match &self.grant {
            Grant::OAuth2(client) => client.reread(),
            Grant::Google(account) => account.reread(),
        }
        self.client.refresh();
        self.kept.clear();
    }

    async fn fetch(&self) -> Result<(Token, Duration), Fault> {
        let asking = match &self.grant {
            Grant::OAuth2(client) => client.asking(),
            Grant::Google(account) => account.asking(),
        };
        let Asking {
            authorization,
            form,
            mut secrets,
        } = asking.map_err(|error| Fault::refused(error.to_string()))?;
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, form_type),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value);
        }
        let target = self.client.base();
        let outgoing = Outgoing {
            method: Method::POST,
            url: &target.0,
            headers,
            body: Bytes::copy_from_slice(form.expose_secret().as_bytes()),
            answer_bytes_max: ANSWER_BYTES,
        };
        secrets.extend(self.client.url_secrets.iter().cloned());
        let exchange = self.client.send(outgoing, secrets).await;
        let answer = exchange
            .result
            .map_err(|fault| fault.while_logging_in(&self.whom))?;
        self.judge(&answer)
    }

    fn judge(&self, answer: &Answer) -> Result<(Token, Duration), Fault> {
        if answer.is_success() {
            return self.issued(answer);
        }
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let quote = match (&refusal.error, &refusal.error_description) {
            (Some(error), Some(description)) => answer.quote(&format!("{error}: {description}")),
            (Some(error), None) => answer.quote(error),
            _ => answer.quote_body(),
        };
        let mut text = format!("{} issues no token: HTTP {}", self.whom, answer.status);
        if !quote.is_empty() {
            text.push_str(": ");
            text.push_str(&quote);
        }
        let passing = refusal.error.as_deref();
        let passing = passing.is_some_and(|error| PASSING.contains(&error));
        let cause = match answer.status {
            429 => RetryCause::RateLimited,
            408 => RetryCause::Timeout,
            500.. => RetryCause::ServerError,
            _ if passing => RetryCause::ServerError,
            _ => {
                text.push_str("; check ");
                text.push_str(match &self.grant {
                    Grant::OAuth2(_) => "token_url, client_id, its secret, scope and style",
                    Grant::Google(_) => "the key of the service account, and this machine's clock",
                });
                return Err(Fault::refused(text));
            }
        };
        Err(Fault::no_token(cause, answer.retry_after, text))
    }

    /// Nothing of such an answer is quoted: it may hold a token.
    fn issued(&self, answer: &Answer) -> Result<(Token, Duration), Fault> {
        let bad = |what: &str| {
            let text = format!("{} answers with {what}; check token_url", self.whom);
            Fault::no_token(RetryCause::BadAnswer, None, text)
        };
        let issued: Issued = match serde_json::from_slice(&answer.body) {
            Ok(issued) if !answer.cut => issued,
            _ => return Err(bad("no token")),
        };
        let kind = issued.token_type.as_deref().unwrap_or("bearer");
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(bad("a token that is not a bearer token"));
        }
        let text = issued.access_token.expose_secret();
        let header = sensitive(&format!("Bearer {text}")).filter(|_| !text.trim().is_empty());
        let token = Token {
            header: header.ok_or_else(|| bad("a token that no header can carry"))?,
            hidden: Hidden::new(text),
        };
        Ok((token, life(issued.expires_in.as_ref())))
    }
}

/// How a token endpoint is reached: as the destination, but that it is not shown the relay's own
/// certificate, and that its own is always checked. No one but it may have the secret.
fn at(url: &str, destination: &Endpoint) -> Endpoint {
    Endpoint {
        url: url.to_owned(),
        tls: EndpointTls {
            min_version: destination.tls.min_version,
            ..EndpointTls::default()
        },
        gzip: false,
        ..destination.clone()
    }
}

/// Seconds, which some servers write as text.
fn life(expires_in: Option<&serde_json::Value>) -> Duration {
    let seconds = expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    let seconds = seconds.map(|seconds: f64| seconds.max(0.0));
    let whole =
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    whole.unwrap_or(LIFE)
}

/// Without the token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("of", &self.whom).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_life_is_a_number_or_a_text_and_otherwise_five_minutes() {
        for (value, seconds) in [
            (json!(3599), 3599),
            (json!("3599"), 3599),
            (json!(-5), 0),
            (json!("soon"), 300),
            (json!(null), 300),
        ] {
            assert_eq!(life(Some(&value)), Duration::from_secs(seconds), "{value}");
        }
        assert_eq!(life(None), LIFE);
        assert_eq!(life(Some(&json!(1e300))), Duration::MAX);
    }
}
