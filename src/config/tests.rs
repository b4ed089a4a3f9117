//! What the tests of the configuration share: a directory with secrets, and a source and a
//! destination without fault, so that each test writes only what it is about.

use super::*;

mod admin_tokens;
mod conditions;
mod contracts;
mod destinations;
mod documentation;
mod environment;
mod event_names;
mod http_destinations;
mod http_requests;
mod intake_names;
mod intakes;
mod logins;
mod messages;
mod rules;
mod sections;
mod sources;
mod splunk;
mod transport;

/// A source and a destination without fault.
const SOURCE: &str = "[sources.a]\nauth = { bearer_token_file = \"token\" }\n";
const DESTINATION: &str = "[destinations.d]\nkind = \"file\"\npath = \"out/events.jsonl\"\n";
/// What stands in each file of the fixture: secrets, and files that are only opened.
const FILES: [(&str, &str); 19] = [
    ("token", "correct-horse-battery-staple"),
    ("token2", "another-horse-battery-staple"),
    ("same", "correct-horse-battery-staple"),
    ("short", "fifteen-bytes--"),
    ("sixteen", "sixteen--bytes--"),
    ("empty", "\n"),
    ("bearer", "Bearer correct-horse-battery"),
    ("splunk", "Splunk 0f1e2d3c-correct-horse"),
    ("slashes", "correct/horse/battery/staple"),
    ("umlaut", "correct-h\u{f6}rse-battery-staple"),
    ("apikey", "ApiKey VnVhQ2ZHY0JDZGJrU="),
    ("spaced", "correct-horse-battery-staple "),
    ("lines", "one\ntwo\n"),
    ("c.pem", ""),
    ("k.pem", ""),
    ("ca.pem", ""),
    ("google", "{\n}\n"),
    (
        "sumo",
        "https://collectors.sumologic.com/receiver/v1/http/ZaVnC4dhaV3-Zbn8Kq",
    ),
    ("sumo-plain", "http://sumo.example.com/ZaVnC4dhaV3-Zbn8Kq"),
];
/// A variable that every run of the tests has, longer than the shortest secret.
const SET_VARIABLE: &str = "PATH";

/// A directory with a configuration and secret files.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, secret) in FILES {
            std::fs::write(directory.path().join(name), secret).unwrap();
        }
        std::fs::write(directory.path().join("config.toml"), text).unwrap();
        Self { directory }
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let file = self.directory.path().join("config.toml");
        load(&file, env.iter().map(owned))
    }

    /// A message without the directory that changes from run to run.
    fn brief(&self, message: impl ToString) -> String {
        let prefix = format!("{}/", self.directory.path().display());
        message.to_string().replace(&prefix, "")
    }
}

/// The problems of a text under some variables, one each.
fn problems_under(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let fixture = Fixture::new(text);
    match fixture.load(env) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            assert_ne!(problems.iter().count(), 0);
            problems
                .iter()
                .map(|problem| fixture.brief(problem))
                .collect()
        }
    }
}

fn problems(text: &str) -> Vec<String> {
    problems_under(text, &[])
}

/// Loads a text that must be without fault.
fn accepted(text: &str) -> Settings {
    loaded(text).0
}

/// The same with its warnings.
fn loaded(text: &str) -> (Settings, Vec<String>) {
    let fixture = Fixture::new(text);
    match fixture.load(&[]) {
        Ok(Loaded { settings, warnings }) => {
            let warnings = warnings.iter().map(|line| fixture.brief(line)).collect();
            (settings, warnings)
        }
        Err(problems) => panic!("{problems}\nin\n{text}"),
    }
}

/// Expects one problem, which begins with key and text.
fn refused(text: &str, expected: &str) {
    let found = problems(text);
    let one = found.len() == 1 && found[0].starts_with(&format!("config.toml: {expected}"));
    assert!(one, "expected {expected}\nfound {found:#?}\nin\n{text}");
}

/// A section beside a source and a destination without fault.
fn beside_good(section: &str) -> String {
    format!("{section}\n{SOURCE}{DESTINATION}")
}

/// A source with these lines, which holds for no one else's mistakes.
fn source(lines: &str) -> String {
    format!("[sources.a]\n{lines}\n{DESTINATION}")
}

/// A destination with these lines.
fn destination(lines: &str) -> String {
    format!("{SOURCE}[destinations.d]\n{lines}\n")
}

/// Messages in short lines, for snapshots.
fn folded(messages: &[String]) -> String {
    let mut folded = String::new();
    for message in messages {
        let mut width = 0;
        for word in message.split(' ') {
            let separator = if width == 0 {
                ""
            } else if width + word.len() > 80 {
                width = 2;
                "\n  "
            } else {
                " "
            };
            folded.extend([separator, word]);
            width += word.len() + 1;
        }
        folded.push('\n');
    }
    folded
}
