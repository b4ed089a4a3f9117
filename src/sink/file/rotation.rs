//! Names: the file, its lock, and the rotated ones beside it.
//!
//! `events.jsonl` is rotated to `events-20261123T144205123Z-0001.jsonl`: UTC time of the
//! rotation and a counter, so that names sort by age and none is ever written over. Compressed it
//! has `.gz` behind that, and `.gz.tmp` for as long as it is not whole. Between the two steps that
//! put one in the other's place both forms are there, and are one rotated file.

use std::collections::BTreeSet;
use std::ffi::OsString;
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

/// Behind the name of a rotated file that is compressed.
const PACKED: &str = ".gz";
/// Behind that while it is being made.
const UNFINISHED: &str = ".tmp";

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

    /// A name for the file being rotated at `now` that no file has in either form.
    pub(super) fn free(&self, now: SystemTime) -> io::Result<PathBuf> {
        let now = Timestamp::try_from(now).map_err(io::Error::other)?;
        let time = now.strftime("%Y%m%dT%H%M%S%3fZ");
        for counter in 1..=COUNTER_MAX {
            let name = format!("{}{time}-{counter:04}{}", self.prefix, self.suffix);
            let path = self.directory.join(name);
            if !path.try_exists()? && !packed(&path).try_exists()? {
                return Ok(path);
            }
        }
        Err(io::Error::other("no free name for the rotated file"))
    }

    /// The rotated files by the names they were given, oldest first, whatever their form.
    pub(super) fn rotated(&self) -> io::Result<Vec<PathBuf>> {
        let name = |name: &str| {
            let plain = Some(name).filter(|name| self.is_rotated(name));
            let of_packed = || {
                name.strip_suffix(PACKED)
                    .filter(|name| self.is_rotated(name))
            };
            plain.or_else(of_packed).map(str::to_owned)
        };
        self.names(name)
    }

    /// The rotated files that are not compressed, or not yet removed after it, oldest first.
    pub(super) fn plain(&self) -> io::Result<Vec<PathBuf>> {
        self.names(|name| self.is_rotated(name).then(|| name.to_owned()))
    }

    /// What compressions that were broken off left.
    pub(super) fn unfinished(&self) -> io::Result<Vec<PathBuf>> {
        self.names(|name| {
            let packed = name.strip_suffix(UNFINISHED)?;
            let plain = packed.strip_suffix(PACKED)?;
            self.is_rotated(plain).then(|| name.to_owned())
        })
    }

    /// Whether there is anything that a compression would put right.
    pub(super) fn is_anything_left(&self) -> io::Result<bool> {
        let left = self.names(|name| {
            let packed = name.strip_suffix(UNFINISHED);
            let plain = packed.and_then(|packed| packed.strip_suffix(PACKED));
            self.is_rotated(plain.unwrap_or(name))
                .then(|| name.to_owned())
        });
        Ok(!left?.is_empty())
    }

    /// What `name` makes of the names in the directory, sorted, each once.
    fn names(&self, name: impl Fn(&str) -> Option<String>) -> io::Result<Vec<PathBuf>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.directory)? {
            names.extend(entry?.file_name().to_str().and_then(&name));
        }
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

/// The compressed form's path.
pub(super) fn packed(plain: &Path) -> PathBuf {
    with(plain, PACKED)
}

/// The path of the compressed form while it is made.
pub(super) fn unfinished(plain: &Path) -> PathBuf {
    with(&packed(plain), UNFINISHED)
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(suffix);
    path.into()
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
    fn a_rotated_file_is_one_in_whatever_form_and_its_name_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(&directory.path().join("events.jsonl")).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_444_925_123);
        let plain = names.free(now).unwrap();
        fs::write(packed(&plain), "").unwrap();
        let next = names.free(now).unwrap();
        assert_ne!(next, plain);
        fs::write(&next, "").unwrap();
        fs::write(packed(&next), "").unwrap();
        fs::write(unfinished(&next), "").unwrap();
        assert_eq!(names.rotated().unwrap(), [plain, next.clone()]);
        assert_eq!(names.plain().unwrap(), [next.as_path()]);
        assert_eq!(names.unfinished().unwrap(), [unfinished(&next)]);
    }

    #[test]
    fn other_files_are_not_taken_for_rotated_ones() {
        let directory = tempfile::tempdir().unwrap();
        let names = Names::new(&directory.path().join("events.jsonl")).unwrap();
        for name in [
            "events.jsonl",
            "events-notes.jsonl",
            "events-20261123T144205123Z-0001.jsonl.bz2",
            "events-20261123T144205123Z-0001",
            "events-20261123T144205123Z-0001.gz",
            "events-notes.jsonl.gz",
            "events-notes.jsonl.gz.tmp",
            "events-20261123T144205123Z-00x1.jsonl",
            "other-20261123T144205123Z-0001.jsonl",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        for found in [names.rotated(), names.plain(), names.unfinished()] {
            assert_eq!(found.unwrap(), Vec::<PathBuf>::new());
        }
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
