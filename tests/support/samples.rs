//! The samples of every vendor, as files: `tests/fixtures/PRESET/NAME.json`.
//!
//! A new folder joins by itself. Expected documents beside the samples (`NAME.FORMAT.json`) are
//! none.

use std::path::Path;

/// The event that vendors send when somebody tries the webhook.
pub(crate) const CONNECTIVITY_TEST: &str = "connectivity-test";

/// One event of a vendor.
pub(crate) struct Sample {
    /// The preset that reads it.
    pub(crate) preset: String,
    pub(crate) name: String,
    pub(crate) payload: String,
}

/// All of them, by preset and name.
pub(crate) fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut samples = Vec::new();
    for preset in names(&root) {
        let folder = root.join(&preset);
        for file in names(&folder) {
            let Some(name) = file
                .strip_suffix(".json")
                .filter(|name| !name.contains('.'))
            else {
                continue;
            };
            samples.push(Sample {
                preset: preset.clone(),
                name: name.to_owned(),
                payload: std::fs::read_to_string(folder.join(&file)).unwrap(),
            });
        }
    }
    assert!(samples.len() >= 19, "only {} samples found", samples.len());
    samples
}

/// The presets that have samples, each once.
pub(crate) fn presets(samples: &[Sample]) -> Vec<String> {
    let mut presets: Vec<_> = samples.iter().map(|sample| sample.preset.clone()).collect();
    presets.sort();
    presets.dedup();
    presets
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
