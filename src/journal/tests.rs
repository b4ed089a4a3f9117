//! Proves the journal's promises against real files, with faults put in at the seam.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::telemetry::metrics::Metrics;

mod cursor_tests;
mod damage_tests;
mod direct_tests;
mod fault_tests;
mod format_tests;
mod garbage_tests;
mod log_tests;
mod model_tests;
mod recovery_tests;
mod recycle_cut_tests;
mod recycle_tests;
mod seal_tests;
mod shed_tests;
mod sim;
mod skip_tests;
mod survey_tests;
mod watched;

const SEGMENT_BYTES: u64 = 64 * 1024;
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

fn options(directory: &Path) -> Options {
    Options {
        directory: directory.to_owned(),
        max_size_bytes: 100 * SEGMENT_BYTES,
        segment_bytes: SEGMENT_BYTES,
        reserve_bytes: 0,
        retain_delivered: Duration::ZERO,
        resend_window: 1000,
        scrub_interval: Duration::ZERO,
        allow_ephemeral: true,
    }
}

fn open(directory: &Path) -> Journal {
    open_with(options(directory), Arc::new(DiskFiles)).unwrap()
}

/// Opens a journal. A child that another test of this process starts holds a copy of a lock that
/// was just given back, from its fork until its program runs: that is waited for.
fn open_with(options: Options, files: Arc<dyn Files>) -> Result<Journal, OpenError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let metrics = Metrics::new().unwrap().storage.clone();
        match Journal::open(options.clone(), Arc::clone(&files), metrics) {
            Err(OpenError::Locked(_)) if Instant::now() < deadline => std::thread::yield_now(),
            opened => return opened,
        }
    }
}

fn record(text: &str) -> NewRecord {
    NewRecord {
        id: *uuid::Uuid::new_v4().as_bytes(),
        received_ms: 1_763_900_000_000,
        resend: None,
        header: b"header".to_vec(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn append(journal: &Journal, record: NewRecord) -> Result<Stored, AppendError> {
    let answer = journal.append(vec![record])?.wait()?;
    Ok(answer[0])
}

fn position(stored: Stored) -> u64 {
    match stored {
        Stored::At { position, .. } => position,
        Stored::Repeat { .. } => panic!("a repeat has no position"),
    }
}

/// Payloads from a position on, up to the end or to damage.
fn read_all(journal: &Journal, after: u64) -> (Vec<String>, Option<ReadError>) {
    let mut reader = journal.reader(after);
    let mut texts = Vec::new();
    loop {
        match reader.read(7, 1000).map(records) {
            Ok(records) if records.is_empty() => return (texts, None),
            Ok(records) => texts.extend(records.iter().map(text)),
            Err(error) => return (texts, Some(error)),
        }
    }
}

fn text(read: &ReadRecord) -> String {
    String::from_utf8(read.record.payload.to_vec()).unwrap()
}

/// Where nothing was given up.
fn records(read: Read) -> Vec<ReadRecord> {
    match read {
        Read::Records(records) => records,
        Read::Lost(lost) => panic!("{lost:?}"),
    }
}

fn segment_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|ext| ext == "seg"))
        .collect();
    paths.sort();
    paths
}

/// Waits for something that another thread does.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// The disk, with switches that make it fail.
#[derive(Default)]
struct FaultyFiles {
    full: Arc<AtomicBool>,
    broken_sync: Arc<AtomicBool>,
    /// Lets syncs of directories fail for lack of space.
    full_directory: Arc<AtomicBool>,
    synced_directories: Arc<Mutex<Vec<PathBuf>>>,
    /// What is said to be free; as the disk says where nothing is given.
    free_bytes: Arc<Mutex<Option<u64>>>,
    /// A file whose every read fails.
    unreadable: Option<PathBuf>,
    /// Offset of a byte in each file that the disk cannot give.
    bad_sector: Arc<Mutex<Option<u64>>>,
    /// Told when a file is about to be removed, which then waits for a word, but not for ever.
    removing: Mutex<Option<(SyncSender<()>, Receiver<()>)>>,
}

struct FaultyFile {
    file: Arc<dyn JournalFile>,
    full: Arc<AtomicBool>,
    broken_sync: Arc<AtomicBool>,
    unreadable: bool,
    bad_sector: Arc<Mutex<Option<u64>>>,
}

impl FaultyFiles {
    fn wrap(&self, path: &Path, file: Arc<dyn JournalFile>) -> Arc<dyn JournalFile> {
        let (full, broken_sync) = (Arc::clone(&self.full), Arc::clone(&self.broken_sync));
        Arc::new(FaultyFile {
            unreadable: self.unreadable.as_deref() == Some(path),
            bad_sector: Arc::clone(&self.bad_sector),
            file,
            full,
            broken_sync,
        })
    }
}

impl Files for FaultyFiles {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.wrap(path, DiskFiles.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.wrap(path, DiskFiles.create(path)?))
    }

    fn create_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.wrap(path, DiskFiles.create_direct(path)?))
    }

    fn open_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        Ok(self.wrap(path, DiskFiles.open_direct(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFiles.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if let Some((removing, go_on)) = self.removing.lock().unwrap().take() {
            removing.send(()).unwrap();
            let _word = go_on.recv_timeout(Duration::from_millis(300));
        }
        DiskFiles.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        if self.full_directory.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.synced_directories
            .lock()
            .unwrap()
            .push(path.to_owned());
        DiskFiles.sync_directory(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let free = *self.free_bytes.lock().unwrap();
        free.map_or_else(|| DiskFiles.free_bytes(path), Ok)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        DiskFiles.list(path)
    }
}

impl JournalFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.unreadable {
            return Err(io::Error::other("injected"));
        }
        let stretch = offset..offset + buffer.len() as u64;
        if let Some(bad) = self
            .bad_sector
            .lock()
            .unwrap()
            .filter(|at| stretch.contains(at))
        {
            // As the kernel does it: what comes before is given first.
            let before = (bad / 4096 * 4096).saturating_sub(offset);
            let before = usize::try_from(before).unwrap();
            if before == 0 {
                return Err(rustix::io::Errno::IO.into());
            }
            return self.file.read_at(&mut buffer[..before], offset);
        }
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.full.load(Ordering::SeqCst) {
            // Half of it arrives, as it does on a disk that fills up.
            let half = bytes.len() / 2;
            if half > 8 {
                return self.file.write_at(&bytes[..half], offset);
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.broken_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("injected"));
        }
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}
