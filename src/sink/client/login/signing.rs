//! Signatures over each request, as Standard Webhooks has them (standard-webhooks specification,
//! "Signature scheme"): three headers that name the request, say when it was sent, and prove both
//! together with the body.
//!
//! The name stays the same when the request is sent again, the time and the signatures do not.
//! Several keys may sign at once, so that a receiver can change from one to the next.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretSlice};

use super::{Hidden, LoginError, sensitive};
use crate::secret::Secret;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What the two kinds of key begin with.
const SYMMETRIC: &str = "whsec_";
const ASYMMETRIC: &str = "whsk_";
/// Keys that sign at once: the present one, its successor, and room.
const KEYS_MAX: usize = 8;
/// Bytes of a symmetric key.
const SYMMETRIC_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of an ed25519 key's seed; its public part may follow.
const SEED_BYTES: usize = 32;

/// The keys of one destination.
#[derive(Clone, Debug)]
pub struct Signer(Secret);

/// One key.
enum Key {
    /// `v1`.
    Symmetric(Box<hmac::Key>),
    /// `v1a`.
    Asymmetric(Ed25519KeyPair),
}

impl Signer {
    /// With the keys of a secret; later values of it are used only if they are keys, too.
    pub(super) fn new(keys: &Secret) -> Self {
        let fits = |text: &str| read(text).map(|_| ()).map_err(str::to_owned);
        Self(keys.clone().guarded(fits))
    }

    pub(super) fn check(&self) -> Result<(), LoginError> {
        let keys = read(self.0.value().expose_secret());
        keys.map(|_| ()).map_err(|why| self.unfit(why))
    }

    pub(super) fn reread(&self) {
        self.0.reread();
    }

    /// Signs a request as of now. `id` has no dot, since dots part what is signed.
    pub(super) fn sign(
        &self,
        id: &str,
        body: &[u8],
        headers: &mut HeaderMap,
        secrets: &mut Vec<Hidden>,
    ) -> Result<(), LoginError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        // Once: what is blanked is what signed.
        let text = self.0.value();
        let keys = read(text.expose_secret()).map_err(|why| self.unfit(why))?;
        let signatures = signatures(&keys, id, seconds, body);
        let unfit = || self.unfit("cannot name this request");
        headers.insert(ID, HeaderValue::from_str(id).map_err(|_| unfit())?);
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(SIGNATURE, sensitive(&signatures).ok_or_else(unfit)?);
        let texts = text.expose_secret().split_whitespace();
        secrets.extend(texts.filter_map(|text| Some(Hidden::new(text.split_once('_')?.1))));
        Ok(())
    }

    fn unfit(&self, why: &'static str) -> LoginError {
        LoginError::Unfit {
            place: self.0.place().clone(),
            why,
        }
    }
}

/// The header's value: the signature of each key, with spaces in between.
fn signatures(keys: &[Key], id: &str, seconds: u64, body: &[u8]) -> String {
    let head = format!("{id}.{seconds}.");
    let signed = keys.iter().map(|key| match key {
        Key::Symmetric(key) => {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64.encode(context.sign()))
        }
        Key::Asymmetric(pair) => {
            let whole = [head.as_bytes(), body].concat();
            format!("v1a,{}", BASE64.encode(pair.sign(&whole)))
        }
    });
    signed.collect::<Vec<_>>().join(" ")
}

/// The keys of a text, with spaces or line ends in between; or what is wrong with it.
fn read(text: &str) -> Result<Vec<Key>, &'static str> {
    let keys: Vec<Key> = text.split_whitespace().map(key).collect::<Result<_, _>>()?;
    match keys.len() {
        0 => Err("holds no signing key; put whsec_ or whsk_ and the key there"),
        1..=KEYS_MAX => Ok(keys),
        _ => Err("holds more than 8 signing keys; remove those that no receiver knows any more"),
    }
}

fn key(text: &str) -> Result<Key, &'static str> {
    let decode = |text: &str| {
        let bytes = BASE64.decode(text);
        let bytes = bytes.map_err(|_| "holds a signing key that is not base64; copy it again");
        bytes.map(SecretSlice::from)
    };
    if let Some(text) = text.strip_prefix(SYMMETRIC) {
        let bytes = decode(text)?;
        let bytes = bytes.expose_secret();
        if !SYMMETRIC_BYTES.contains(&bytes.len()) {
            return Err("holds a whsec_ key that is not 24 to 64 bytes long; make a new one");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        return Ok(Key::Symmetric(Box::new(key)));
    }
    let Some(text) = text.strip_prefix(ASYMMETRIC) else {
        return Err(
            "holds a word that begins with neither whsec_ nor whsk_; put signing keys there",
        );
    };
    let unfit = "holds a whsk_ key that is no ed25519 key of 32 or 64 bytes; make a new one";
    let bytes = decode(text)?;
    let (seed, public) = bytes
        .expose_secret()
        .split_at_checked(SEED_BYTES)
        .ok_or(unfit)?;
    let pair = match public {
        [] => Ed25519KeyPair::from_seed_unchecked(seed),
        _ => Ed25519KeyPair::from_seed_and_public_key(seed, public),
    };
    Ok(Key::Asymmetric(pair.map_err(|_| unfit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification and of its libraries' own tests.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let keys = read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = signatures(&keys, id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_told_without_repeating_it() {
        let whsec = |bytes: usize| format!("whsec_{}", BASE64.encode(vec![7; bytes]));
        let whsk = |bytes: usize| format!("whsk_{}", BASE64.encode(vec![7; bytes]));
        for (text, expected) in [
            (" \n".to_owned(), "no signing key"),
            ("hunter2hunter2".to_owned(), "neither whsec_ nor whsk_"),
            ("whsec_hunter2!".to_owned(), "not base64"),
            (whsec(23), "not 24 to 64 bytes"),
            (whsec(65), "not 24 to 64 bytes"),
            (whsk(31), "no ed25519 key"),
            // The latter half is not the public part of the former.
            (whsk(64), "no ed25519 key"),
            (vec![whsec(24); 9].join("\n"), "more than 8"),
        ] {
            let error = read(&text).err().unwrap();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter"), "{error}");
        }
        for text in [
            whsec(24),
            whsec(64),
            whsk(32),
            format!("{}\n{}", whsec(24), whsk(32)),
        ] {
            assert!(read(&text).is_ok(), "{text}");
        }
    }
}
