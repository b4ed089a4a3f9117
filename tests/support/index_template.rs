//! The index template of `deploy/elasticsearch`: how its README installs it, and the fields of
//! mappings.

use std::collections::BTreeMap;

use serde_json::Value;

/// The steps of the README, in their order: the path that a file is put to, and the file.
pub(crate) fn steps(readme: &str) -> Vec<(&str, &str)> {
    let lines = readme.lines().filter_map(|line| line.strip_prefix("put "));
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

/// The leaves below `properties`, each with what is said of it.
pub(crate) fn mapped(mappings: &Value) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    let mut open = vec![(String::new(), &mappings["properties"])];
    while let Some((path, properties)) = open.pop() {
        for (name, field) in properties.as_object().unwrap() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            if field.get("properties").is_some() {
                open.push((path, &field["properties"]));
            } else {
                fields.insert(path, field.clone());
            }
        }
    }
    fields
}
