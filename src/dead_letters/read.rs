//! Reading logs beside the relay that writes them: nothing is changed, and no lock is taken.

use std::fs::File;
use std::io;
use std::path::Path;

use super::file::{read_index, read_letter, whole_lines};
use super::{DeadLetterError, Filter, Letter, path_in};

/// Letters of a destination's log that fit, oldest first, each given to `each`, which may end the
/// reading by returning false; and how many lines are not understood, those of damaged letters
/// among them, which say where they are. A line that is being written is not there yet. A log
/// that is not there has no letters.
pub fn read(
    directory: &Path,
    destination: &str,
    filter: &Filter,
    mut each: impl FnMut(Letter) -> bool,
) -> Result<usize, DeadLetterError> {
    let path = path_in(directory, destination);
    let failed = |error| DeadLetterError::io("read", &path, error);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let length = whole_lines(&mut file).map_err(failed)?;
    let index = read_index(&mut file, length, &path)?;
    let mut unreadable = index.unreadable.len();
    let mut left = filter.limit.unwrap_or(usize::MAX);
    for entry in index.entries() {
        if left == 0 {
            break;
        }
        if !filter.may_want(entry.id, entry.died_ms) {
            continue;
        }
        let letter = read_letter(&file, &index, entry).map_err(failed)?;
        let letter = letter.unwrap_or_else(|| {
            unreadable += 1;
            Letter::damaged(entry)
        });
        if filter.wants(&letter) {
            left -= 1;
            if !each(letter) {
                break;
            }
        }
    }
    Ok(unreadable)
}

/// Names of the destinations that have a log in a directory, sorted; of a directory that is not
/// there none.
pub fn names(directory: &Path) -> Result<Vec<String>, DeadLetterError> {
    let failed = |error| DeadLetterError::io("list", directory, error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".jsonl")) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
