//! What a signed request is called (`webhook-id`): the same whenever it is sent again, another for
//! every other one, so that the receiver can tell the two apart.

use sha2::{Digest, Sha256};

use crate::sink::Rendered;

/// A name of letters, digits and `_`. The body alone would not do: without envelope two events can
/// be alike to the last byte.
pub(super) fn of(batch: &[Rendered], body: &[u8]) -> String {
    use std::fmt::Write;

    let mut hash = Sha256::new();
    if let Some(first) = batch.first() {
        hash.update(first.id().to_string());
    }
    hash.update(format!(".{}.", batch.len()));
    hash.update(body);
    let mut name = String::from("msg_");
    for byte in hash.finalize() {
        // Writing to a string has no error.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::payload::tests::rendered;

    #[test]
    fn a_name_is_of_these_events_and_this_body() {
        let event = |n: u8| rendered(n, "{}");
        let name = of(&[event(1)], b"{}");
        assert_eq!(name, of(&[event(1)], b"{}"));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        assert!(name.len() == 68);
        for other in [
            of(&[event(2)], b"{}"),
            of(&[event(1), event(1)], b"{}"),
            of(&[event(1)], b"[]"),
        ] {
            assert_ne!(name, other);
        }
    }
}
