//! Checks AWS signatures, version 4, of requests that came in, as the service does: from what is
//! on the wire and the key, by the steps of "Create a signed AWS API request" (AWS IAM User Guide),
//! with no code of the relay or of a signing library.

#![allow(dead_code, clippy::unwrap_used)]

use aws_lc_rs::{digest, hmac};

use crate::fake_http::Received;

/// What a signature must be of.
pub(crate) struct Signed<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

impl Signed<'_> {
    /// Says what is wrong with a request's signature; `Ok` has the names of the signed headers.
    pub(crate) fn check(&self, request: &Received) -> Result<Vec<String>, String> {
        let authorization = request.header("authorization").ok_or("no authorization")?;
        let rest = authorization
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or("another algorithm")?;
        let part = |name: &str| {
            let mut parts = rest.split(", ");
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let time = request.header("x-amz-date").ok_or("no x-amz-date")?;
        let day = time.get(..8).ok_or("no day")?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let credential = format!("{}/{scope}", self.id);
        if part("Credential") != Some(&*credential) {
            return Err(format!("not the credential {credential}: {authorization}"));
        }
        let signed = part("SignedHeaders").ok_or("no signed headers")?;
        let mut headers = String::new();
        for name in signed.split(';') {
            let value = request.header(name).ok_or(format!("no header {name}"))?;
            headers.push_str(&format!("{name}:{}\n", value.trim()));
        }
        let body = request.packed.as_ref().unwrap_or(&request.body);
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let canonical = [
            &*request.method,
            &encoded(path, true),
            &canonical_query(query),
            &headers,
            signed,
            &hash(body),
        ]
        .join("\n");
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hash(canonical.as_bytes())
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day, self.region, self.service, "aws4_request", &text] {
            key = mac(&key, part);
        }
        let expected = hex(&key);
        match part("Signature") == Some(&*expected) {
            true => Ok(signed.split(';').map(str::to_owned).collect()),
            false => Err(format!("the signature is not {expected}, of\n{canonical}")),
        }
    }
}

/// The name and value of each pair encoded anew, in order.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                encoded(&decoded(name), false),
                encoded(&decoded(value), false),
            )
        })
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

/// What a form's text stands for.
fn decoded(text: &str) -> String {
    let pairs = form_urlencoded::parse(text.as_bytes());
    pairs.map(|(name, _)| name.into_owned()).collect()
}

/// Percent-encoded but for letters, digits and `-._~`; a path's slashes stay. All services but S3
/// encode the path as it is sent once more.
fn encoded(text: &str, is_path: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let stays = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if stays || (is_path && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
