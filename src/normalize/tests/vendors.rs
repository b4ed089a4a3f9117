//! Proves of every vendor but the first that each sample becomes the committed document in each
//! format, that these conform to their schemas, and that the published tables are true.
//!
//! A vendor is one [`Samples`]; its module calls the checks here.

use std::collections::BTreeSet;

use super::formats::{assert_conforms, body, take_original};
use super::*;

/// The samples of one vendor.
pub(super) struct Samples {
    /// Directory below `tests/fixtures`, name of the preset, ECS namespace.
    pub(super) vendor: &'static str,
    pub(super) preset: Preset,
    /// The header that names the event, where the vendor has one.
    pub(super) header: Option<&'static str>,
    /// File, value of the header (empty for none), data model of CIM (empty for none).
    pub(super) list: &'static [(&'static str, &'static str, &'static str)],
    /// Payloads that have what no sample has: odd times, many members.
    pub(super) extra: fn() -> Vec<String>,
    /// `docs/mapping/<vendor>-ecs.md`, `-ocsf.md` and `-cim.md`.
    pub(super) tables: [&'static str; 3],
}

impl Samples {
    pub(super) fn text(&self, name: &str) -> String {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/tests/fixtures/{}/{name}.json", self.vendor);
        std::fs::read_to_string(path).unwrap()
    }

    /// A sample as it comes, with the header of the vendor.
    pub(super) fn event(&self, name: &str) -> Arc<Event> {
        let (_, value, _) = self.list.iter().find(|(one, ..)| *one == name).unwrap();
        let plain = event(self.text(name));
        match self.header.filter(|_| !value.is_empty()) {
            Some(header) => with_header(&plain, header, value),
            None => plain,
        }
    }

    /// The first sample with every header that the preset keeps, as real deliveries have.
    fn whole(&self) -> Arc<Event> {
        let event = self.event(self.list[0].0);
        let named = |header: &&&str| Some(**header) != self.header;
        let rest = self.preset.headers().iter().filter(named);
        rest.fold(event, |event, header| {
            let value = match header.ends_with("timestamp") {
                true => "2025-11-23T12:00:00Z",
                false => "4f9e0a2c-7a0b-4b1d-9c55-2f6f0c6a9d11",
            };
            with_header(&event, header, value)
        })
    }

    pub(super) fn value(&self, name: &str, format: Format) -> Value {
        serde_json::from_str(&body(&self.event(name), self.preset, format)).unwrap()
    }

    /// Compares with the snapshots.
    pub(super) fn check_documents(&self) {
        let directory = format!("{}/tests/fixtures", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(format!("{directory}/{}", self.vendor)).unwrap();
        assert_eq!(files.count(), self.list.len() + 1, "samples and a README");
        for (name, ..) in self.list {
            let event = self.event(name);
            for format in [Format::Ecs, Format::Ocsf, Format::Cim] {
                let mut value = self.value(name, format);
                assert_eq!(take_original(&mut value, format), event.payload, "{name}");
                let pretty = serde_json::to_string_pretty(&value).unwrap();
                let snapshot = format!("{}-{name}.{}", self.vendor, format.as_str());
                insta::assert_snapshot!(snapshot, pretty);
            }
        }
    }

    /// Holds every document against its schema, with and without the vendor's header.
    pub(super) fn check_schemas(&self) {
        let own = ["ecs", "--own", self.vendor, "--own", "siem_relay"];
        let lines = |format| {
            let named = self.list.iter().map(|(name, ..)| self.event(name));
            let bare = self.list.iter().map(|(name, ..)| event(self.text(name)));
            let extra = (self.extra)().into_iter().map(event);
            let all = named.chain(bare).chain(extra).chain([self.whole()]);
            let bodies = all.map(|event| body(&event, self.preset, format));
            bodies.collect::<Vec<_>>().join("\n")
        };
        assert_conforms(&own, &lines(Format::Ecs));
        assert_conforms(&["ocsf"], &lines(Format::Ocsf));
        let mut models: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, _, model) in self.list {
            let body = body(&self.event(name), self.preset, Format::Cim);
            let flat: BTreeMap<String, Value> = serde_json::from_str(&body).unwrap();
            let nested = flat
                .values()
                .any(|value| value.is_object() || value.is_array());
            assert!(!nested, "{name}");
            models.entry(model).or_default().push(body);
        }
        models.remove("");
        for (model, bodies) in models {
            assert_conforms(&[&format!("cim:{model}")], &bodies.join("\n"));
        }
    }

    /// Compares the names in the tables with those that are written, in both directions.
    pub(super) fn check_tables(&self) {
        let formats = [Format::Ecs, Format::Ocsf, Format::Cim];
        for (format, table) in formats.into_iter().zip(self.tables) {
            let documents = self.documents(format);
            let written: BTreeSet<String> = documents.iter().flat_map(names).collect();
            let listed = listed(table);
            let missing: Vec<_> = written.difference(&listed).collect();
            let gone: Vec<_> = listed.difference(&written).collect();
            let format = format.as_str();
            assert!(
                missing.is_empty(),
                "{format}: not in the table: {missing:#?}"
            );
            assert!(gone.is_empty(), "{format}: never written: {gone:#?}");
        }
    }

    /// Documents that between them have every field.
    fn documents(&self, format: Format) -> Vec<Value> {
        let mut repeat = Arc::unwrap_or_clone(test_event("7"));
        repeat.duplicate_of = Some(repeat.id);
        let mut events = vec![Arc::new(repeat), self.whole()];
        events.extend((self.extra)().into_iter().map(event));
        events.extend(self.list.iter().map(|(name, ..)| self.event(name)));
        let bodies = events.iter().map(|event| body(event, self.preset, format));
        bodies
            .map(|body| serde_json::from_str(&body).unwrap())
            .collect()
    }
}

/// The same event with a header that its source keeps.
pub(super) fn with_header(plain: &Arc<Event>, header: &str, value: &str) -> Arc<Event> {
    let mut event = Event::clone(plain);
    let provenance = Arc::make_mut(&mut event.provenance);
    provenance
        .headers
        .push((header.to_owned(), value.to_owned()));
    Arc::new(event)
}

/// Everything between backticks in the second column of the tables of fields.
fn listed(table: &str) -> BTreeSet<String> {
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let second = rows.filter_map(|row| row.split('|').nth(2));
    let names = second.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

/// Dotted names of all leaves; of objects in an array those of its members.
fn names(document: &Value) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![(String::new(), document)];
    while let Some((path, value)) = open.pop() {
        let separator = if path.is_empty() { "" } else { "." };
        match value {
            Value::Object(members) => {
                let below = members
                    .iter()
                    .map(|(key, value)| (format!("{path}{separator}{key}"), value));
                open.extend(below);
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                open.extend(elements.iter().map(|value| (path.clone(), value)));
            }
            _ => names.push(path),
        }
    }
    names
}
