//! What a disk may hold after a power cut: everything that was synced, and any part of the rest.
//!
//! A sector holds one of the contents it had in the page cache since its last sync. Creations,
//! renames and unlinks that no sync of the directory covered happened or did not, each for itself:
//! more disorder than a journaling file system allows.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::chance::Chance;
use crate::story::{Act, FileId, Story};

const SECTOR_BYTES: usize = 512;

/// The journal's directory as it may be found.
pub(crate) struct Image {
    files: BTreeMap<FileId, Content>,
    names: BTreeMap<PathBuf, FileId>,
}

#[derive(Default)]
struct Content {
    /// What the running system saw.
    cached: Vec<u8>,
    /// What is on disk.
    stored: Vec<u8>,
}

impl Image {
    /// After a cut just before a line.
    pub(crate) fn at_cut(story: &Story, line: usize, chance: &mut Chance) -> Self {
        let mut image = Self {
            files: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let journal = story.root.join("journal");
        for step in story.steps.iter().filter(|step| step.begin < line) {
            let certain = step.is_durable_at(line);
            match &step.act {
                Act::Write { file, at, bytes } => {
                    let content = image.files.entry(*file).or_default();
                    content.write(usize::try_from(*at).unwrap(), bytes, || {
                        certain || chance.one_in(2)
                    });
                }
                Act::Truncate { file, length } => {
                    let content = image.files.entry(*file).or_default();
                    let length = usize::try_from(*length).unwrap();
                    content.cached.resize(length, 0);
                    if certain || chance.one_in(2) {
                        content.stored.resize(length, 0);
                    }
                }
                Act::Create { file, path } | Act::Rename { file, to: path, .. }
                    if path.parent() == Some(&journal) && (certain || chance.one_in(2)) =>
                {
                    image.names.retain(|_, named| named != file);
                    image.names.insert(path.clone(), *file);
                }
                Act::Unlink { path, .. } if certain || chance.one_in(2) => {
                    image.names.remove(path);
                }
                _ => {}
            }
        }
        image
    }

    /// Writes the files into a directory.
    pub(crate) fn write_to(&self, directory: &Path) {
        for (path, file) in &self.names {
            let target = directory.join(path.file_name().unwrap());
            let target = File::create(target).unwrap();
            let Some(content) = self.files.get(file) else {
                continue;
            };
            target.set_len(content.stored.len() as u64).unwrap();
            for (index, sector) in content.stored.chunks(SECTOR_BYTES).enumerate() {
                // Holes read as zeros.
                if sector.iter().any(|byte| *byte != 0) {
                    let at = (index * SECTOR_BYTES) as u64;
                    target.write_all_at(sector, at).unwrap();
                }
            }
        }
    }
}

impl Content {
    /// Writes to the cache, and to the disk those of the touched sectors that reach it.
    fn write(&mut self, at: usize, bytes: &[u8], mut reaches: impl FnMut() -> bool) {
        let end = at + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[at..end].copy_from_slice(bytes);
        let first = at - at % SECTOR_BYTES;
        for start in (first..end).step_by(SECTOR_BYTES) {
            if !reaches() {
                continue;
            }
            let stop = (start + SECTOR_BYTES).min(self.cached.len());
            if self.stored.len() < stop {
                self.stored.resize(stop, 0);
            }
            self.stored[start..stop].copy_from_slice(&self.cached[start..stop]);
        }
    }
}

#[test]
fn synced_sectors_are_whole_and_others_are_old_or_new() {
    let mut content = Content::default();
    content.write(0, &[1; 1024], || true);
    let mut second = false;
    content.write(100, &[2; 900], || std::mem::replace(&mut second, true));
    let [first, second] = [&content.stored[..512], &content.stored[512..]];
    assert!(first.iter().all(|byte| *byte == 1));
    assert!(second[..488].iter().all(|byte| *byte == 2));
    assert!(second[488..].iter().all(|byte| *byte == 1));
}
