//! Cookies of one channel: what a load balancer gave, so that it finds the same indexer again.
//!
//! A jar belongs to one endpoint, so only name and value matter; what else a `Set-Cookie` says is
//! read as far as it removes the cookie. Values may stand for a session: they are never printed.

use http::header::HeaderValue;

/// Cookies kept; further names are not.
const COOKIES_MAX: usize = 16;
/// Bytes of one cookie's name and value; a longer one is not kept.
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies. Has no printing form.
#[derive(Clone, Default)]
pub(super) struct Jar {
    pairs: Vec<(String, String)>,
}

impl Jar {
    /// Takes in what an answer sets or removes.
    pub(super) fn update(&mut self, cookies: &[HeaderValue]) {
        for text in cookies.iter().filter_map(|value| value.to_str().ok()) {
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
                continue;
            }
            if removes(attributes) {
                self.pairs.retain(|(known, _)| known != name);
            } else if let Some((_, known)) = self.pairs.iter_mut().find(|pair| pair.0 == name) {
                value.clone_into(known);
            } else if self.pairs.len() < COOKIES_MAX {
                self.pairs.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The `Cookie` header, marked sensitive; none where there is no cookie.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        if self.pairs.is_empty() {
            return None;
        }
        let pairs: Vec<String> = self
            .pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        // Each part was a header's value already, so this always succeeds.
        let mut header = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// Whether the attributes say that the cookie has no time to live (RFC 6265, section 5.2.2).
fn removes(attributes: &str) -> bool {
    attributes
        .split(';')
        .filter_map(|attribute| attribute.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .any(|(_, seconds)| {
            seconds
                .trim()
                .parse()
                .is_ok_and(|seconds: i64| seconds <= 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(jar: &mut Jar, cookies: &[&str]) -> Option<String> {
        let values = cookies
            .iter()
            .map(|text| HeaderValue::from_str(text).unwrap());
        jar.update(&values.collect::<Vec<_>>());
        jar.header().map(|value| {
            assert!(value.is_sensitive());
            value.to_str().unwrap().to_owned()
        })
    }

    #[test]
    fn a_jar_keeps_names_and_values_and_forgets_what_is_removed() {
        let mut jar = Jar::default();
        assert_eq!(set(&mut jar, &[]), None);
        let cookies = [
            "AWSELB=abc=1; Path=/; Secure",
            " lb = node-2 ",
            "none",
            "=x",
        ];
        let expected = Some("AWSELB=abc=1; lb=node-2".to_owned());
        assert_eq!(set(&mut jar, &cookies), expected);
        let changed = Some("AWSELB=def; lb=node-2".to_owned());
        assert_eq!(set(&mut jar, &["AWSELB=def; max-age=60"]), changed);
        let left = Some("lb=node-2".to_owned());
        assert_eq!(set(&mut jar, &["AWSELB=; Path=/; Max-Age=0"]), left);
    }

    #[test]
    fn a_jar_is_bounded_in_number_and_size() {
        let mut jar = Jar::default();
        let long = format!("long={}", "x".repeat(COOKIE_BYTES_MAX));
        assert_eq!(set(&mut jar, &[&long]), None);
        for n in 0..=COOKIES_MAX {
            set(&mut jar, &[&format!("c{n}=v")]);
        }
        assert_eq!(jar.pairs.len(), COOKIES_MAX);
    }
}
