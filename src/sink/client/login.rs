//! Credentials: the one place where a destination's secret becomes a header value.
//!
//! A value is marked sensitive, so that no HTTP layer prints or indexes it. The secret goes
//! along with it only so that an answer that repeats it can be blanked.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::secret::{Secret, SecretPlace};

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
}

/// Why a secret cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "the secret in {0} has characters that no HTTP header may have; store it as plain ASCII text"
)]
pub struct LoginError(SecretPlace);

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
    /// The present credential; none without a login.
    pub(super) fn credential(&self) -> Result<Option<Credential>, LoginError> {
        let (name, secret, text) = match self {
            Self::None => return Ok(None),
            Self::Scheme(scheme, secret) => {
                let text = format!("{scheme} {}", secret.value().expose_secret());
                (AUTHORIZATION, secret, text)
            }
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.value().expose_secret());
                (
                    AUTHORIZATION,
                    password,
                    format!("Basic {}", base64(pair.as_bytes())),
                )
            }
            Self::Header { name, value } => {
                let text = value.value().expose_secret().to_owned();
                (name.clone(), value, text)
            }
        };
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| LoginError(secret.place().clone()))?;
        value.set_sensitive(true);
        let mut secrets = vec![Hidden::new(secret.value().expose_secret())];
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

    /// Whether the present secret can be sent.
    pub fn check(&self) -> Result<(), LoginError> {
        self.credential().map(|_| ())
    }

    /// Reads the secret again.
    pub fn reread(&self) {
        match self {
            Self::None => {}
            Self::Scheme(_, secret)
            | Self::Basic {
                password: secret, ..
            }
            | Self::Header { value: secret, .. } => secret.reread(),
        }
    }
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

/// Base64 with padding, as Basic authentication wants it (RFC 4648 section 4).
pub(in crate::sink) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_usize, |group, at| {
            group << 8 | usize::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = ALPHABET.get(group >> (18 - 6 * at) & 63);
            match digit {
                Some(digit) if at <= chunk.len() => text.push(char::from(*digit)),
                _ => text.push('='),
            }
        }
    }
    text
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
    fn base64_agrees_with_the_examples_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
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
