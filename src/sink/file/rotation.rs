//! Names: the file, its lock, and the rotated ones beside it.
//!
//! `events.jsonl` is rotated to `events-20261123T144205123Z-0001.jsonl`: UTC time of the
//! rotation and a counter, so that names sort by age and none is ever written over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

/// Rotations within one millisecond; only a clock that stands still reaches it.
const COUNTER_MAX: u32 = 9999;

/// The file's path cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("path {0} does not name a file in a directory; write it as /directory/events.jsonl")]
pub struct PathError(PathBuf);

/// Where a file and what belongs to it lie.
#[derive(Debug)]
pub(super) struct Names {
    /// The file being written.
    pub(super) path: PathBuf,
    /// Its directory.
    pub(super) directory: PathBuf,
    /// Locked as long as the writer lives. A file of its own, since the other one is renamed.
    pub(super) lock: PathBuf,
    /// File name before the time of a rotated file.
    prefix: String,
    /// And after its counter.
    suffix: String,
}

impl Names {
    pub(super) fn new(path: &Path) -> Result<Self, PathError> {
        let unusable = || PathError(path.to_owned());
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(unusable)?;
        let directory = path.parent().filter(|parent| parent.has_root());
        let directory = directory.ok_or_else(unusable)?;
        let (stem, suffix) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        Ok(Self {
            path: path.to_owned(),
            directory: directory.to_owned(),
            lock: directory.join(format!(".{name}.lock")),
            prefix: format!("{stem}-"),
            suffix,
        })
    }

    /// A name for the file being rotated at `now` that no file has.
    pub(super) fn free(&self, now: SystemTime) -> io::Result<PathBuf> {
        let now = Timestamp::try_from(now).map_err(io::Error::other)?;
        let time = now.strftime("%Y%m%dT%H%M%S%3fZ");
        for counter in 1..=COUNTER_MAX {
            let name = format!("{}{time}-{counter:04}{}", self.prefix, self.suffix);
            let path = self.directory.join(name);
            if !path.try_exists()? {
                return Ok(path);
            }
        }
        Err(io::Error::other("no free name for the rotated file"))
    }

    /// The rotated files, oldest first.
    pub(super) fn rotated(&self) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            if name.to_str().is_some_and(|name| self.is_rotated(name)) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names.iter().map(|name| self.directory.join(name)).collect())
    }

    /// Whether the name has exactly the form that [`Self::free`] gives: only such files are ever
    /// deleted.
    fn is_rotated(&self, name: &str) -> bool {
        const FORM: &[u8] = b"00000000T000000000Z-0000";
        let middle = name
            .strip_prefix(&self.prefix)
            .and_then(|rest| rest.strip_suffix(&self.suffix));
        middle.is_some_and(|middle| {
            middle.len() == FORM.len()
                && middle.bytes().zip(FORM).all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    form => byte == *form,
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rotated_names_sort_by_age_and_never_repeat() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(&directory.path().join("events.jsonl")).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_444_925_123);
        let mut made = Vec::new();
        for at in [now, now, now + Duration::from_millis(1)] {
            let path = names.free(at).unwrap();
            fs::write(&path, "").unwrap();
            made.push(path);
        }
        let first = made[0].file_name().unwrap();
        assert_eq!(first, "events-20261123T144205123Z-0001.jsonl");
        assert_eq!(names.rotated().unwrap(), made);
    }

    #[test]
    fn other_files_are_not_taken_for_rotated_ones() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(&directory.path().join("events.jsonl")).unwrap();
        for name in [
            "events.jsonl",
            "events-notes.jsonl",
            "events-20261123T144205123Z-0001.jsonl.gz",
            "events-20261123T144205123Z-0001",
            "events-20261123T144205123Z-00x1.jsonl",
            "other-20261123T144205123Z-0001.jsonl",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(names.rotated().unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_path_must_name_a_file_in_an_absolute_directory() {
        for path in ["/", "events.jsonl", "/a/.."] {
            assert!(Names::new(Path::new(path)).is_err(), "{path}");
        }
        let names = Names::new(Path::new("/a/events")).unwrap();
        assert_eq!(names.lock, Path::new("/a/.events.lock"));
    }
}
