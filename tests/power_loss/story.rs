//! What a relay did to its files, and when it answered: system calls with names resolved to files,
//! and with the moment at which each became durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::format::{Id, answered_ids};
use crate::trace::{self, Call};

/// A file, whatever it is called at the moment.
pub(crate) type FileId = usize;

/// All sessions of a relay in one directory, one after the other.
pub(crate) struct Story {
    pub(crate) root: PathBuf,
    pub(crate) steps: Vec<Step>,
    names: BTreeMap<PathBuf, FileId>,
    lengths: Vec<u64>,
    lines: usize,
}

/// One system call that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// Whether it returned; else a kill came in between, and `end` is the end of the process.
    pub(crate) returned: bool,
    /// When it had become durable: the end of the first sync that began after it; for answers and
    /// syncs it means nothing.
    pub(crate) durable: Option<usize>,
    pub(crate) act: Act,
}

/// What a call did.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    MakeDirectory(PathBuf),
    Create {
        file: FileId,
        path: PathBuf,
    },
    Rename {
        file: FileId,
        to: PathBuf,
    },
    Unlink {
        file: FileId,
        path: PathBuf,
    },
    Write {
        file: FileId,
        at: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        file: FileId,
        length: u64,
    },
    Sync(FileId),
    SyncDirectory(PathBuf),
    /// A 200 to a sender.
    Answer(Id),
}

impl Story {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            steps: Vec::new(),
            names: BTreeMap::new(),
            lengths: Vec::new(),
            lines: 0,
        }
    }

    /// Adds what one process did. It must have ended: what a kill interrupted is looked up in the
    /// files as they are now.
    pub(crate) fn add_session(&mut self, text: &str) {
        let calls = trace::calls(text, self.lines);
        self.lines += text.lines().count();
        for call in calls.iter().filter(|call| !call.failed()) {
            for act in self.acts(call) {
                self.steps.push(Step {
                    begin: call.begin,
                    end: call.end.unwrap_or(self.lines),
                    returned: call.end.is_some(),
                    durable: None,
                    act,
                });
            }
        }
        self.lines += 1;
        self.note_durability();
    }

    /// The same without some acts, as if they had not been done.
    pub(crate) fn without(&self, left_out: impl Fn(&Act) -> bool) -> Self {
        let mut story = Self {
            lines: self.lines,
            ..Self::new(&self.root)
        };
        let kept = self.steps.iter().filter(|step| !left_out(&step.act));
        story.steps = kept.cloned().collect();
        story.note_durability();
        story
    }

    /// Every file that was ever known by a name that `wanted` wants, and that name.
    pub(crate) fn files(&self, wanted: impl Fn(&str) -> bool) -> BTreeMap<FileId, PathBuf> {
        let named = self.steps.iter().filter_map(|step| match &step.act {
            Act::Create { file, path } => Some((*file, path)),
            Act::Rename { file, to, .. } => Some((*file, to)),
            _ => None,
        });
        let wanted = named.filter(|(_, path)| wanted(name_of(path)));
        wanted.map(|(file, path)| (file, path.clone())).collect()
    }

    fn acts(&mut self, call: &Call) -> Vec<Act> {
        match call.name.as_str() {
            "mkdir" | "mkdirat" => self.made(call),
            "openat" => self.opened(call),
            "rename" | "renameat" | "renameat2" => self.renamed(call),
            "unlink" | "unlinkat" => self.unlinked(call),
            "pwrite64" => self.written(call, Some(call.last_number())),
            "write" | "writev" | "sendto" => self.written(call, None),
            "ftruncate" => {
                let file = self.open_file(call).filter(|_| call.end.is_some());
                let acts = file.map(|file| self.truncated(file, call.last_number()));
                acts.into_iter().collect()
            }
            "fdatasync" | "fsync" => self.synced(call),
            name => panic!("{name} is not a call that was asked for"),
        }
    }

    fn made(&self, call: &Call) -> Vec<Act> {
        let path = self.path(&call.paths()[0]);
        // Made or not, when a kill came between: a directory that was not is made again.
        let made = path.starts_with(&self.root);
        made.then_some(Act::MakeDirectory(path))
            .into_iter()
            .collect()
    }

    fn opened(&mut self, call: &Call) -> Vec<Act> {
        let path = self.path(&call.paths()[0]);
        if !path.starts_with(&self.root) || !call.has_flag("O_CREAT") {
            return vec![];
        }
        match self.names.get(&path) {
            Some(file) if call.has_flag("O_TRUNC") => vec![self.truncated(*file, 0)],
            Some(_) => vec![],
            None if call.end.is_none() && !path.exists() => vec![],
            None => {
                let file = self.lengths.len();
                self.lengths.push(0);
                self.names.insert(path.clone(), file);
                vec![Act::Create { file, path }]
            }
        }
    }

    fn renamed(&mut self, call: &Call) -> Vec<Act> {
        let paths = call.paths();
        let (from, to) = (self.path(&paths[0]), self.path(&paths[1]));
        if !from.starts_with(&self.root) || call.end.is_none() && from.exists() {
            return vec![];
        }
        let file = self.names.remove(&from).expect("a known file is renamed");
        self.names.insert(to.clone(), file);
        vec![Act::Rename { file, to }]
    }

    fn unlinked(&mut self, call: &Call) -> Vec<Act> {
        let path = self.path(&call.paths()[0]);
        if !path.starts_with(&self.root) || call.end.is_none() && path.exists() {
            return vec![];
        }
        let file = self.names.remove(&path).expect("a known file is unlinked");
        vec![Act::Unlink { file, path }]
    }

    fn written(&mut self, call: &Call, at: Option<u64>) -> Vec<Act> {
        let mut bytes = call.strings().concat();
        if let Some(count) = call.returned() {
            bytes.truncate(count);
        }
        if call
            .file()
            .is_some_and(|name| name.starts_with("socket:") || name.starts_with("TCP"))
        {
            return answered_ids(&bytes).into_iter().map(Act::Answer).collect();
        }
        let Some(file) = self.open_file(call) else {
            return vec![];
        };
        let at = at.unwrap_or(self.lengths[file]);
        if call.end.is_none() {
            // The kill came in the write: the page cache has what it has.
            let known = call.file().and_then(|name| std::fs::read(name).ok());
            let start = usize::try_from(at).unwrap();
            let found = known.unwrap_or_default();
            let found = found.into_iter().skip(start).take(bytes.len());
            bytes = found.collect();
        }
        self.lengths[file] = self.lengths[file].max(at + bytes.len() as u64);
        vec![Act::Write { file, at, bytes }]
    }

    fn truncated(&mut self, file: FileId, length: u64) -> Act {
        self.lengths[file] = length;
        Act::Truncate { file, length }
    }

    fn synced(&self, call: &Call) -> Vec<Act> {
        let path = call.file().map(PathBuf::from);
        let inside = path.filter(|path| call.end.is_some() && path.starts_with(&self.root));
        let act = inside.map(|path| match self.names.get(&path) {
            Some(file) => Act::Sync(*file),
            None => Act::SyncDirectory(path),
        });
        act.into_iter().collect()
    }

    fn open_file(&self, call: &Call) -> Option<FileId> {
        self.names.get(Path::new(&call.file()?)).copied()
    }

    /// The relay's working directory is the root.
    fn path(&self, text: &str) -> PathBuf {
        self.root.join(text)
    }

    fn note_durability(&mut self) {
        let durable: Vec<_> = (self.steps.iter())
            .map(|step| self.first_sync_after(step))
            .collect();
        for (step, durable) in self.steps.iter_mut().zip(durable) {
            step.durable = durable;
        }
    }

    fn first_sync_after(&self, changed: &Step) -> Option<usize> {
        let syncs = self.steps.iter().filter(|step| step.begin > changed.end);
        let covering = syncs.filter(|step| match (&changed.act, &step.act) {
            (Act::Write { file, .. } | Act::Truncate { file, .. }, Act::Sync(synced)) => {
                file == synced
            }
            (
                Act::MakeDirectory(path)
                | Act::Create { path, .. }
                | Act::Rename { to: path, .. }
                | Act::Unlink { path, .. },
                Act::SyncDirectory(directory),
            ) => path.parent() == Some(directory),
            _ => false,
        });
        covering.map(|step| step.end).min()
    }
}

impl Step {
    /// Whether it was certainly on disk before this line.
    pub(crate) fn is_durable_at(&self, line: usize) -> bool {
        self.durable.is_some_and(|durable| durable < line)
    }
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}
