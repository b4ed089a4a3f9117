//! Asking about acknowledgement ids: the question, and what an answer says. Pure.
//!
//! `true` is said once. `false` means not yet, lost, said before, or another indexer, and so
//! nothing: time decides. Only an answer that is about the channel itself gives it up.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sink::client::Answer;

/// Ids in one question.
pub(super) const IDS_MAX: usize = 1000;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These ids are indexed; of the others nothing is known.
    Indexed(Vec<u64>),
    /// The channel's ids mean nothing any more.
    Gone,
    /// Nothing, and neither will it to the next question.
    Nothing,
}

#[derive(Deserialize)]
struct Acks {
    acks: Map<String, Value>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
}

/// `{"acks":[0,1]}`.
pub(super) fn question(ids: &[u64]) -> Bytes {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{{\"acks\":[{}]}}", ids.join(",")).into()
}

/// Reads an answer to the question about `ids`. Ids that were not asked about do not count.
pub(super) fn judge(answer: &Answer, ids: &[u64]) -> Said {
    if answer.cut {
        return Said::Nothing;
    }
    match answer.status {
        200..300 => match serde_json::from_slice::<Acks>(&answer.body) {
            Ok(Acks { acks }) => {
                let indexed = |id: &&u64| acks.get(&id.to_string()) == Some(&Value::Bool(true));
                Said::Indexed(ids.iter().filter(indexed).copied().collect())
            }
            Err(_) => Said::Nothing,
        },
        400 => match serde_json::from_slice::<Refusal>(&answer.body) {
            // The channel is missing or invalid, or acknowledgement is off for the token.
            Ok(Refusal {
                code: 10 | 11 | 14 | 28,
            }) => Said::Gone,
            _ => Said::Nothing,
        },
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::status::tests::answer;

    #[test]
    fn a_question_lists_its_ids() {
        assert_eq!(
            &*question(&[0, 7, u64::MAX]),
            b"{\"acks\":[0,7,18446744073709551615]}"
        );
    }

    #[test]
    fn only_true_for_an_id_that_was_asked_about_confirms() {
        let indexed = |ids: &[u64]| Said::Indexed(ids.to_vec());
        for (body, expected) in [
            (
                r#"{"acks":{"0":true,"1":false,"2":true}}"#,
                indexed(&[0, 2]),
            ),
            (r#"{"acks":{"0":false,"1":false,"2":false}}"#, indexed(&[])),
            (
                r#"{"acks":{"3":true,"00":true,"+1":true," 2":true}}"#,
                indexed(&[]),
            ),
            (r#"{"acks":{"0":1,"1":"true","2":null}}"#, indexed(&[])),
            (r#"{"acks":{"1":true},"text":"x"}"#, indexed(&[1])),
            (r#"{"acks":{}}"#, indexed(&[])),
            (r#"{"acks":[0,1,2]}"#, Said::Nothing),
            (r#"{"acks":true}"#, Said::Nothing),
            (r#"{"text":"Success","code":0}"#, Said::Nothing),
            (r#"{"acks":{"0":true}"#, Said::Nothing),
            ("<html>", Said::Nothing),
            ("", Said::Nothing),
        ] {
            assert_eq!(judge(&answer(200, body), &[0, 1, 2]), expected, "{body}");
        }
        let mut cut = answer(200, r#"{"acks":{"0":true}}"#);
        cut.cut = true;
        assert_eq!(judge(&cut, &[0]), Said::Nothing);
    }

    #[test]
    fn only_a_refusal_of_the_channel_gives_it_up() {
        for (status, code, expected) in [
            (400, 10, Said::Gone),
            (400, 11, Said::Gone),
            (400, 14, Said::Gone),
            (400, 28, Said::Gone),
            (400, 4, Said::Nothing),
            (400, 6, Said::Nothing),
            (400, 21, Said::Nothing),
            (400, 99, Said::Nothing),
            (403, 4, Said::Nothing),
            (401, 2, Said::Nothing),
            (404, 404, Said::Nothing),
            (429, 27, Said::Nothing),
            (503, 9, Said::Nothing),
            (503, 14, Said::Nothing),
            (302, 14, Said::Nothing),
        ] {
            let body = format!(r#"{{"text":"no","code":{code}}}"#);
            assert_eq!(
                judge(&answer(status, &body), &[0]),
                expected,
                "{status} {code}"
            );
        }
        assert_eq!(judge(&answer(400, "<html>"), &[0]), Said::Nothing);
    }
}
