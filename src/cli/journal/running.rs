//! Commands through the running relay, which has the journal's lock: one POST to its admin
//! listener, with the write token of the configuration.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::{
    CONFIG_INVALID, Failure, RUNTIME_FAILED, USAGE_WRONG, from_here, small_runtime,
};
use super::JOURNAL_UNUSABLE;
use crate::journal::OpenError;
use crate::settings::Settings;
use crate::sink::client::{Login, post_once};

/// How the admin listener says what is wrong.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    detail: String,
}

/// Posts to `/api/v1/PATH` and returns what is answered. `in_use` says who cannot be
/// passed by, for when nobody answers.
pub(in crate::cli) fn command<T: DeserializeOwned>(
    settings: &Settings,
    path: &str,
    body: &Value,
    in_use: &OpenError,
) -> Result<T, Failure> {
    let admin = &settings.admin;
    let unusable = |next_step: &str| {
        let text = format!("{in_use}; if that is the running relay, {next_step}");
        Failure::new(JOURNAL_UNUSABLE, text)
    };
    let Some(token) = admin.write_token.clone() else {
        return Err(unusable(
            "set admin.write_token_file or admin.write_token_env and restart it, so that it takes \
             this command, or stop it and run the command again",
        ));
    };
    if admin.listen.port() == 0 {
        return Err(unusable(
            "name the port that it has chosen in SIEM_RELAY_ADMIN__LISTEN",
        ));
    }
    let address = from_here(admin.listen);
    let url = format!("http://{address}/api/v1/{path}");
    let login = Login::Scheme("Bearer", token);
    let answer = small_runtime()?
        .block_on(post_once(&url, &login, None, Bytes::from(body.to_string())))
        .map_err(|error| {
            unusable(&format!(
                "it gives no answer at {address}: {error}; look whether admin.listen is its \
                 address. A command that takes long is carried out all the same, and is in the \
                 relay's log once it is done"
            ))
        })?;
    if answer.is_success() {
        return serde_json::from_slice(&answer.body).map_err(|error| {
            let text = format!("the answer of {address} is not understood: {error}");
            Failure::new(RUNTIME_FAILED, text)
        });
    }
    let code = match answer.status {
        401 | 403 => CONFIG_INVALID,
        404 | 409 => USAGE_WRONG,
        500 => JOURNAL_UNUSABLE,
        _ => RUNTIME_FAILED,
    };
    let text = match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(Refusal { error, detail }) => format!("{error}: {detail}"),
        // No relay, or one that knows no commands.
        Err(_) => answer.quote_body(),
    };
    let status = answer.status;
    Err(Failure::new(
        code,
        format!("the relay at {address} refused: {status} {text}"),
    ))
}
