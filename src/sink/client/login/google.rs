//! What a Google service account shows the token endpoint: a statement about itself, signed with
//! the key of its key file (RFC 7523, section 2.1; Google "Using OAuth 2.0 for server to server
//! applications").

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use form_urlencoded::Serializer;
use reqwest::Url;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::token::Asking;
use super::{Hidden, LoginError};
use crate::secret::Secret;
use crate::settings::GoogleServiceAccount;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long a statement is good: the most that Google takes.
const STATEMENT_SECONDS: u64 = 3600;

const NOT_HTTPS: &str = "has a token_uri that is not an https URL; download a new key file";

/// A service account, and what its tokens are for.
pub(super) struct ServiceAccount {
    key: Secret,
    scope: String,
    token_uri: String,
}

/// What is read of a key file.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: SecretString,
    private_key_id: Option<String>,
    token_uri: String,
}

impl ServiceAccount {
    /// Reads the key file. `by_proxy` tells that its tokens are fetched by way of a proxy, to which
    /// even plain HTTP for this machine goes.
    pub(super) fn new(settings: &GoogleServiceAccount, by_proxy: bool) -> Result<Self, LoginError> {
        let unfit = |why| unfit(&settings.key, why);
        let value = settings.key.value();
        let (file, _) = read(value.expose_secret()).map_err(unfit)?;
        let token_uri = file.token_uri;
        if by_proxy && !token_uri.starts_with("https:") {
            return Err(unfit(NOT_HTTPS));
        }
        let at_first = token_uri.clone();
        let key = settings.key.clone().guarded(move |text| match read(text) {
            Ok((file, _)) if file.token_uri == at_first => Ok(()),
            Ok(_) => Err("token_uri has changed; start the relay anew".to_owned()),
            Err(why) => Err(why.to_owned()),
        });
        Ok(Self {
            key,
            scope: settings.scope.clone(),
            token_uri,
        })
    }

    /// Where its tokens are issued.
    pub(super) fn token_uri(&self) -> &str {
        &self.token_uri
    }

    pub(super) fn check(&self) -> Result<(), LoginError> {
        self.asking().map(|_| ())
    }

    pub(super) fn reread(&self) {
        self.key.reread();
    }

    /// The request for a token, signed with the present key.
    pub(super) fn asking(&self) -> Result<Asking, LoginError> {
        let unfit = |why| unfit(&self.key, why);
        let (file, pair) = read(self.key.value().expose_secret()).map_err(unfit)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let mut head = json!({"alg": "RS256", "typ": "JWT"});
        if let (Some(id), Some(head)) = (file.private_key_id, head.as_object_mut()) {
            head.insert("kid".to_owned(), id.into());
        }
        let claims = json!({
            "iss": file.client_email,
            "scope": self.scope,
            "aud": self.token_uri,
            "iat": now,
            "exp": now + STATEMENT_SECONDS,
        });
        let part = |value: serde_json::Value| BASE64_URL.encode(value.to_string());
        let mut statement = format!("{}.{}", part(head), part(claims));
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            statement.as_bytes(),
            &mut signature,
        )
        .map_err(|_| unfit("has a private_key that cannot sign; download a new key file"))?;
        statement.push('.');
        statement.push_str(&BASE64_URL.encode(signature));
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", GRANT);
        form.append_pair("assertion", &statement);
        Ok(Asking {
            authorization: None,
            form: SecretString::from(form.finish()),
            secrets: vec![Hidden::new(&statement)],
        })
    }
}

/// Reads a key file; the error says what is wrong and quotes nothing.
fn read(text: &str) -> Result<(KeyFile, RsaKeyPair), &'static str> {
    let file: KeyFile = serde_json::from_str(text).map_err(|_| {
        "is not the key file of a service account: JSON with client_email, private_key and \
         token_uri; download one of type JSON"
    })?;
    let url = Url::parse(&file.token_uri).ok();
    let is_safe = |url: &Url| url.scheme() == "https" || is_here(url);
    if !url.as_ref().is_some_and(is_safe) {
        return Err(NOT_HTTPS);
    }
    let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.expose_secret().as_bytes());
    let der = der.map_err(|_| "has a private_key that is not PKCS #8 in PEM")?;
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
    let pair = pair.map_err(|_| "has a private_key that is not an RSA key of 2048 bits or more")?;
    Ok((file, pair))
}

/// Plain HTTP that does not leave the machine, as everywhere else.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<std::net::IpAddr, _> = bare.parse();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "http" && loopback
}

fn unfit(key: &Secret, why: &'static str) -> LoginError {
    LoginError::Unfit {
        place: key.place().clone(),
        why,
    }
}
