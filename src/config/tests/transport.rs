//! Proves the rules of TLS and proxies: what is refused, what is warned of, and that neither
//! repeats a credential.

use crate::settings::{Endpoint, TlsVersion};

use super::*;

fn http_to(url: &str, lines: &str) -> String {
    destination(&format!("kind = \"http\"\nurl = \"{url}\"\n{lines}"))
}

fn https(lines: &str) -> String {
    http_to("https://siem.example.com/x", lines)
}

fn endpoint(text: &str) -> (Endpoint, Vec<String>) {
    let (settings, warnings) = loaded(text);
    let endpoint = settings.destinations[0].kind.endpoint().unwrap().clone();
    (endpoint, warnings)
}

#[test]
fn every_key_arrives_and_none_is_needed() {
    let (plain, _) = endpoint(&https(""));
    assert!(plain.tls.client.is_none() && plain.proxy.is_none() && !plain.tls.skip_verify);
    assert_eq!(plain.tls.min_version, TlsVersion::V1_2);
    let (all, warnings) = endpoint(&https(
        "client_cert_file = \"c.pem\"\nclient_key_file = \"k.pem\"\ntls_min_version = \"1.3\"\n\
         proxy_url = \"http://[::1]:3128/\"\nproxy_user = \"u\"\nproxy_password_file = \"umlaut\"",
    ));
    assert_eq!(warnings, [""; 0]);
    let client = all.tls.client.unwrap();
    assert!(client.certificate_file.ends_with("c.pem") && client.key_file.ends_with("k.pem"));
    assert_eq!(all.tls.min_version, TlsVersion::V1_3);
    let proxy = all.proxy.unwrap();
    assert_eq!(proxy.url, "http://[::1]:3128");
    assert_eq!(proxy.login.unwrap().0, "u");
}

#[test]
fn a_client_certificate_is_two_files_that_can_be_read() {
    let key = "destinations.d.client_";
    for (lines, expected) in [
        (
            "client_cert_file = \"c.pem\"",
            "key_file: missing beside client_cert_file",
        ),
        (
            "client_key_file = \"k.pem\"",
            "cert_file: missing beside client_key_file",
        ),
        (
            "client_cert_file = \"c.pem\"\nclient_key_file = \"none\"",
            "key_file: the file cannot be read",
        ),
    ] {
        refused(&https(lines), &format!("{key}{expected}"));
    }
}

#[test]
fn a_certificate_that_is_not_checked_is_a_warning_and_no_use_beside_a_ca() {
    let unchecked = "insecure_skip_verify = true";
    let (endpoint, warnings) = endpoint(&https(unchecked));
    assert!(endpoint.tls.skip_verify);
    let key = "config.toml: destinations.d.insecure_skip_verify: ";
    assert!(
        warnings.len() == 1 && warnings[0].starts_with(key),
        "{warnings:?}"
    );
    assert!(warnings[0].contains("set ca_file"), "{warnings:?}");
    refused(
        &https(&format!("ca_file = \"ca.pem\"\n{unchecked}")),
        "destinations.d.insecure_skip_verify: stands beside ca_file",
    );
    accepted(&https("ca_file = \"ca.pem\"\ninsecure_skip_verify = false"));
}

#[test]
fn what_is_about_tls_is_refused_where_there_is_none() {
    for (key, line) in [
        ("insecure_skip_verify", "insecure_skip_verify = true"),
        ("tls_min_version", "tls_min_version = \"1.3\""),
        (
            "client_cert_file",
            "client_cert_file = \"c.pem\"\nclient_key_file = \"k.pem\"",
        ),
    ] {
        let found = problems(&http_to("http://127.0.0.1:1/x", line));
        let expected = format!("config.toml: destinations.d.{key}: means nothing, since url is");
        assert!(
            found.len() == 1 && found[0].starts_with(&expected),
            "{found:?}"
        );
    }
    refused(
        &https("tls_min_version = \"1.1\""),
        "destinations.d.tls_min_version: \"1.1\"",
    );
}

#[test]
fn a_proxy_is_host_and_port_and_its_login_stands_beside_it() {
    for (url, expected) in [
        (
            "http://u:hunter2@p:3128",
            "has credentials; remove them, and set proxy_user",
        ),
        ("https://u:hunter2@p:3128", "has credentials"),
        ("https://p:3128", "does not begin with http://"),
        ("socks5://p:3128", "does not begin with http://"),
        ("p:3128", "does not begin with http://"),
        ("http://p", "has no host or no port"),
        ("http://p:0", "has no host or no port"),
        ("http://:3128", "has no host or no port"),
        ("http://p:3128/x", "has more than host and port"),
        ("http://p:3128?hunter2", "has more than host and port"),
        ("http://p:3128#hunter2", "has more than host and port"),
        ("p p", "is not a URL"),
    ] {
        let text = https(&format!("proxy_url = \"{url}\""));
        refused(&text, &format!("destinations.d.proxy_url: {expected}"));
        assert!(!problems(&text)[0].contains("hunter2"));
    }
    let url = "proxy_url = \"http://p:3128\"";
    let (user, password) = ("proxy_user = \"u\"", "proxy_password_file = \"token\"");
    for (lines, expected) in [
        (
            format!("{user}\n{password}"),
            "url: missing beside a login for it",
        ),
        (
            format!("{url}\n{user}"),
            "password_file: missing beside proxy_user",
        ),
        (
            format!("{url}\n{password}"),
            "user: missing beside the password",
        ),
        (
            format!("{url}\nproxy_user = \"a:b\"\n{password}"),
            "user: has a colon",
        ),
    ] {
        refused(&https(&lines), &format!("destinations.d.proxy_{expected}"));
    }
}

#[test]
fn what_a_proxy_elsewhere_reads_counts_as_crossing_the_network() {
    let away = "proxy_url = \"http://p.example.com:3128\"";
    let token = "bearer_token_file = \"token\"";
    let here = http_to("http://127.0.0.1:1/x", &format!("{away}\n{token}"));
    refused(
        &here,
        "destinations.d.url: credentials would cross the network in plain HTTP",
    );
    let local = "proxy_url = \"http://127.0.0.1:3128\"";
    let (_, warnings) = endpoint(&http_to(
        "http://127.0.0.1:1/x",
        &format!("{local}\n{token}"),
    ));
    assert_eq!(warnings, [""; 0]);
    let beyond = http_to("http://siem.example.com/x", &format!("{local}\n{token}"));
    refused(
        &beyond,
        "destinations.d.url: credentials would cross the network in plain HTTP",
    );

    let login = "proxy_user = \"u\"\nproxy_password_file = \"token\"";
    let (_, warnings) = endpoint(&https(&format!("{away}\n{login}")));
    let expected = "config.toml: destinations.d.proxy_user: the proxy's user and password cross \
                    the network in plain HTTP";
    assert_eq!(warnings, [expected]);
}
