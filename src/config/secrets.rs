//! Secrets of the configuration: where they are, whether they load, whether they can work.
//!
//! A key `NAME_file` or `NAME_env` names the place. Messages repeat neither a secret nor its
//! place, since a secret is easily pasted where its place belongs: they name the key.

use secrecy::ExposeSecret;

use crate::secret::{Secret, SecretError, SecretPlace};

use super::table::Table;

/// Bytes of the shortest secret that lets senders or readers in.
const INBOUND_BYTES_MIN: usize = 16;
/// Secrets of one source, for rotation; the event's header counts them in one byte.
const SLOTS_MAX: usize = 8;

/// What a secret is for, and so what it may look like.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// Whether it lets senders in: then it must not be short.
    inbound: bool,
    /// Words that a pasted header value begins with, and that the relay adds or expects itself.
    schemes: &'static [&'static str],
    /// Which characters can arrive.
    characters: Characters,
    /// Whether it may have several lines.
    document: bool,
    /// Whether what goes out for an event depends on it.
    shapes_events: bool,
}

#[derive(Clone, Copy)]
enum Characters {
    /// Those of a header value: visible ASCII, and spaces inside.
    Header,
    /// Those of a path segment that no client or proxy rewrites.
    Unreserved,
    /// All.
    Any,
}

impl Rule {
    pub(super) const BEARER_IN: Self = Self::header(true, &["Bearer ", "Splunk "]);
    pub(super) const HEADER_IN: Self = Self::header(true, &[]);
    pub(super) const BEARER_OUT: Self = Self::header(false, &["Bearer ", "Splunk "]);
    pub(super) const HEADER_OUT: Self = Self::header(false, &[]);
    pub(super) const SPLUNK: Self = Self::header(false, &["Splunk ", "Bearer "]);
    pub(super) const API_KEY: Self = Self::header(false, &["ApiKey ", "Bearer "]);
    pub(super) const CAPABILITY: Self = Self {
        inbound: true,
        schemes: &[],
        characters: Characters::Unreserved,
        document: false,
        shapes_events: false,
    };
    /// A short key lets anybody try out which values give a hash.
    pub(super) const HASH_KEY: Self = Self {
        inbound: true,
        shapes_events: true,
        ..Self::PASSWORD
    };
    pub(super) const PASSWORD: Self = Self {
        inbound: false,
        schemes: &[],
        characters: Characters::Any,
        document: false,
        shapes_events: false,
    };
    /// What it is inside shows where it is used.
    pub(super) const DOCUMENT: Self = Self {
        document: true,
        ..Self::PASSWORD
    };

    const fn header(inbound: bool, schemes: &'static [&'static str]) -> Self {
        Self {
            inbound,
            schemes,
            characters: Characters::Header,
            document: false,
            shapes_events: false,
        }
    }

    /// What is wrong with a secret, and the remedy.
    fn broken(self, secret: &str) -> Option<(String, String)> {
        for scheme in self.schemes {
            let start = secret.get(..scheme.len());
            if start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
                let word = scheme.trim_end();
                return Some((
                    format!("the secret begins with \"{scheme}\""),
                    format!("keep only what follows the word {word}"),
                ));
            }
        }
        if self.inbound && secret.len() < INBOUND_BYTES_MIN {
            return Some((
                format!("the secret is shorter than {INBOUND_BYTES_MIN} bytes"),
                "use a random one, as from: openssl rand -hex 32".to_owned(),
            ));
        }
        let visible = |c: char| c.is_ascii_graphic() || c == ' ';
        let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        match self.characters {
            Characters::Header if secret.trim() != secret || !secret.chars().all(visible) => {
                Some((
                    "the secret has characters that a header's value cannot have".to_owned(),
                    "keep visible ASCII characters, without spaces around them".to_owned(),
                ))
            }
            Characters::Unreserved if !secret.chars().all(unreserved) => Some((
                "the secret has characters that are not left alone in a URL".to_owned(),
                "keep letters, digits and -._~, as from: openssl rand -hex 32".to_owned(),
            )),
            _ => None,
        }
    }
}

/// Whether the table names a place for this secret.
pub(super) fn named(table: &Table<'_>, name: &str) -> bool {
    table.has(&format!("{name}_file")) || table.has(&format!("{name}_env"))
}

/// Loads the secrets under `NAME_file` and `NAME_env`, files first; none if none is named. The
/// order is the numbering of the slots that an accepted event is marked with.
pub(super) fn several(table: &Table<'_>, name: &str, rule: Rule) -> Vec<Secret> {
    let mut secrets = load(table, name, rule, |key| table.one_or_more(key));
    if let Some((_, key)) = secrets.get(SLOTS_MAX) {
        table.problem(key, "too many secrets", format!("keep at most {SLOTS_MAX}"));
        secrets.truncate(SLOTS_MAX);
    }
    let read = if table.reads_secrets() {
        secrets.as_slice()
    } else {
        &[]
    };
    for (index, (secret, key)) in read.iter().enumerate() {
        let value = secret.value();
        let same =
            |(other, _): &(Secret, String)| other.value().expose_secret() == value.expose_secret();
        if let Some(first) = secrets.iter().take(index).position(same) {
            let (first, this) = (first + 1, index + 1);
            let what = format!("secrets {first} and {this} (files first) are the same");
            table.problem(key, what, "remove one, or put the new secret there");
        }
    }
    secrets.into_iter().map(|(secret, _)| secret).collect()
}

/// Loads the one secret under `NAME_file` or `NAME_env`.
pub(super) fn one(table: &Table<'_>, name: &str, rule: Rule) -> Option<Secret> {
    let secrets = load(table, name, rule, |key| {
        table.string(key, None).into_iter().collect()
    });
    if table.has(&format!("{name}_file")) && table.has(&format!("{name}_env")) {
        let what = format!("stands beside {name}_file");
        table.problem(&format!("{name}_env"), what, "keep one of them");
    }
    secrets.into_iter().map(|(secret, _)| secret).next()
}

fn load(
    table: &Table<'_>,
    name: &str,
    rule: Rule,
    read: impl Fn(&str) -> Vec<String>,
) -> Vec<(Secret, String)> {
    let (file, env) = (format!("{name}_file"), format!("{name}_env"));
    let in_files = read(&file).into_iter().map(|path| {
        let place = SecretPlace::File(table.base().join(path));
        (file.as_str(), place)
    });
    let in_env = read(&env)
        .into_iter()
        .map(|name| (env.as_str(), SecretPlace::Env(name)));
    let mut secrets = Vec::new();
    for (key, place) in in_files.chain(in_env).collect::<Vec<_>>() {
        let loaded = match rule.document {
            true => load_document(table, place),
            false => load_line(table, key, place, rule),
        };
        match loaded {
            Ok(secret) if *secret.place() == SecretPlace::StandIn => {
                secrets.push((secret, key.to_owned()));
            }
            Ok(secret) => {
                if let Some((what, remedy)) = rule.broken(secret.value().expose_secret()) {
                    table.problem(key, what, remedy);
                }
                let secret = secret.guarded(move |text| match rule.broken(text) {
                    Some((what, remedy)) => Err(format!("{what}; {remedy}")),
                    None => Ok(()),
                });
                secrets.push((secret, key.to_owned()));
            }
            Err(error) => {
                let (what, remedy) = unloaded(&error);
                table.problem(key, what, remedy);
            }
        }
    }
    secrets
}

/// Loads a secret of several lines, or what stands in for it.
pub(super) fn load_document(table: &Table<'_>, place: SecretPlace) -> Result<Secret, SecretError> {
    match table.reads_secrets() {
        true => Secret::load_document(place),
        false => Secret::load(SecretPlace::StandIn),
    }
}

/// Loads a secret of one line, or what stands in for it.
fn load_line(
    table: &Table<'_>,
    key: &str,
    place: SecretPlace,
    rule: Rule,
) -> Result<Secret, SecretError> {
    if table.reads_secrets() {
        return Secret::load(place);
    }
    if rule.shapes_events {
        match Secret::load(place) {
            Ok(secret) => return Ok(secret),
            Err(_) => table.warn(
                key,
                "the key cannot be read: hashes are shown as another one makes them",
            ),
        }
    }
    Secret::load(SecretPlace::StandIn)
}

/// The error without its place.
pub(super) fn unloaded(error: &SecretError) -> (String, &'static str) {
    match error {
        SecretError::Unreadable { source, .. } => (
            format!("the file that it names cannot be read: {source}"),
            "name a file that holds the secret and that the relay's user can read (a relative \
             path starts at the configuration file's directory)",
        ),
        SecretError::NotSet(_) => (
            "the environment variable that it names is not set, or not UTF-8".to_owned(),
            "write the variable's name here, not the secret, and set it for the relay",
        ),
        SecretError::Empty(_) => (
            "the secret is empty".to_owned(),
            "put the secret into the place that the key names",
        ),
        SecretError::NotDocument(_) => (
            "the secret is not UTF-8 text of at most 65536 bytes".to_owned(),
            "put nothing but the secret into the place that the key names",
        ),
        SecretError::NotText(_) => (
            "the secret is not one line of UTF-8 text of at most 65536 bytes".to_owned(),
            "put nothing but the secret into the place that the key names",
        ),
    }
}
