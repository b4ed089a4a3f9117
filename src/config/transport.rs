//! How an HTTP destination is reached: TLS beyond the authorities, and the proxy.
//!
//! Knows whether keys fit together; whether certificate and key do is found where they are used.
//! No message repeats a URL: credentials are easily pasted into one.

use http::Uri;

use crate::settings::{ClientCertificate, EndpointTls, Proxy, TlsVersion};

use super::secrets::{self, Rule};
use super::table::Table;

/// Keys that mean nothing where `url` is plain HTTP. Whoever sets one counts on TLS.
const ONLY_WITH_TLS: [&str; 3] = [
    "client_cert_file",
    "tls_min_version",
    "insecure_skip_verify",
];
/// How a proxy is written.
const PROXY_EXAMPLE: &str = "write such as \"http://proxy.example.com:3128\"";

/// What an endpoint says of TLS. `plain` tells that its URL is known to be `http://`.
pub(super) fn tls(table: &Table<'_>, plain: bool) -> EndpointTls {
    let client = client_certificate(table);
    let versions = [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
    let min_version = table.one_of("tls_min_version", Some("1.2"), &versions);
    let skip_verify = table.flag("insecure_skip_verify", false);
    for key in ONLY_WITH_TLS.into_iter().filter(|key| table.has(key)) {
        if plain {
            let what = "means nothing, since url is plain HTTP";
            table.problem(key, what, "use an https url, or remove it");
        }
    }
    if skip_verify && table.has("ca_file") {
        let what = "stands beside ca_file, of which nothing would be left";
        let remedy = "remove it, so that only certificates of ca_file are accepted";
        table.problem("insecure_skip_verify", what, remedy);
    } else if skip_verify {
        table.warning(
            "insecure_skip_verify",
            "the server's certificate is not checked, so that whoever gets between reads \
             credentials and events; set ca_file to the CA of its certificate instead",
        );
    }
    EndpointTls {
        client,
        min_version: min_version.unwrap_or_default(),
        skip_verify,
    }
}

/// The proxy; none if none is named, or it cannot be used, which is then reported.
pub(super) fn proxy(table: &Table<'_>) -> Option<Proxy> {
    let url = table.string("proxy_url", None);
    let user = table.string("proxy_user", None);
    let password = secrets::one(table, "proxy_password", Rule::PASSWORD);
    let has_password = secrets::named(table, "proxy_password");
    let has_login = table.has("proxy_user") || has_password;
    if has_login && !table.has("proxy_url") {
        table.problem("proxy_url", "missing beside a login for it", PROXY_EXAMPLE);
    }
    if table.has("proxy_user") && !has_password {
        let remedy = "set it to a file with the password, or set proxy_password_env";
        table.problem("proxy_password_file", "missing beside proxy_user", remedy);
    }
    if has_password && !table.has("proxy_user") {
        table.problem("proxy_user", "missing beside the password", "name the user");
    }
    if user.as_deref().is_some_and(|user| user.contains(':')) {
        let what = "has a colon, which ends the name in basic authentication";
        table.problem("proxy_user", what, "use a user without one");
    }
    let url = url?;
    let uri = match checked(&url) {
        Ok(uri) => uri,
        Err((what, remedy)) => {
            table.problem("proxy_url", what, remedy);
            return None;
        }
    };
    if has_login && !uri.host().is_some_and(super::endpoint::is_local) {
        let text = "the proxy's user and password cross the network in plain HTTP";
        table.warning("proxy_user", text);
    }
    Some(Proxy {
        url: url.trim_end_matches('/').to_owned(),
        login: user.zip(password),
    })
}

/// Whether what is sent to the proxy stays on this machine.
pub(super) fn is_local(proxy: &Proxy) -> bool {
    let uri: Option<Uri> = proxy.url.parse().ok();
    uri.is_some_and(|uri| uri.host().is_some_and(super::endpoint::is_local))
}

fn client_certificate(table: &Table<'_>) -> Option<ClientCertificate> {
    let certificate_file = table.readable("client_cert_file");
    let key_file = table.readable("client_key_file");
    for (present, missing) in [
        ("client_cert_file", "client_key_file"),
        ("client_key_file", "client_cert_file"),
    ] {
        if table.has(present) && !table.has(missing) {
            let what = format!("missing beside {present}");
            table.problem(missing, what, "set both or neither");
        }
    }
    Some(ClientCertificate {
        certificate_file: certificate_file?,
        key_file: key_file?,
    })
}

fn checked(url: &str) -> Result<Uri, (&'static str, &'static str)> {
    let uri: Uri = url.parse().map_err(|_| ("is not a URL", PROXY_EXAMPLE))?;
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        let remedy = "remove them, and set proxy_user and proxy_password_file";
        return Err(("has credentials", remedy));
    }
    if uri.scheme_str() != Some("http") {
        return Err(("does not begin with http://", PROXY_EXAMPLE));
    }
    if uri.port_u16().is_none_or(|port| port == 0) || uri.host().is_none_or(str::is_empty) {
        return Err(("has no host or no port", PROXY_EXAMPLE));
    }
    // The parser drops a fragment without a word.
    if uri.path() != "/" || uri.query().is_some() || url.contains('#') {
        return Err(("has more than host and port", PROXY_EXAMPLE));
    }
    Ok(uri)
}
