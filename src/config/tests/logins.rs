//! Proves the rules of logins that are more than a header: what they need, and that there is one.

use crate::settings::{Auth, AwsCredentials, AwsService, Kind, OAuth2, TokenStyle};

use super::*;

const TO: &str = "url = \"https://h.example.com/x\"";

fn http(lines: &str) -> String {
    destination(&format!("kind = \"http\"\n{TO}\n{lines}"))
}

fn elastic(lines: &str) -> String {
    destination(&format!(
        "kind = \"elasticsearch\"\nindex = \"i\"\n{TO}\n{lines}"
    ))
}

fn oauth2(keys: &str) -> String {
    let good = "client_id = \"relay\", client_secret_file = \"token\"";
    format!("oauth2 = {{ {good}, {keys} }}")
}

fn client(text: &str) -> OAuth2 {
    let auth = match accepted(text).destinations.remove(0).kind {
        Kind::Http(http) => http.auth,
        Kind::Elasticsearch(elastic) => elastic.auth,
        other => panic!("{other:?}"),
    };
    match auth {
        Auth::OAuth2(client) => client,
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_credentials_are_a_login_of_both_kinds() {
    let least = oauth2("token_url = \"https://login.example.com/t/token\"");
    for text in [http(&least), elastic(&least)] {
        let client = client(&text);
        assert_eq!(client.token_url, "https://login.example.com/t/token");
        assert_eq!(
            (&*client.client_id, client.style),
            ("relay", TokenStyle::Basic)
        );
        assert_eq!(
            (client.scope, client.audience, client.ca_file),
            (None, None, None)
        );
    }
    let most = "token_url = \"http://127.0.0.1:1/token\", scope = \"a b\", audience = \"c\", \
                style = \"body\", ca_file = \"ca.pem\"";
    let client = client(&http(&oauth2(most)));
    assert_eq!(
        (client.scope.as_deref(), client.audience.as_deref()),
        (Some("a b"), Some("c"))
    );
    assert!(client.style == TokenStyle::Body && client.ca_file.is_some());
}

#[test]
fn what_client_credentials_lack_is_said() {
    let url = "token_url = \"https://login.example.com/\"";
    for (keys, expected) in [
        (
            "client_id = \"a\", client_secret_file = \"token\"",
            "token_url: missing",
        ),
        (
            &*format!("{url}, client_secret_file = \"token\""),
            "client_id: missing",
        ),
        (
            &*format!("{url}, client_id = \"a\""),
            "client_secret_file: missing",
        ),
    ] {
        let text = http(&format!("oauth2 = {{ {keys} }}"));
        refused(&text, &format!("destinations.d.oauth2.{expected}"));
    }
    for (keys, expected) in [
        ("token_url = \"login\"", "token_url: begins with neither"),
        (
            "token_url = \"https://u:hunter2@h/\"",
            "token_url: has credentials",
        ),
        (
            "token_url = \"http://login.example.com/\"",
            "token_url: a secret would cross the network",
        ),
        (
            &*format!("{url}, style = \"jwt\""),
            "style: \"jwt\" is unknown",
        ),
        (
            &*format!("{url}, client_secret = \"hunter2\""),
            "client_secret: unknown key",
        ),
    ] {
        let text = http(&oauth2(keys));
        refused(&text, &format!("destinations.d.oauth2.{expected}"));
    }
    // What is meant for this machine goes to the proxy all the same.
    let here = oauth2("token_url = \"http://localhost:1/\"");
    accepted(&http(&here));
    let proxied = format!("{here}\nproxy_url = \"http://proxy.example.com:3128\"");
    let expected = "destinations.d.oauth2.token_url: a secret would cross the network";
    refused(&http(&proxied), expected);
}

#[test]
fn two_logins_are_one_problem() {
    let oauth2 = oauth2("token_url = \"https://login.example.com/\"");
    let others = [
        "bearer_token_file = \"token\"",
        "user = \"u\"\npassword_file = \"token\"",
        "header = \"X-Key\"",
    ];
    for other in others {
        let text = http(&format!("{oauth2}\n{other}"));
        refused(&text, "destinations.d: names more than one login");
    }
    let text = elastic(&format!("{oauth2}\napi_key_file = \"token\""));
    refused(&text, "destinations.d: names more than one login");
}

#[test]
fn signatures_stand_alone_or_beside_one_login() {
    let auth = |lines: &str| match accepted(&http(lines)).destinations.remove(0).kind {
        Kind::Http(http) => http.auth,
        other => panic!("{other:?}"),
    };
    let signing = "signing = { secret_file = \"lines\" }";
    for (lines, bearer) in [
        (signing.to_owned(), false),
        (
            format!("{signing}\nbearer_token_file = \"token\"\ngzip = false"),
            true,
        ),
    ] {
        let Auth::Signed { keys, beside } = auth(&lines) else {
            panic!("{lines}")
        };
        assert!(keys.place().to_string().ends_with("lines"));
        assert_eq!(matches!(*beside, Auth::Bearer(_)), bearer, "{beside:?}");
    }
    for (lines, expected) in [
        ("signing = {}", ".signing.secret_file: missing"),
        (
            "signing = { secret = \"whsec_a\" }",
            ".signing.secret_file: missing",
        ),
        (
            "signing = { secret_file = \"empty\" }",
            ".signing.secret_file: the secret is empty",
        ),
        (
            &*format!("{signing}\ngzip = true"),
            ".gzip: is set although requests are signed",
        ),
        (
            &*format!("{signing}\nheaders = {{ Webhook-Id = \"1\" }}"),
            ".headers.Webhook-Id: is a header that the relay sets when it signs",
        ),
        (
            &*format!("{signing}\nheader = \"Webhook-Signature\"\nvalue_file = \"token\""),
            ".header: names a header that the relay sets",
        ),
    ] {
        let found = problems(&http(lines));
        let expected = format!("config.toml: destinations.d{expected}");
        assert!(
            found.iter().any(|line| line.starts_with(&expected)),
            "{lines}: {found:#?}"
        );
    }
    let text = elastic(signing);
    assert!(
        problems(&text)
            .iter()
            .any(|line| line.contains("signing: unknown key"))
    );
}

#[test]
fn aws_keys_are_in_one_place() {
    let aws = |keys: &str| {
        let keys = format!("aws = {{ service = \"es\", region = \"eu-west-1\", {keys} }}");
        match accepted(&elastic(&keys)).destinations.remove(0).kind {
            Kind::Elasticsearch(elastic) => match elastic.auth {
                Auth::Aws(aws) => aws,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let plain = aws("credentials = \"chain\"");
    assert_eq!(
        (plain.service, &*plain.region),
        (AwsService::Es, "eu-west-1")
    );
    assert!(matches!(
        plain.credentials,
        AwsCredentials::Chain { profile: None }
    ));
    let profile = aws("profile = \"siem\"").credentials;
    assert!(matches!(profile, AwsCredentials::Chain { profile: Some(name) } if name == "siem"));
    let container = aws("credentials = \"container\"").credentials;
    assert!(matches!(container, AwsCredentials::Container));
    let instance = aws("credentials = \"instance\"").credentials;
    assert!(matches!(instance, AwsCredentials::Instance));
    let key = "access_key_id = \"AKIA\", secret_access_key_file = \"token\"";
    let stated = aws(&format!("{key}, session_token_file = \"token2\"")).credentials;
    let AwsCredentials::Stated {
        access_key_id,
        session_token: Some(_),
        ..
    } = stated
    else {
        panic!("{stated:?}")
    };
    assert_eq!(access_key_id, "AKIA");
    let good = "service = \"es\", region = \"eu-west-1\"";
    for (keys, expected) in [
        ("region = \"eu-west-1\"".to_owned(), ".aws.service: missing"),
        ("service = \"es\"".to_owned(), ".aws.region: missing"),
        (
            "service = \"es\", region = \"Ireland\"".to_owned(),
            ".aws.region: is not the name of a region",
        ),
        (
            "service = \"s3\", region = \"eu-west-1\"".to_owned(),
            ".aws.service: \"s3\" is unknown",
        ),
        (
            "service = \"aoss\", region = \"eu-west-1\"".to_owned(),
            ".flavour: does not go with aws.service",
        ),
        (
            format!("{good}, access_key_id = \"AKIA\""),
            ".aws.secret_access_key_file: missing beside",
        ),
        (
            format!("{good}, secret_access_key_file = \"token\""),
            ".aws.access_key_id: missing beside",
        ),
        (
            format!("{good}, {key}, profile = \"siem\""),
            ".aws.access_key_id: stands beside profile",
        ),
        (
            format!("{good}, credentials = \"instance\", profile = \"siem\""),
            ".aws.profile: stands beside another place",
        ),
    ] {
        let text = elastic(&format!("aws = {{ {keys} }}"));
        refused(&text, &format!("destinations.d{expected}"));
    }
    let two = format!("aws = {{ {good} }}\napi_key_file = \"token\"");
    refused(&elastic(&two), "destinations.d: names more than one login");
}
