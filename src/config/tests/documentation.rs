//! Proves that `config.toml.example` works as it stands, that every key and alternative shown in it
//! is accepted, and that it and `docs/configuration.md` mention every key that is read, no other
//! one, and the real defaults.

use super::*;

const EXAMPLE: &str = include_str!("../../../config.toml.example");
const PAGE: &str = include_str!("../../../docs/configuration.md");
/// What introduces a line that may stand in place of the one above it.
const ALTERNATIVE: &str = "# or: ";

/// The example with nothing commented out, and what may replace some of its lines.
struct Example {
    lines: Vec<String>,
    /// Index of a line, and its replacement.
    alternatives: Vec<(usize, String)>,
}

/// Every key that is read, with its defaults.
type Known = std::collections::BTreeMap<String, std::collections::BTreeSet<String>>;

#[test]
fn the_example_works_as_it_stands() {
    let fixture = Fixture::new(EXAMPLE);
    let loaded = fixture.load(&[]).unwrap();
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("sources.datatheorem.allow_unauthenticated"));
    let settings = loaded.settings;
    assert!(settings.server.listen.ip().is_loopback() && settings.admin.listen.ip().is_loopback());
    assert_eq!(settings.sources[0].name, "datatheorem");
    let crate::settings::Kind::File(file) = &settings.destinations[0].kind else {
        panic!("{:?}", settings.destinations[0].kind);
    };
    assert!(file.path.ends_with("siem-relay-data/archive/events.jsonl"));
}

#[test]
fn every_line_and_alternative_of_the_example_is_accepted() {
    let example = Example::uncommented();
    assert!(
        example.alternatives.len() >= 15,
        "{:?}",
        example.alternatives
    );
    for text in example.variants() {
        let fixture = with_secrets(&text);
        if let Err(problems) = fixture.load(&[]) {
            // The variable that stands in for all others has slashes, as no capability may, and
            // is no URL.
            let expected = |problem: &Problem| {
                (problem.key.ends_with("capability_env") && problem.what.contains("in a URL"))
                    || problem.key.ends_with("sumo.url_env")
            };
            assert!(problems.iter().all(expected), "{problems}\nin\n{text}");
        }
    }
}

#[test]
fn what_only_renders_needs_no_secret_and_no_certificate_of_the_example() {
    for text in Example::uncommented().variants() {
        let fixture = Fixture::new(&text);
        assert!(fixture.load(&[]).is_err(), "the relay needs them");
        let file = fixture.directory.path().join("config.toml");
        let loaded = load_without_secrets(&file, std::iter::empty());
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"));
        let told = |line: &String| line.ends_with("hashes are shown as another one makes them");
        assert!(loaded.warnings.iter().all(told), "{:?}", loaded.warnings);
        let text = format!("{:?}", loaded.settings);
        assert!(
            !text.contains("Secret(file") && !text.contains("Secret(env"),
            "{text}"
        );
    }
}

#[test]
fn what_the_example_shows_as_default_is_the_default() {
    let plain = accepted(EXAMPLE);
    let lines = Example::uncommented().lines.join("\n");
    let mut shown = with_secrets(&lines).load(&[]).unwrap().settings;
    shown.server.tls = None;
    shown.admin.read_token = None;
    shown.admin.write_token = None;
    // The directories of the two fixtures differ.
    shown.journal.directory.clone_from(&plain.journal.directory);
    shown
        .dead_letters
        .directory
        .clone_from(&plain.dead_letters.directory);
    let text = |settings: &Settings| {
        let Settings {
            server,
            admin,
            journal,
            dead_letters,
            log,
            ..
        } = settings;
        format!("{server:#?} {admin:#?} {journal:#?} {dead_letters:#?} {log:#?}")
    };
    assert_eq!(text(&shown), text(&plain));
    let archive = |settings: &Settings| {
        let archive = settings
            .destinations
            .iter()
            .find(|one| one.name == "archive")
            .unwrap();
        let timing = (archive.retry, archive.probe_interval);
        format!(
            "{timing:?} {:?} {:?} {:?}",
            archive.batch, archive.format, archive.start
        )
    };
    assert_eq!(archive(&shown), archive(&plain));
}

#[test]
fn the_example_shows_every_key() {
    let known = known();
    let shown = Example::uncommented().keys();
    let missing: Vec<_> = known.keys().filter(|key| !shown.contains(*key)).collect();
    assert!(
        missing.is_empty(),
        "config.toml.example does not show {missing:?}"
    );
}

#[test]
fn the_page_has_every_key_with_its_default_and_no_other() {
    let known = known();
    let mut missing: Vec<_> = known.keys().cloned().collect();
    for (key, default) in documented() {
        let defaults = known.get(&key);
        let defaults = defaults.unwrap_or_else(|| panic!("{key} is documented but not read"));
        for one in defaults {
            assert!(
                default.contains(&format!("`{one}`")),
                "{key}: {one} is not in {default:?}"
            );
        }
        if defaults.is_empty() {
            assert!(
                !default.starts_with('`'),
                "{key} has no default, the page says {default:?}"
            );
        }
        missing.retain(|other| *other != key);
    }
    assert!(
        missing.is_empty(),
        "docs/configuration.md does not mention {missing:?}"
    );
}

impl Example {
    fn uncommented() -> Self {
        let mut lines: Vec<String> = Vec::new();
        let mut alternatives = Vec::new();
        let mut base = 0;
        for line in EXAMPLE.lines() {
            if let Some(alternative) = line.strip_prefix(ALTERNATIVE) {
                // Two keys on a line are for reading; TOML wants a line for each.
                alternatives.push((base, alternative.replace(" and ", "\n")));
                continue;
            }
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let statement = is_statement(bare);
            if statement {
                base = lines.len();
            }
            lines.push(if statement {
                bare.to_owned()
            } else {
                line.to_owned()
            });
        }
        Self {
            lines,
            alternatives,
        }
    }

    /// All lines, and then once more with each alternative.
    fn variants(&self) -> Vec<String> {
        let mut variants = vec![self.lines.join("\n")];
        for (base, alternative) in &self.alternatives {
            let mut lines = self.lines.clone();
            lines[*base] = alternative.clone();
            variants.push(lines.join("\n"));
        }
        variants
    }

    /// Every key of every variant.
    fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for variant in self.variants() {
            let mut section = String::new();
            for line in variant.lines().filter(|line| is_statement(line)) {
                if let Some(header) = line.strip_prefix('[') {
                    section = shape(header.trim_end_matches(']'));
                } else if let Some((key, inline)) = line.split_once(" = ") {
                    keys.push(format!("{section}.{key}"));
                    // A condition is a value, whose tables have no keys of their own.
                    let inline = if key == "when" { "" } else { inline };
                    let inner = inline.trim_matches(['{', '}', ' ', '[', ']']).split(", ");
                    let inner = inner.filter_map(|part| part.split_once(" = "));
                    let at = match key {
                        "rules" => "NAME".to_owned(),
                        _ => section.clone(),
                    };
                    keys.extend(inner.map(|(inner, _)| format!("{at}.{key}.{inner}")));
                }
            }
        }
        keys
    }
}

/// Whether a line is TOML, not prose.
fn is_statement(line: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let word = |text: &str| text.chars().all(letter);
    let header = line
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let key = line.split_once(" = ").map(|(key, _)| key);
    header.is_some_and(|path| path.split('.').all(word)) || key.is_some_and(word)
}

/// The path of a section with its name left out.
fn shape(path: &str) -> String {
    match path.split_once('.') {
        Some((section, _)) => format!("{section}.NAME"),
        None => path.to_owned(),
    }
}

/// A directory where every file of the text is there, and every variable is set.
fn with_secrets(text: &str) -> Fixture {
    let mut text = text.to_owned();
    let names: Vec<_> = text
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    for line in text.clone().lines().filter(|line| is_statement(line)) {
        if let Some((_, place)) = line.split_once("_env = \"") {
            let name = place.split('"').next().unwrap();
            text = text.replace(&format!("\"{name}\""), &format!("\"{SET_VARIABLE}\""));
        }
    }
    let fixture = Fixture::new(&text);
    let directory = fixture.directory.path();
    std::fs::create_dir(directory.join("secrets")).unwrap();
    std::fs::create_dir(directory.join("tls")).unwrap();
    let is_file = |name: &&String| name.starts_with("secrets/") || name.starts_with("tls/");
    for name in names.iter().filter(is_file) {
        let mut text = format!("content-of-{}", name.replace('/', "-"));
        if name.ends_with("-url") {
            text.insert_str(0, "https://");
        }
        std::fs::write(directory.join(name), text).unwrap();
    }
    fixture
}

/// Every key that the reader asks for, in all variants of the example.
fn known() -> Known {
    let mut known = Known::new();
    for text in Example::uncommented().variants() {
        let fixture = with_secrets(&text);
        let file = fixture.directory.path().join("config.toml");
        let tree = Tree::read(&file, std::iter::empty()).unwrap();
        for (key, defaults) in examine(&tree, &file, Secrets::Read).1.known {
            known.entry(key).or_default().extend(defaults);
        }
    }
    assert!(known.len() > 80, "{known:#?}");
    known
}

/// The keys in the page's tables, with the text about their default.
fn documented() -> Vec<(String, String)> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if line.starts_with('#') {
            if let Some((_, rest)) = line.split_once("`[") {
                section = rest.trim_end_matches("]`").to_owned();
            }
        } else if let Some(row) = line.strip_prefix("| `").filter(|_| !section.is_empty()) {
            let cells: Vec<_> = row.split(" | ").collect();
            let key = cells[0].trim_end_matches('`');
            rows.push((format!("{section}.{key}"), cells[2].to_owned()));
        }
    }
    rows
}
