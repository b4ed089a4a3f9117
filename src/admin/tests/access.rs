//! Proves who is answered: tokens off loopback, Host headers on it; and that the token is in no
//! output.

use super::*;

#[test]
fn off_loopback_the_status_needs_the_token() {
    let (_, admin) = admin(false, Some(token()));
    let bearer = format!("Bearer {TOKEN}");
    let ask = |pairs: &[(&str, &str)]| get(&admin, "/api/v1/status", pairs);
    let good = ask(&[("authorization", &bearer), ("host", "relay.example.com")]);
    assert_eq!(good.status(), StatusCode::OK);
    let lower = format!("bearer   {TOKEN}");
    assert_eq!(ask(&[("authorization", &lower)]).status(), StatusCode::OK);
    let digest = format!("Digest {TOKEN}");
    let longer = format!("{bearer}x");
    let other = bearer.to_ascii_uppercase();
    let bad = [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        &digest,
        &longer,
        &other,
        &bearer[..20],
    ];
    for value in bad {
        let response = ask(&[("authorization", value), ("host", "localhost")]);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{value}");
        assert!(header(&response, "www-authenticate").starts_with("Bearer "));
        let answer = format!("{:?} {:?}", response.headers().clone(), body(response));
        assert!(!answer.contains("horse"), "{answer}");
    }
    let both = ask(&[("authorization", &bearer), ("authorization", "Bearer x")]);
    assert_eq!(both.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        ask(&[("host", "localhost")]).status(),
        StatusCode::UNAUTHORIZED
    );
    let unknown = get(&admin, "/api/v1/nothing", &[]);
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn off_loopback_without_a_configured_token_the_status_is_closed_and_names_the_remedy() {
    let (_, admin) = admin(false, None);
    let response = get(&admin, "/api/v1/status", &[("authorization", "Bearer ")]);
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let error: Value = serde_json::from_slice(&body(response)).unwrap();
    assert_eq!(error["error"], "forbidden");
    assert!(
        error["detail"]
            .as_str()
            .unwrap()
            .contains("admin.read_token_file")
    );
}

#[test]
fn on_loopback_a_foreign_host_is_refused() {
    let (_, admin) = admin(true, Some(token()));
    let ask = |host| get(&admin, "/api/v1/status", &[("host", host)]).status();
    for host in [
        "localhost",
        "LOCALHOST:9600",
        "127.0.0.1",
        "127.0.0.1:9600",
        "127.1.2.3",
        "[::1]",
        "[::1]:9600",
    ] {
        assert_eq!(ask(host), StatusCode::OK, "{host}");
    }
    for host in [
        "",
        "evil.example.com",
        "evil.example.com:9600",
        "localhost.evil.example.com",
        "127.0.0.1.evil.example.com",
        "127.0.0.1:9600:1",
        "127.0.0.1:port",
        "127.0.0.1:",
        "user@localhost",
        "localhost@evil.example.com",
        "192.168.0.1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[::2]",
        "::1",
    ] {
        assert_eq!(ask(host), StatusCode::FORBIDDEN, "{host}");
    }
    let twice = [("host", "localhost"), ("host", "evil.example.com")];
    let twice = get(&admin, "/api/v1/status", &twice);
    assert_eq!(twice.status(), StatusCode::FORBIDDEN);
    let none = get(&admin, "/api/v1/status", &[]);
    let error: Value = serde_json::from_slice(&body(none)).unwrap();
    assert!(error["detail"].as_str().unwrap().contains("localhost"));
}

#[test]
fn the_drift_is_read_under_the_rules_of_the_status() {
    let (_, remote) = admin(false, Some(token()));
    let bearer = format!("Bearer {TOKEN}");
    let ask = |pairs: &[(&str, &str)]| get(&remote, "/api/v1/drift", pairs).status();
    assert_eq!(ask(&[("authorization", &bearer)]), StatusCode::OK);
    assert_eq!(ask(&[("host", "localhost")]), StatusCode::UNAUTHORIZED);
    let (_, local) = admin(true, None);
    let foreign = get(&local, "/api/v1/drift", &[("host", "evil.example.com")]);
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let good = get(&local, "/api/v1/drift", &[("host", "localhost")]);
    assert_eq!(header(&good, "content-type"), "application/json");
    assert_eq!(body(good), br#"{"findings":[]}"#[..]);
}

#[test]
fn off_loopback_the_write_token_admits_reads_too() {
    let (_, mut admin) = admin(false, None);
    admin.write_token = Some(secret("write-token", "another-horse-battery-staple"));
    for read_token in [None, Some(token())] {
        admin.read_token = read_token;
        let ask = |token: &str| {
            let bearer = format!("Bearer {token}");
            get(&admin, "/api/v1/status", &[("authorization", &bearer)]).status()
        };
        assert_eq!(ask("another-horse-battery-staple"), StatusCode::OK);
        assert_eq!(ask("another-horse-battery"), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn the_tokens_are_in_no_output_of_debug() {
    let (_, mut admin) = admin(false, Some(token()));
    admin.write_token = Some(secret("write-token", "another-horse-battery-staple"));
    let text = format!("{admin:?}");
    assert!(
        text.contains("read-token") && text.contains("write-token") && !text.contains("horse"),
        "{text}"
    );
}
