//! Credentials: the one place where a destination's secret becomes a header value.
//!
//! Most logins are a header that is always the same. Others fetch something first (a token, the
//! keys of a machine), or sign the very bytes that go out; both see the request. A value is marked
//! sensitive, so that no HTTP layer prints or indexes it. The secret goes along with it only so
//! that an answer that repeats it can be blanked.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{ClientError, Fault, Outgoing};
use crate::secret::{Secret, SecretPlace};
use crate::settings::{Auth, Endpoint};

mod aws;
mod google;
mod kept;
mod oauth2;
mod signing;
mod token;

pub use aws::Aws;
pub use signing::Signer;
pub use token::Tokens;

/// How to log in at a destination.
#[derive(Clone, Debug)]
pub enum Login {
    /// Not at all.
    None,
    /// `Authorization: <scheme> <secret>`.
    Scheme(&'static str, Secret),
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A header whose whole value is the secret.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: Secret,
    },
    /// `Authorization: Bearer`, with a token that is fetched and kept while it is good.
    Token(Arc<Tokens>),
    /// AWS signatures.
    Aws(Arc<Aws>),
    /// Signed headers, beside any of the others.
    Signed {
        /// Who signs.
        signer: Signer,
        /// The other one; not such a pair itself.
        beside: Box<Login>,
    },
}

/// Why a secret cannot be used to log in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No header can carry it.
    #[error(
        "the secret in {0} has characters that no HTTP header may have; store it as plain ASCII \
         text"
    )]
    Unsendable(SecretPlace),
    /// AWS keys are not where they are looked for.
    #[error("no AWS keys: {0}")]
    NoAwsKeys(String),
    /// It is not what it should be.
    #[error("the secret in {place} {why}")]
    Unfit {
        /// Where it is.
        place: SecretPlace,
        /// What is wrong, and the remedy; nothing of the secret.
        why: &'static str,
    },
}

/// A header that proves who sends. Has no printing form.
pub(super) struct Credential {
    /// Its name.
    pub(super) name: HeaderName,
    /// Its value, marked sensitive.
    pub(super) value: HeaderValue,
    /// Texts that must not be shown.
    pub(super) secrets: Vec<Hidden>,
}

/// A text that must not be shown.
#[derive(Clone)]
pub(super) struct Hidden(SecretString);

impl Login {
    /// The login that the settings ask for; tokens are fetched the way that the destination's
    /// endpoint is reached. Fetches nothing.
    pub fn new(auth: &Auth, endpoint: &Endpoint) -> Result<Self, ClientError> {
        let login = match auth {
            Auth::None => Self::None,
            Auth::ApiKey(key) => Self::Scheme("ApiKey", key.clone()),
            Auth::Bearer(token) => Self::Scheme("Bearer", token.clone()),
            Auth::Basic { user, password } => Self::Basic {
                user: user.clone(),
                password: password.clone(),
            },
            Auth::Header { name, value } => Self::Header {
                name: HeaderName::from_bytes(name.as_bytes()).map_err(|_| ClientError::Header {
                    name: name.clone(),
                    why: "this is no header name",
                })?,
                value: value.clone(),
            },
            Auth::OAuth2(settings) => Self::Token(Arc::new(Tokens::oauth2(settings, endpoint)?)),
            Auth::GoogleServiceAccount(settings) => {
                Self::Token(Arc::new(Tokens::google(settings, endpoint)?))
            }
            Auth::Aws(settings) => Self::Aws(Arc::new(Aws::new(settings)?)),
            Auth::Signed { keys, beside } => Self::Signed {
                signer: Signer::new(keys),
                beside: Box::new(Self::new(beside, endpoint)?),
            },
        };
        login.check()?;
        Ok(login)
    }

    /// The login without the signature.
    fn unsigned(&self) -> &Self {
        match self {
            Self::Signed { beside, .. } => beside,
            other => other,
        }
    }

    /// Whether it signs requests, which must then have an id.
    pub fn signs(&self) -> bool {
        matches!(self, Self::Signed { .. })
    }

    /// The present credential; none without a login, or where it is not a header alone.
    pub(super) fn credential(&self) -> Result<Option<Credential>, LoginError> {
        let (name, secret) = match self {
            Self::None | Self::Token(_) | Self::Aws(_) | Self::Signed { .. } => {
                return Ok(None);
            }
            Self::Scheme(_, secret)
            | Self::Basic {
                password: secret, ..
            } => (AUTHORIZATION, secret),
            Self::Header { name, value } => (name.clone(), value),
        };
        // Once: what is blanked is what is shown.
        let present = secret.value();
        let present = present.expose_secret();
        let text = match self {
            Self::Scheme(scheme, _) => format!("{scheme} {present}"),
            Self::Basic { user, .. } => {
                format!("Basic {}", BASE64.encode(format!("{user}:{present}")))
            }
            _ => present.to_owned(),
        };
        let unsendable = || LoginError::Unsendable(secret.place().clone());
        let value = sensitive(&text).ok_or_else(unsendable)?;
        let mut secrets = vec![Hidden::new(present)];
        if matches!(self, Self::Basic { .. }) {
            // The encoded pair is as good as the password.
            secrets.push(Hidden::new(text.trim_start_matches("Basic ")));
        }
        Ok(Some(Credential {
            name,
            value,
            secrets,
        }))
    }

    /// Puts the proof into the request, and into `secrets` what must not be quoted. Says which
    /// token it showed, if it showed one.
    pub(super) async fn prove(
        &self,
        outgoing: &mut Outgoing<'_>,
        secrets: &mut Vec<Hidden>,
    ) -> Result<Option<u64>, Fault> {
        if let Self::Signed { signer, .. } = self {
            let id = outgoing.id.unwrap_or_default();
            signer
                .sign(id, &outgoing.body, &mut outgoing.headers, secrets)
                .map_err(|error| Fault::refused(error.to_string()))?;
        }
        let login = self.unsigned();
        if let Self::Token(tokens) = login {
            let token = tokens.present().await?;
            outgoing
                .headers
                .insert(AUTHORIZATION, token.value.header.clone());
            secrets.push(token.value.hidden.clone());
            return Ok(Some(token.number));
        }
        if let Self::Aws(aws) = login {
            aws.prove(outgoing, secrets).await?;
            return Ok(None);
        }
        let credential = login
            .credential()
            .map_err(|error| Fault::refused(error.to_string()))?;
        if let Some(credential) = credential {
            outgoing.headers.insert(credential.name, credential.value);
            secrets.extend(credential.secrets);
        }
        Ok(None)
    }

    /// Whether it shows a token that can be renewed.
    pub(super) fn has_token(&self) -> bool {
        matches!(self.unsigned(), Self::Token(_))
    }

    /// Shows the token of this number no more.
    pub(super) fn forget(&self, number: u64) {
        if let Self::Token(tokens) = self.unsigned() {
            tokens.forget(number);
        }
    }

    /// Whether the present secret can be sent.
    pub fn check(&self) -> Result<(), LoginError> {
        match self {
            Self::Token(tokens) => tokens.check(),
            Self::Aws(aws) => aws.check(),
            // The other one was checked when it was made.
            Self::Signed { signer, .. } => signer.check(),
            _ => self.credential().map(|_| ()),
        }
    }

    /// Reads the secret again. What was fetched with it is fetched anew: a right that was granted
    /// may show in new tokens only.
    pub fn reread(&self) {
        match self {
            Self::None => {}
            Self::Scheme(_, secret)
            | Self::Basic {
                password: secret, ..
            }
            | Self::Header { value: secret, .. } => secret.reread(),
            Self::Token(tokens) => tokens.reread(),
            Self::Aws(aws) => aws.reread(),
            Self::Signed { signer, beside } => {
                signer.reread();
                beside.reread();
            }
        }
    }
}

/// A header's value that no HTTP layer prints; none of text that no header can carry.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Hidden {
    pub(super) fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// Replaces each occurrence in `text`.
    pub(super) fn blank(&self, text: String) -> String {
        let hidden = self.0.expose_secret();
        if hidden.is_empty() || !text.contains(hidden) {
            return text;
        }
        text.replace(hidden, "***")
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
pub(in crate::sink) mod tests {
    use super::*;

    /// A secret that holds `text`.
    pub(in crate::sink) fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::load(SecretPlace::File(file.path().to_owned())).unwrap()
    }

    #[test]
    fn each_login_makes_its_header_and_marks_it_sensitive() {
        let token = "t0k3n-t0k3n";
        let name = HeaderName::from_static("x-api-key");
        for (login, header, expected) in [
            (
                Login::Scheme("Splunk", secret(token)),
                "authorization",
                "Splunk t0k3n-t0k3n",
            ),
            (
                Login::Basic {
                    user: "Aladdin".to_owned(),
                    password: secret("open sesame"),
                },
                "authorization",
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (
                Login::Header {
                    name,
                    value: secret(token),
                },
                "x-api-key",
                token,
            ),
        ] {
            let credential = login.credential().unwrap().unwrap();
            assert_eq!(credential.name, header);
            assert_eq!(credential.value.to_str().unwrap(), expected);
            assert!(credential.value.is_sensitive());
            assert!(!format!("{login:?} {:?}", credential.value).contains(token));
        }
    }

    #[test]
    fn a_secret_that_no_header_can_carry_names_its_file_and_not_itself() {
        let login = Login::Scheme("Bearer", secret("sn\u{7f}wman"));
        let text = login.check().unwrap_err().to_string();
        assert!(text.contains("file /") && !text.contains("wman"), "{text}");
    }
}
