//! What a client shows a token endpoint: its own credentials (RFC 6749, sections 2.3.1 and 4.4).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use form_urlencoded::{Serializer, byte_serialize};
use secrecy::{ExposeSecret, SecretString};

use super::token::Asking;
use super::{Hidden, LoginError, sensitive};
use crate::settings::{OAuth2, TokenStyle};

/// A client's name and secret, and what it asks for.
pub(super) struct ClientCredentials(OAuth2);

impl ClientCredentials {
    pub(super) fn new(settings: &OAuth2) -> Self {
        Self(settings.clone())
    }

    pub(super) fn reread(&self) {
        self.0.client_secret.reread();
    }

    /// The request for a token, with the present secret.
    pub(super) fn asking(&self) -> Result<Asking, LoginError> {
        let id = &self.0.client_id;
        let secret = self.0.client_secret.value();
        let secret = secret.expose_secret();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        let more = [("scope", &self.0.scope), ("audience", &self.0.audience)];
        for (name, value) in more {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        let mut secrets = vec![Hidden::new(secret), Hidden::new(&encoded(secret))];
        let authorization = match self.0.style {
            TokenStyle::Basic => {
                // Both are encoded as in a form before they are joined.
                let pair = BASE64.encode(format!("{}:{}", encoded(id), encoded(secret)));
                secrets.push(Hidden::new(&pair));
                let place = || LoginError::Unsendable(self.0.client_secret.place().clone());
                Some(sensitive(&format!("Basic {pair}")).ok_or_else(place)?)
            }
            TokenStyle::Body => {
                form.append_pair("client_id", id);
                form.append_pair("client_secret", secret);
                None
            }
        };
        Ok(Asking {
            authorization,
            form: SecretString::from(form.finish()),
            secrets,
        })
    }
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
