//! Proves that settings can be printed without giving a capability away.

use super::*;

#[test]
fn an_endpoint_prints_where_it_leads_and_not_its_path_or_query() {
    for (url, printed) in [
        (
            "https://siem.example.com:8088/v1/ZaVnC4?sig=s3cret",
            "https://siem.example.com:8088",
        ),
        ("http://[::1]/ZaVnC4#s3cret", "http://[::1]"),
        ("not a url: s3cret", "***"),
    ] {
        let endpoint = Endpoint {
            url: url.to_owned(),
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(1),
            ca_file: None,
            tls: Default::default(),
            proxy: None,
            gzip: false,
        };
        let text = format!("{endpoint:?}");
        assert!(text.contains(printed), "{text}");
        assert!(
            !text.contains("ZaVnC4") && !text.contains("s3cret"),
            "{text}"
        );
    }
}
