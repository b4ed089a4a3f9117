//! Proves that ids carry their time and that record headers survive storing and growing.

use super::*;

fn provenance() -> Provenance {
    Provenance {
        source: "datatheorem".to_owned(),
        peer: Some("10.1.2.3:4567".parse().unwrap()),
        client: Some("2001:db8::7".parse().unwrap()),
        auth: AuthMethod::Bearer,
        secret_slot: Some(2),
        test: true,
        content_type: Some("application/json".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        headers: vec![("x-request-id".to_owned(), "a\u{e9}b".to_owned())],
    }
}

#[test]
fn an_id_carries_the_received_time() {
    for ms in [0, 1, 999, 1000, 1_763_900_000_123] {
        assert_eq!(EventId::new(ms).received_ms(), ms);
    }
    assert_ne!(EventId::new(5), EventId::new(5));
}

#[test]
fn a_numbered_id_is_always_the_same_and_like_any_other() {
    let id = EventId::numbered(1_795_444_925_123, 258);
    assert_eq!(id.to_string(), "01a208db-62c3-7000-8000-000000000102");
    assert_eq!(id.received_ms(), 1_795_444_925_123);
    assert_ne!(id, EventId::numbered(1_795_444_925_123, 257));
}

#[test]
fn a_header_is_read_back_as_it_was_stored() {
    let mut bytes = Vec::new();
    provenance().encode(&mut bytes);
    assert_eq!(Provenance::decode(&bytes).unwrap(), provenance());
}

#[test]
fn a_tag_of_a_later_version_is_skipped() {
    let mut bytes = vec![200, 3, 0, 1, 2, 3];
    provenance().encode(&mut bytes);
    assert_eq!(Provenance::decode(&bytes).unwrap(), provenance());
}

#[test]
fn a_cut_or_garbled_header_is_an_error_and_never_a_panic() {
    let mut bytes = Vec::new();
    provenance().encode(&mut bytes);
    for end in 0..bytes.len() {
        let _ = Provenance::decode(&bytes[..end]);
    }
    assert_eq!(Provenance::decode(&[]), Err(HeaderError::NoSource));
    assert_eq!(
        Provenance::decode(&[1, 9, 0, b'x']),
        Err(HeaderError::Truncated(1))
    );
    assert_eq!(
        Provenance::decode(&[4, 1, 0, 9]),
        Err(HeaderError::Malformed(4))
    );
}

#[test]
fn many_large_headers_never_make_a_record_header_that_cannot_be_stored() {
    let mut large = provenance();
    large.headers = (0..64)
        .map(|number| (format!("x-{number}"), "v".repeat(7000)))
        .collect();
    let mut bytes = Vec::new();
    large.encode(&mut bytes);
    assert!(bytes.len() <= usize::from(u16::MAX), "{}", bytes.len());
    let decoded = Provenance::decode(&bytes).unwrap();
    assert!(!decoded.headers.is_empty());
    assert!(large.headers.starts_with(&decoded.headers));
}
