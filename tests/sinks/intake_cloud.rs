//! Proves what Microsoft Sentinel and Google SecOps are sent, byte by byte.

use siem_relay::settings::{
    Auth, GoogleSecops, IntakePreset, OAuth2, SecopsApi, Sentinel, SentinelColumn, TokenStyle,
};

use crate::fake_http::{FakeHttp, Reply};
use crate::intake_requests::{check, sent, timed};
use crate::setup::*;

#[tokio::test]
async fn sentinel() {
    let issuer = FakeHttp::start(|_| {
        let token = r#"{"access_token":"tok","token_type":"Bearer","expires_in":3599}"#;
        Reply::status(200, token)
    })
    .await;
    let secret = Token::new();
    let auth = Auth::OAuth2(OAuth2 {
        token_url: format!("{}/tenant/oauth2/v2.0/token", issuer.url()),
        client_id: "relay".to_owned(),
        client_secret: secret.secret.clone(),
        scope: Some("https://monitor.azure.com/.default".to_owned()),
        audience: None,
        style: TokenStyle::Body,
        ca_file: None,
    });
    for (column, first, second) in [
        (
            SentinelColumn::RawData,
            r#""RawData":"{\"a\":\n\"\\u0007 é\"}""#,
            r#""RawData":"[2]""#,
        ),
        (
            SentinelColumn::Event,
            "\"Event\":{\"a\":NL\"\\u0007 \u{e9}\"}",
            r#""Event":[2]"#,
        ),
    ] {
        let preset = IntakePreset::Sentinel(Sentinel {
            rule_id: "dcr-000a00a000a00000a000000aa000a0aa".to_owned(),
            stream: "Custom-SiemRelay_CL".to_owned(),
            column,
        });
        let (received, ms) = sent(204, "/", auth.clone(), preset).await;
        let body = timed(
            r#"[{"TimeGenerated":"<RECEIVED>","EventId":"<ID1>","ReceivedTime":"<RECEIVED>",
"Source":"acme",<1>},{"TimeGenerated":"<VENDOR>","EventId":"<ID2>","ReceivedTime":"<RECEIVED>",
"Source":"acme",<2>}]"#,
            ms,
        );
        let body = body
            .replace('\n', "")
            .replace("<1>", first)
            .replace("<2>", second);
        let headers = [
            ("authorization", "Bearer tok"),
            ("content-type", "application/json"),
        ];
        let path = "/dataCollectionRules/dcr-000a00a000a00000a000000aa000a0aa/streams/\
                    Custom-SiemRelay_CL?api-version=2023-01-01";
        check(&received[0], path, &headers, &body.replace("NL", "\n"));
    }
    let asked = issuer.received()[0].text();
    assert!(
        asked.contains("scope=https%3A%2F%2Fmonitor.azure.com%2F.default"),
        "{asked}"
    );
}

#[tokio::test]
async fn google_secops_import_and_legacy() {
    let token = Token::new();
    let auth = Auth::Bearer(token.secret.clone());
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let preset = |api| {
        IntakePreset::GoogleSecops(GoogleSecops {
            log_type: "ACME_CUSTOM".to_owned(),
            instance: "c0ffee-1".to_owned(),
            api,
        })
    };
    let import = SecopsApi::Import {
        version: "v1beta".to_owned(),
        project: "acme-1".to_owned(),
        region: "eu".to_owned(),
        forwarder: Some("f00d".to_owned()),
    };
    let (received, ms) = sent(200, "", auth.clone(), preset(import)).await;
    let body = timed(
        r#"{"inlineSource":{"logs":[{"data":"eyJhIjoKIlx1MDAwNyDDqSJ9",
"logEntryTime":"<RECEIVED>","collectionTime":"<LATER>","labels":{
"siem_relay_id":{"value":"<ID1>"},"siem_relay_received":{"value":"<RECEIVED>"},
"siem_relay_source":{"value":"acme"}}},{"data":"WzJd","logEntryTime":"<VENDOR>",
"collectionTime":"<RECEIVED>","labels":{"siem_relay_id":{"value":"<ID2>"},
"siem_relay_received":{"value":"<RECEIVED>"},"siem_relay_source":{"value":"acme"}}}],
"forwarder":"projects/acme-1/locations/eu/instances/c0ffee-1/forwarders/f00d"}}"#,
        ms,
    );
    let body = body
        .replace("<LATER>", &timed("<RECEIVED>", ms + 1))
        .replace('\n', "");
    let path = "/v1beta/projects/acme-1/locations/eu/instances/c0ffee-1/logTypes/ACME_CUSTOM/\
                logs:import";
    check(&received[0], path, &headers, &body);

    let (received, ms) = sent(200, "", auth, preset(SecopsApi::Legacy)).await;
    let body = timed(
        r#"{"customer_id":"c0ffee-1","log_type":"ACME_CUSTOM","entries":[{"log_text":
"{\"id\":\"<ID1>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",
\"event\":{\"a\":\n\"\\u0007 é\"}}","ts_rfc3339":"<RECEIVED>"},{"log_text":
"{\"id\":\"<ID2>\",\"received\":\"<RECEIVED>\",\"source\":\"acme\",
\"event\":[2]}","ts_rfc3339":"<VENDOR>"}]}"#,
        ms,
    );
    let path = "/v2/unstructuredlogentries:batchCreate";
    check(&received[0], path, &headers, &body.replace('\n', ""));
}
