//! Tests of a part of the model: which of them an event can pass.
//!
//! The model's words are the relay's own, so a word that none of them is, is a mistake to be told
//! and not a condition that never holds. Knows no vendor.

use figment::value::Value;

use crate::settings::{ModelPart, Scalar, Test};

/// A test of a part of the model, which must be one that an event can pass.
pub(super) fn test(part: ModelPart, key: &str, value: &Value) -> Result<Test, String> {
    if key == "at_least" {
        return at_least(part, value);
    }
    let test = super::test(key, value)?;
    match (&test, part) {
        (Test::Exists(_), _) | (Test::Cidr(_), ModelPart::Address) => {}
        (Test::Cidr(_), _) => return Err("is for model = \"address\" only".to_owned()),
        (Test::Greater(_), _) => {
            let what = "is about numbers, and no part of the model is one: of a severity use \
                        at_least";
            return Err(what.to_owned());
        }
        (Test::In(scalars), _) => scalars.iter().try_for_each(|one| check_word(part, one))?,
        (_, ModelPart::Test) => return Err("is about texts: write equals = true".to_owned()),
        _ => {}
    }
    Ok(test)
}

fn check_word(part: ModelPart, scalar: &Scalar) -> Result<(), String> {
    let fitting = match (scalar, part) {
        (Scalar::Flag(_), ModelPart::Test) => return Ok(()),
        (_, ModelPart::Test) => "true and false".to_owned(),
        (Scalar::Text(text), _) => match part.words() {
            Some(words) if !words.contains(&text.as_str()) => words.join(", "),
            _ => return Ok(()),
        },
        _ => "strings".to_owned(),
    };
    Err(format!("can never hold: there it is one of {fitting}"))
}

/// A severity and all that are worse.
fn at_least(part: ModelPart, value: &Value) -> Result<Test, String> {
    if part != ModelPart::Severity {
        return Err("is for model = \"severity\" only".to_owned());
    }
    let words = part.words().unwrap_or_default();
    let least = value.as_str();
    let from = words.iter().position(|word| Some(*word) == least);
    match from.and_then(|from| words.get(from..)) {
        Some(words) => {
            let texts = words.iter().map(|word| Scalar::Text((*word).to_owned()));
            Ok(Test::In(texts.collect()))
        }
        None => Err(format!("must be one of {}", words.join(", "))),
    }
}
