//! Proves that the add-on for Splunk knows every sourcetype that the relay writes, and gives each
//! the tags that the tables of `docs/mapping` promise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use siem_relay::settings::Format;
use siem_relay::sink::Shape;

use super::index_template::rendered;

const PROPS: &str = include_str!("../../deploy/splunk/siem_relay/default/props.conf");
const EVENT_TYPES: &str = include_str!("../../deploy/splunk/siem_relay/default/eventtypes.conf");
const TAGS: &str = include_str!("../../deploy/splunk/siem_relay/default/tags.conf");
/// Column of the table of sourcetypes.
const TAGS_COLUMN: &str = "Data model (tags)";

/// Keys and values by stanza.
fn stanzas(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut stanzas: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(title) = line.strip_prefix('[') {
            name = title.strip_suffix(']').unwrap().to_owned();
            let before = stanzas.insert(name.clone(), BTreeMap::new());
            assert!(before.is_none(), "[{name}] is there twice");
            continue;
        }
        let (key, value) = line.split_once(" = ").unwrap();
        let stanza = stanzas.get_mut(&name).unwrap();
        stanza.insert(key.to_owned(), value.to_owned());
    }
    stanzas
}

/// Tags by sourcetype, as the tables of the mappings have them.
fn promised() -> BTreeMap<String, BTreeSet<String>> {
    let mut promised = BTreeMap::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mapping");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_str().unwrap().ends_with("-cim.md") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let table = text.lines().skip_while(|line| !line.contains(TAGS_COLUMN));
        for row in table.skip(2).take_while(|line| line.starts_with("| ")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let tags = cells[3].split_once('(').map(|(_, tags)| tags);
            let tags = tags.map(|tags| tags.trim_end_matches(')').split(", "));
            let tags = tags.into_iter().flatten().map(str::to_owned);
            promised.insert(cells[2].to_owned(), tags.collect());
        }
    }
    assert!(promised.len() >= 8, "only {promised:?} found");
    promised
}

#[test]
fn every_sourcetype_of_the_relay_is_in_the_add_on_with_its_tags() {
    let (props, types, tags) = (stanzas(PROPS), stanzas(EVENT_TYPES), stanzas(TAGS));
    let promised = promised();
    let known: BTreeSet<_> = promised.keys().collect();
    assert_eq!(props.keys().collect::<BTreeSet<_>>(), known);
    let mut tagged = 0;
    for (sourcetype, expected) in &promised {
        assert_eq!(props[sourcetype]["KV_MODE"], "json");
        if expected.is_empty() {
            continue;
        }
        tagged += 1;
        let name = sourcetype.replace(':', "_");
        assert_eq!(
            types[&name]["search"],
            format!("sourcetype=\"{sourcetype}\"")
        );
        let given = &tags[&format!("eventtype={name}")];
        assert!(given.values().all(|value| value == "enabled"), "{given:?}");
        assert_eq!(
            &given.keys().cloned().collect::<BTreeSet<_>>(),
            expected,
            "{sourcetype}"
        );
    }
    assert_eq!(
        (types.len(), tags.len()),
        (tagged, tagged),
        "stanzas of no sourcetype"
    );
}

#[test]
fn every_sourcetype_that_a_sample_is_written_with_is_in_the_tables() {
    let promised = promised();
    for (name, rendered) in rendered(Format::Cim, Shape::HecEvent) {
        let sourcetype = rendered.sourcetype.unwrap();
        assert!(promised.contains_key(sourcetype), "{name}: {sourcetype}");
    }
}
