//! Proves the rules of the admin listener's tokens: long enough, well-formed, not the same.

use super::*;

#[test]
fn the_tokens_of_the_admin_listener_are_secrets_of_sixteen_bytes() {
    for name in ["read_token", "write_token"] {
        let section = |file: &str| beside_good(&format!("[admin]\n{name}_file = \"{file}\""));
        let admin = accepted(&section("sixteen")).admin;
        assert_eq!(admin.read_token.is_some(), name == "read_token");
        assert_eq!(admin.write_token.is_some(), name == "write_token");
        for (file, expected) in [
            ("short", "the secret is shorter than 16 bytes"),
            ("bearer", "the secret begins with \"Bearer \""),
            ("empty", "the secret is empty"),
        ] {
            let expected = format!("admin.{name}_file: {expected}");
            refused(&section(file), &expected);
        }
    }
}

#[test]
fn the_write_token_is_not_the_read_token() {
    let section = |write: &str| {
        let read = "read_token_file = \"token\"";
        beside_good(&format!("[admin]\n{read}\nwrite_token_file = \"{write}\""))
    };
    accepted(&section("token2"));
    let expected = "admin.write_token_file: the secret is the read token";
    refused(&section("same"), expected);
    let path = std::env::var(SET_VARIABLE).unwrap();
    assert!(path.len() >= 16, "{path}");
    let env = format!("read_token_env = \"{SET_VARIABLE}\"\nwrite_token_env = \"{SET_VARIABLE}\"");
    let expected = "admin.write_token_env: the secret is the read token";
    refused(&beside_good(&format!("[admin]\n{env}")), expected);
}
