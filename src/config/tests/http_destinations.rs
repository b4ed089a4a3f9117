//! Proves the rules of Elasticsearch and HTTP destinations: URLs, logins, names.

use crate::settings::{
    Auth, BulkTarget, ElasticFlavour, Elasticsearch, Framing, Http, Kind, NamePart,
};

use super::*;

pub(super) fn elastic(lines: &str) -> String {
    let url = "url = \"https://es.example.com:9200\"";
    destination(&format!("kind = \"elasticsearch\"\n{url}\n{lines}"))
}

pub(super) fn http(lines: &str) -> String {
    destination(&format!("kind = \"http\"\n{lines}"))
}

fn http_to(url: &str) -> String {
    http(&format!("url = \"{url}\""))
}

pub(super) fn loaded_elastic(text: &str) -> Elasticsearch {
    match accepted(text).destinations.remove(0).kind {
        Kind::Elasticsearch(elastic) => elastic,
        other => panic!("{other:?}"),
    }
}

pub(super) fn loaded_http(text: &str) -> Http {
    match accepted(text).destinations.remove(0).kind {
        Kind::Http(http) => *http,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_url_is_whole_and_without_credentials() {
    for (url, expected) in [
        (
            "splunk.example.com",
            "begins with neither https:// nor http://",
        ),
        ("ftp://h/x", "begins with neither https:// nor http://"),
        ("https://", "is not a URL"),
        ("https://h h/", "is not a URL"),
        ("https://:443/", "has no host, or a port that is none"),
        ("https://h:99999/", "has no host, or a port that is none"),
        ("https://h:/", "has no host, or a port that is none"),
        ("https://u:hunter2@h/", "has credentials"),
        ("https://h/x#hunter2", "has a fragment"),
        (
            "https://h/x?token=hunter2",
            "has a query parameter that sounds like a secret",
        ),
        (
            "https://h/x?a=1&API_KEY=hunter2",
            "has a query parameter that sounds like a secret",
        ),
    ] {
        refused(&http_to(url), &format!("destinations.d.url: {expected}"));
    }
    refused(&http(""), "destinations.d.url: missing");
    let url = "https://h.example.com:8443/path/?dataset=a";
    assert_eq!(loaded_http(&http_to(url)).endpoint.url, url);
}

#[test]
fn credentials_do_not_cross_the_network_in_plain_http() {
    let with = |host: &str, lines: &str| http(&format!("url = \"http://{host}/x\"\n{lines}"));
    let token = "bearer_token_file = \"token\"";
    for host in ["localhost:1", "127.0.0.1:1", "127.9.9.9", "[::1]:1"] {
        let (_, warnings) = loaded(&with(host, token));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for host in ["soar.example.com", "10.0.0.1", "localhost.example.com"] {
        let expected = "destinations.d.url: credentials would cross the network in plain HTTP";
        refused(&with(host, token), expected);
        let allowed = format!("{token}\nallow_plaintext = true");
        for (lines, what) in [("", "events"), (&allowed, "credentials and events")] {
            let (_, warnings) = loaded(&with(host, lines));
            let expected = "cross the network in plain HTTP";
            assert_eq!(
                warnings,
                [format!(
                    "config.toml: destinations.d.url: {what} {expected}"
                )]
            );
        }
    }
}

#[test]
fn every_login_of_elasticsearch_is_understood() {
    let auth = |lines: &str| loaded_elastic(&elastic(&format!("index = \"i\"\n{lines}"))).auth;
    assert!(matches!(auth(""), Auth::None));
    assert!(matches!(auth("api_key_file = \"token\""), Auth::ApiKey(_)));
    assert!(matches!(
        auth("bearer_token_file = \"token\""),
        Auth::Bearer(_)
    ));
    let basic = auth("user = \"u\"\npassword_file = \"umlaut\"");
    assert!(matches!(basic, Auth::Basic { user, .. } if user == "u"));
    let wrong = |lines: &str, expected: &str| {
        let text = elastic(&format!("index = \"i\"\n{lines}"));
        refused(&text, &format!("destinations.d{expected}"));
    };
    wrong("user = \"u\"", ".password_file: missing beside user");
    wrong(
        "password_file = \"token\"",
        ".user: missing beside the password",
    );
    wrong(
        "user = \"a:b\"\npassword_file = \"token\"",
        ".user: has a colon",
    );
    wrong(
        "api_key_file = \"apikey\"",
        ".api_key_file: the secret begins with \"ApiKey \"",
    );
    wrong(
        "bearer_token_file = \"bearer\"",
        ".bearer_token_file: the secret begins with",
    );
    let two = "api_key_file = \"token\"\nuser = \"u\"\npassword_file = \"token\"";
    wrong(two, ": names more than one login");
}

#[test]
fn elasticsearch_writes_to_an_index_or_a_data_stream() {
    refused(&elastic(""), "destinations.d.data_stream: missing");
    let both = "index = \"i\"\ndata_stream = \"logs-a-b\"";
    refused(
        &elastic(both),
        "destinations.d.index: stands beside data_stream",
    );
    let longest = "a".repeat(255);
    for good in ["i", "app.sec-2_x", "a+b", longest.as_str()] {
        assert_eq!(
            loaded_elastic(&elastic(&format!("index = \"{good}\""))).target,
            BulkTarget::Index(vec![NamePart::Text(good.to_owned())])
        );
    }
    let longer = "a".repeat(256);
    let names = [
        "A",
        "-a",
        "_a",
        "+a",
        ".",
        "..",
        "a b",
        "a/b",
        "a*",
        "a?",
        "a<b",
        "a>b",
        "a|b",
        "a,b",
        "a#b",
        "a:b",
        "a\\\\b",
        "a\\\"b",
        longer.as_str(),
    ];
    for bad in names {
        let text = elastic(&format!("index = \"{bad}\""));
        refused(&text, "destinations.d.index: is not the name of an index");
    }
}

#[test]
fn an_index_can_have_a_date_which_is_checked_at_load() {
    let index = |name: &str| elastic(&format!("index = \"{name}\""));
    let text = |text: &str| NamePart::Text(text.to_owned());
    let month = vec![text("f-"), NamePart::Year, text("."), NamePart::Month];
    let dense = vec![NamePart::Year, NamePart::Month, NamePart::Day, text("-x")];
    for (name, parts) in [
        ("f-{yyyy.MM}", month),
        ("{yyyyMMdd}-x", dense),
        ("f{yyyy}", vec![text("f"), NamePart::Year]),
    ] {
        let target = loaded_elastic(&index(name)).target;
        assert_eq!(target, BulkTarget::Index(parts), "{name}");
    }
    for bad in [
        "f-{}",
        "f-{MM}",
        "f-{yyyy.dd}",
        "f-{yyyy.MM.}",
        "f-{yyyy..MM}",
        "f-{YYYY.MM}",
        "f-{yyyy.MM.dd.HH}",
        "f-{.yyyy}",
        "f-{yyyy/MM}",
    ] {
        let expected = "destinations.d.index: has a date that cannot be read";
        refused(&index(bad), expected);
    }
    // The name is judged as it will be.
    let longest = "a".repeat(248);
    assert_eq!(problems(&index(&format!("{longest}{{yyyy.MM}}"))), [""; 0]);
    let expected = "destinations.d.index: is not the name of an index";
    refused(&index(&format!("a{longest}{{yyyy.MM}}")), expected);
    refused(&index("-{yyyy}"), expected);
}

#[test]
fn the_keys_of_elasticsearch_are_understood_together() {
    let plain = loaded_elastic(&elastic("index = \"i\""));
    assert_eq!((plain.flavour, plain.ids), (ElasticFlavour::Auto, true));
    assert!(!plain.require_alias && plain.collapse_resends.is_empty());
    let lines = "index = \"i\"\nflavour = \"opensearch_serverless\"\nids = false";
    let other = loaded_elastic(&elastic(lines));
    let flavour = ElasticFlavour::OpenSearchServerless;
    assert_eq!((other.flavour, other.ids), (flavour, false));
    let lines = "index = \"i\"\nrequire_alias = true\ncollapse_resends = [\"a\"]";
    let other = loaded_elastic(&elastic(lines));
    assert!(other.require_alias);
    assert_eq!(other.collapse_resends, ["a"]);
    let wrong = |lines: &str, expected: &str| {
        refused(&elastic(lines), &format!("destinations.d.{expected}"));
    };
    let both = "data_stream = \"logs-a-b\"\nrequire_alias = true";
    wrong(
        both,
        "require_alias: is set although the target is a data stream",
    );
    let unknown = "index = \"i\"\ncollapse_resends = [\"b\"]";
    wrong(unknown, "collapse_resends: there is no source \"b\"");
    let blind = "index = \"i\"\nids = false\ncollapse_resends = [\"a\"]";
    wrong(blind, "collapse_resends: is set although ids = false");
    wrong(
        "index = \"i\"\nflavour = \"es\"",
        "flavour: \"es\" is unknown",
    );
}

#[test]
fn elasticsearch_has_one_address_or_several() {
    let nodes = "kind = \"elasticsearch\"\nindex = \"i\"\n\
        urls = [\"https://a:9200\", \"https://b:9200\"]";
    let loaded = loaded_elastic(&destination(nodes));
    let urls: Vec<_> = loaded.endpoints.iter().map(|one| &*one.url).collect();
    assert_eq!(urls, ["https://a:9200", "https://b:9200"]);
    let both = format!("{nodes}\nurl = \"https://c\"");
    refused(
        &destination(&both),
        "destinations.d.urls: stands beside url",
    );
}

#[test]
fn a_data_stream_has_type_dataset_and_namespace() {
    let stream = |name: &str| elastic(&format!("data_stream = \"{name}\""));
    let good = "logs-datatheorem.webhook-default";
    let target = BulkTarget::DataStream(good.to_owned());
    assert_eq!(loaded_elastic(&stream(good)).target, target);
    let part = "a".repeat(101);
    for bad in [
        "logs",
        "logs-a",
        "logs--b",
        "logs-a-",
        "logs-a-b-c",
        "Logs-a-b",
    ] {
        refused(
            &stream(bad),
            "destinations.d.data_stream: is not the name of a data stream",
        );
    }
    let long = format!("logs-{part}-b");
    refused(
        &stream(&long),
        "destinations.d.data_stream: is not the name of a data stream",
    );
}

#[test]
fn every_login_of_http_is_understood() {
    let with = |lines: &str| http(&format!("url = \"https://h/x\"\n{lines}"));
    let auth = |lines: &str| loaded_http(&with(lines)).auth;
    assert!(matches!(auth(""), Auth::None));
    assert!(matches!(
        auth("bearer_token_file = \"token\""),
        Auth::Bearer(_)
    ));
    assert!(matches!(
        auth("user = \"u\"\npassword_file = \"token\""),
        Auth::Basic { .. }
    ));
    let header = auth("header = \"DD-API-KEY\"\nvalue_file = \"short\"");
    assert!(matches!(header, Auth::Header { name, .. } if name == "dd-api-key"));
    for (lines, expected) in [
        (
            "header = \"X-Key\"",
            ".header: stands without value_file or value_env",
        ),
        (
            "value_file = \"token\"",
            ".header: missing beside value_file or value_env",
        ),
        (
            "header = \"Host\"\nvalue_file = \"token\"",
            ".header: is a header that HTTP itself",
        ),
        (
            "header = \"X-Key\"\nvalue_file = \"umlaut\"",
            ".value_file: the secret has characters",
        ),
        (
            "bearer_token_file = \"token\"\nheader = \"X-Key\"",
            ": names more than one login",
        ),
    ] {
        refused(&with(lines), &format!("destinations.d{expected}"));
    }
}

#[test]
fn framing_and_envelope_are_chosen() {
    let with = |lines: &str| http(&format!("url = \"https://h/x\"\n{lines}"));
    let plain = loaded_http(&with(""));
    assert_eq!(
        (plain.framing, plain.envelope, plain.endpoint.gzip),
        (Framing::Array, false, false)
    );
    let single = with("framing = \"single\"\nenvelope = true");
    assert_eq!(accepted(&single).destinations[0].batch.max_events, 1);
    let single = loaded_http(&single);
    assert_eq!((single.framing, single.envelope), (Framing::Single, true));
    assert_eq!(
        loaded_http(&with("framing = \"ndjson\"")).framing,
        Framing::Ndjson
    );
    refused(
        &with("framing = \"xml\""),
        "destinations.d.framing: \"xml\" is unknown",
    );
}

#[test]
fn constant_headers_carry_no_credentials() {
    let with = |headers: &str| http(&format!("url = \"https://h/x\"\nheaders = {{ {headers} }}"));
    let headers = loaded_http(&with("X-Tenant = \"a\", x-env = \"b\"")).headers;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers, [pair("x-tenant", "a"), pair("x-env", "b")]);
    for (headers, expected) in [
        (
            "Authorization = \"hunter2\"",
            "Authorization: sounds like a credential",
        ),
        (
            "X-Api-Key = \"hunter2\"",
            "X-Api-Key: sounds like a credential",
        ),
        (
            "X-Auth-Token = \"hunter2\"",
            "X-Auth-Token: sounds like a credential",
        ),
        (
            "Content-Length = \"1\"",
            "Content-Length: is a header that the relay or HTTP itself",
        ),
        ("\"a b\" = \"c\"", "a b: is not the name of a header"),
        ("a = \"b\", A = \"c\"", "a: is there twice"),
        ("a = 1", "a: must be a string, is a number"),
    ] {
        refused(
            &with(headers),
            &format!("destinations.d.headers.{expected}"),
        );
    }
}
