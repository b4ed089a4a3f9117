//! How to log in at an HTTP destination: which keys make which login, and that there is at most
//! one.
//!
//! Whether a secret is what it should be inside (a key file, a signing key) is found where it is
//! used.

use crate::secret::Secret;
use crate::settings::{Auth, Aws, AwsCredentials, AwsService, Http, OAuth2, TokenStyle};

use super::endpoint::token_url;
use super::secrets::{self, Rule};
use super::source::{header, pair};
use super::table::Table;

/// What Standard Webhooks has a signed request carry.
pub(super) const SIGNING_HEADERS: [&str; 3] =
    ["webhook-id", "webhook-timestamp", "webhook-signature"];

/// Where AWS keys are that are not in the configuration.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Chain,
    Container,
    Instance,
}

/// A login that the table names, and what came of reading it.
struct Named {
    /// Its keys, for people.
    keys: &'static str,
    is_named: bool,
    auth: Option<Auth>,
}

/// Logins of `kind = "elasticsearch"`.
pub(super) fn elasticsearch(table: &Table<'_>) -> Option<Auth> {
    one(
        table,
        [
            api_key(table),
            bearer(table),
            basic(table),
            oauth2(table),
            aws(table),
        ],
    )
}

/// Logins of `kind = "http"`.
pub(super) fn http(table: &Table<'_>) -> Option<Auth> {
    let any_header = any_header(table);
    let logins = [bearer(table), basic(table), oauth2(table)];
    if any_header.is_named && !logins.iter().any(|login| login.is_named) {
        pair(table);
    }
    let [bearer, basic, oauth2] = logins;
    let auth = one(table, [bearer, basic, any_header, oauth2]);
    signed(table, auth)
}

/// The one login that is named; none if it is wrong, or there are several, which is reported.
fn one<const N: usize>(table: &Table<'_>, logins: [Named; N]) -> Option<Auth> {
    let keys = logins.each_ref().map(|login| login.keys);
    let mut named = logins.into_iter().filter(|login| login.is_named);
    match (named.next(), named.next()) {
        (None, _) => Some(Auth::None),
        (Some(login), None) => login.auth,
        (Some(_), Some(_)) => {
            let remedy = format!("keep one of {}", alternatives(&keys));
            table.problem("", "names more than one login", remedy);
            None
        }
    }
}

fn alternatives(keys: &[&str]) -> String {
    match keys {
        [before @ .., last] if !before.is_empty() => {
            format!("{}, or {last}", before.join(", "))
        }
        _ => keys.concat(),
    }
}

fn api_key(table: &Table<'_>) -> Named {
    Named {
        keys: "api_key_*",
        is_named: secrets::named(table, "api_key"),
        auth: secrets::one(table, "api_key", Rule::API_KEY).map(Auth::ApiKey),
    }
}

fn bearer(table: &Table<'_>) -> Named {
    Named {
        keys: "bearer_token_*",
        is_named: secrets::named(table, "bearer_token"),
        auth: secrets::one(table, "bearer_token", Rule::BEARER_OUT).map(Auth::Bearer),
    }
}

fn basic(table: &Table<'_>) -> Named {
    let pair = user_and_password(table);
    Named {
        keys: "user with password_*",
        is_named: table.has("user") || secrets::named(table, "password"),
        auth: pair.map(|(user, password)| Auth::Basic { user, password }),
    }
}

fn user_and_password(table: &Table<'_>) -> Option<(String, Secret)> {
    let user = table.string("user", None);
    let password = secrets::one(table, "password", Rule::PASSWORD);
    match (table.has("user"), secrets::named(table, "password")) {
        (true, false) => {
            let remedy = "set it to a file with the password, or set password_env";
            table.problem("password_file", "missing beside user", remedy);
        }
        (false, true) => {
            let what = "missing beside the password";
            table.problem("user", what, "name the user");
        }
        _ => {}
    }
    if user.as_deref().is_some_and(|user| user.contains(':')) {
        let what = "has a colon, which ends the name in basic authentication";
        table.problem("user", what, "use a user without one");
    }
    Some((user?, password?))
}

fn any_header(table: &Table<'_>) -> Named {
    let name = header(table, "header");
    let value = secrets::one(table, "value", Rule::HEADER_OUT);
    let header = name.zip(value);
    Named {
        keys: "header with value_*",
        is_named: table.has("header") || secrets::named(table, "value"),
        auth: header.map(|(name, value)| Auth::Header { name, value }),
    }
}

/// A login with signatures beside it, where the table asks for them.
fn signed(table: &Table<'_>, beside: Option<Auth>) -> Option<Auth> {
    if !table.has("signing") {
        return beside;
    }
    let keys = table.section("signing", |inner| {
        if !secrets::named(inner, "secret") {
            let remedy = "set it to a file with the signing keys, or set secret_env";
            inner.problem("secret_file", "missing", remedy);
        }
        secrets::one(inner, "secret", Rule::DOCUMENT)
    });
    Some(Auth::Signed {
        keys: keys?,
        beside: Box::new(beside?),
    })
}

/// Reports what cannot stand beside signatures, if there are any: compression, since receivers
/// differ in which bytes they check, and other headers of the same names.
pub(super) fn check_signed(table: &Table<'_>, http: &Http) {
    let Auth::Signed { beside, .. } = &http.auth else {
        return;
    };
    if http.endpoint.gzip {
        let what = "is set although requests are signed, and not every receiver checks the \
                    signature before it unpacks";
        table.problem("gzip", what, "remove it");
    }
    let is_taken = |name: &str| SIGNING_HEADERS.contains(&&*name.to_ascii_lowercase());
    if matches!(&**beside, Auth::Header { name, .. } if is_taken(name)) {
        let what = "names a header that the relay sets when it signs";
        let remedy = "name the one that the receiver wants besides";
        table.problem("header", what, remedy);
    }
}

fn oauth2(table: &Table<'_>) -> Named {
    let is_named = table.has("oauth2");
    let proxied = table.has("proxy_url");
    let read = || table.section("oauth2", |inner| client_credentials(inner, proxied));
    Named {
        keys: "oauth2",
        is_named,
        auth: is_named.then(read).flatten(),
    }
}

fn aws(table: &Table<'_>) -> Named {
    let is_named = table.has("aws");
    let read = || table.section("aws", signer);
    Named {
        keys: "aws",
        is_named,
        auth: is_named.then(read).flatten().map(Auth::Aws),
    }
}

/// AWS signatures. Reads every key before it gives up.
fn signer(table: &Table<'_>) -> Option<Aws> {
    let remedy = "set it to \"es\" (Amazon OpenSearch Service) or \"aoss\" (Serverless)";
    if !table.has("service") {
        table.problem("service", "missing", remedy);
    }
    let services = [("es", AwsService::Es), ("aoss", AwsService::Aoss)];
    let service = table.one_of("service", None, &services);
    let region = table.required("region", "write such as \"eu-west-1\"");
    let in_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_region = |name: &String| name.chars().all(in_region);
    let region = region.filter(|name| {
        if !is_region(name) {
            table.problem(
                "region",
                "is not the name of a region",
                "write such as \"eu-west-1\"",
            );
        }
        is_region(name)
    });
    let credentials = aws_credentials(table);
    Some(Aws {
        service: service?,
        region: region?,
        credentials: credentials?,
    })
}

/// Where the keys are. That they are there is found where they are used.
fn aws_credentials(table: &Table<'_>) -> Option<AwsCredentials> {
    let access_key_id = table.string("access_key_id", None);
    let secret_access_key = secrets::one(table, "secret_access_key", Rule::PASSWORD);
    let session_token = secrets::one(table, "session_token", Rule::HEADER_OUT);
    let profile = table.string("profile", None);
    let places = [
        ("chain", Place::Chain),
        ("container", Place::Container),
        ("instance", Place::Instance),
    ];
    let place = table.one_of("credentials", Some("chain"), &places);
    if table.has("profile") && place != Some(Place::Chain) {
        let what = "stands beside another place of keys";
        table.problem("profile", what, "keep one of them");
    }
    let place = match place? {
        Place::Chain => AwsCredentials::Chain { profile },
        Place::Container => AwsCredentials::Container,
        Place::Instance => AwsCredentials::Instance,
    };
    let has_secret = secrets::named(table, "secret_access_key");
    let has_token = secrets::named(table, "session_token");
    if !table.has("access_key_id") && !has_secret && !has_token {
        return Some(place);
    }
    if table.has("profile") || table.has("credentials") {
        let what = "stands beside profile or credentials";
        table.problem("access_key_id", what, "keep one place of keys");
    }
    if !table.has("access_key_id") {
        table.problem("access_key_id", "missing beside the key", "name the key");
    }
    if !has_secret {
        let remedy = "set it to a file with the key, or set secret_access_key_env";
        table.problem(
            "secret_access_key_file",
            "missing beside access_key_id",
            remedy,
        );
    }
    Some(AwsCredentials::Stated {
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        session_token,
    })
}

/// OAuth 2 client credentials. Reads every key before it gives up.
fn client_credentials(table: &Table<'_>, proxied: bool) -> Option<Auth> {
    let token_url = token_url(table, "token_url", proxied);
    let client_id = table.required(
        "client_id",
        "write the name that the server knows the relay by",
    );
    let client_secret = secrets::one(table, "client_secret", Rule::PASSWORD);
    if !secrets::named(table, "client_secret") {
        let remedy = "set it to a file with the secret, or set client_secret_env";
        table.problem("client_secret_file", "missing", remedy);
    }
    let scope = table.string("scope", None);
    let audience = table.string("audience", None);
    let styles = [("basic", TokenStyle::Basic), ("body", TokenStyle::Body)];
    let style = table.one_of("style", Some("basic"), &styles);
    let ca_file = table.readable("ca_file");
    Some(Auth::OAuth2(OAuth2 {
        token_url: token_url?,
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
        audience,
        style: style.unwrap_or(TokenStyle::Basic),
        ca_file,
    }))
}
