//! Proves that the file of every released version is read, and that damage is found and costs the
//! sketch alone.

use super::super::file::{SketchError, encode, load, save};
use super::*;

const V1: &[u8] = include_bytes!("../../../tests/fixtures/drift-v1/drift");

fn events() -> Vec<Value> {
    let before = json!({ "type": "OPENED", "severity": "LOW", "count": 1, "tags": ["a"] });
    let after = json!({ "type": "OPENED", "severity": "HIGH", "count": "1", "new": { "b": null } });
    [repeated(6, &before), repeated(1, &after)].concat()
}

#[test]
fn a_file_of_format_version_1_is_read_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(FILE_NAME), V1).unwrap();
    let read = load(directory.path()).unwrap().unwrap();
    assert_eq!((read.position, read.ordinal, read.missed), (9, Some(8), 1));
    let report = stored_report(directory.path()).unwrap().unwrap();
    let told: Vec<_> = report
        .findings
        .iter()
        .map(|it| (it.what, it.field.as_str(), it.event.clone()))
        .collect();
    let seventh = id(7).to_string();
    assert_eq!(
        told,
        [
            (What::Retyped, "/count", seventh.clone()),
            (What::NewField, "/new", seventh.clone()),
            (What::NewValue, "/severity", seventh.clone()),
            (What::MissingField, "/tags", seventh),
        ]
    );
    assert_eq!(report.since.as_deref(), Some("2023-11-14T22:13:21.000Z"));
}

/// The fixture is what this version writes, until there is another version.
#[test]
fn this_version_writes_format_version_1() {
    let mut sketch = shown(&events());
    (sketch.position, sketch.ordinal, sketch.missed) = (9, Some(8), 1);
    let bytes = encode(&sketch).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(V1));
}

#[test]
fn a_changed_byte_anywhere_is_found_and_the_sketch_starts_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    assert!(load(directory.path()).unwrap().is_none());
    for place in (0..V1.len()).step_by(7).chain([V1.len() - 1]) {
        let mut bytes = V1.to_vec();
        bytes[place] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = load(directory.path());
        assert!(error.is_err(), "{place}: {error:?}");
    }
    for length in 0..V1.len() {
        std::fs::write(&path, &V1[..length]).unwrap();
        let error = load(directory.path());
        assert!(
            matches!(error, Err(SketchError::Damaged { .. })),
            "{length}: {error:?}"
        );
    }
    let text = String::from_utf8(V1.to_vec()).unwrap();
    std::fs::write(&path, text.replacen("drift 1", "drift 2", 1)).unwrap();
    let error = load(directory.path());
    assert!(
        matches!(error, Err(SketchError::Version { version: 2, .. })),
        "{error:?}"
    );
}

#[test]
fn a_save_replaces_the_file_as_a_whole_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    // What a save that was cut off left behind is in nobody's way.
    std::fs::write(directory.path().join("drift.new"), "x".repeat(100_000)).unwrap();
    for count in [3, 7, 1] {
        let sketch = shown(&events()[..count]);
        save(directory.path(), &encode(&sketch).unwrap()).unwrap();
        assert_eq!(load(directory.path()).unwrap(), Some(sketch));
    }
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
    save(&directory.path().join("none"), b"x").unwrap_err();
    std::fs::remove_file(&path).unwrap();
    save(directory.path(), b"x").unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
