//! `path` of `kind = "file"`: a file, or files whose names follow from the event.
//!
//! Whatever the event, the path stays below a directory that the configuration names, and is one
//! that a file system takes, for rotated and compressed files, too. Looks at no file but to tell a
//! directory.

use std::path::{Path, PathBuf};

use crate::settings::{FileNames, Letters, NamePart};

use super::name;
use super::sections::plain;
use super::table::Table;

/// Bytes of a name in a directory, as file systems have it.
const NAME_BYTES_MAX: usize = 255;
/// What rotation and compression put behind a file's name, or a lock around it.
const ADDED: &str = "-20261123T144205123Z-0001.gz.tmp";
/// Bytes of a path; the system takes 4095.
const PATH_BYTES_MAX: usize = 3072;

/// The path as it is written, and its parts where it follows the event; none if it is missing or
/// cannot be used, which is then reported.
pub(super) fn file_path(table: &Table<'_>) -> Option<(PathBuf, Option<FileNames>)> {
    let text = table.string("path", None);
    if !table.has("path") {
        table.problem("path", "missing", "name the file to write");
    }
    let text = text?;
    let path = table.base().join(&text);
    if name::follows(&text) {
        return match names(table.base(), &text) {
            Ok(names) => Some((path, Some(names))),
            Err(what) => {
                let remedy = "write such as \"/var/lib/archive/{source}/{yyyy-MM}.jsonl\": a \
                              directory of its own, then what follows from the event";
                table.problem("path", what, remedy);
                None
            }
        };
    }
    if path.file_name().is_none() || path.is_dir() {
        let remedy = "name a file in it, such as events.jsonl";
        table.problem("path", "is a directory", remedy);
    }
    Some((path, None))
}

fn names(base: &Path, text: &str) -> Result<FileNames, String> {
    let mut directory = match text.starts_with('/') {
        true => PathBuf::from("/"),
        false => base.to_owned(),
    };
    let mut segments = name::segments(text)?.into_iter().peekable();
    let fixed = |segment: &Vec<NamePart>| match segment.as_slice() {
        [] => Some(String::new()),
        [NamePart::Text(text)] => Some(text.clone()),
        _ => None,
    };
    let mut below = Vec::new();
    while let Some(segment) = segments.next() {
        match fixed(&segment) {
            // The last one is the file's name.
            Some(text) if below.is_empty() && segments.peek().is_some() => directory.push(text),
            _ => below.push(segment),
        }
    }
    // Else a sender could write anywhere.
    if plain(&directory).parent().is_none() {
        return Err("follows the event from its first directory on".to_owned());
    }
    if !below.iter().all(|segment| name::is_below(segment)) {
        return Err("has a name that is empty, . or ..".to_owned());
    }
    let lengths = below.iter().enumerate().map(|(at, segment)| {
        let is_file = at + 1 == below.len();
        let added = if is_file { ADDED.len() } else { 0 };
        name::longest(segment, Letters::Plain).len() + added
    });
    let lengths: Vec<_> = lengths.collect();
    if lengths.iter().any(|length| *length > NAME_BYTES_MAX) {
        return Err(format!(
            "can have a name longer than {NAME_BYTES_MAX} bytes, with what rotation adds to it"
        ));
    }
    let whole = directory.as_os_str().len() + lengths.iter().sum::<usize>() + lengths.len();
    if whole > PATH_BYTES_MAX {
        return Err(format!("can be longer than {PATH_BYTES_MAX} bytes"));
    }
    Ok(FileNames { directory, below })
}
