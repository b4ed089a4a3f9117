//! A file system in memory that can lose power: what was not synced may be lost, in part and in
//! any order, at the granularity of a sector. It can also fail or be cut short at any operation.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal::{Files, JournalFile};

/// What reaches the disk reaches it whole, in pieces of this size.
const SECTOR: usize = 512;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An error that says nothing about space.
    Broken,
    /// No space, and nothing was written.
    Full,
    /// Half is written, and there is no space for the rest.
    Short,
    /// The power goes; so it does for every later operation.
    PowerCut,
}

/// All faults.
pub(super) const FAULTS: [Fault; 4] = [Fault::Broken, Fault::Full, Fault::Short, Fault::PowerCut];

/// A disk. Clones share it.
#[derive(Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    inodes: Vec<Inode>,
    /// Names as processes see them.
    names: BTreeMap<String, usize>,
    /// Names as they are on the disk.
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the directory was last synced.
    pending_names: Vec<NameChange>,
    /// Operations so far that a fault can hit.
    operations: usize,
    fault: Option<(usize, Fault)>,
    /// The last operation took half of its bytes; the next write finds no space.
    short: bool,
    dead: bool,
}

#[derive(Clone, Default)]
struct Inode {
    /// As processes see it.
    seen: Content,
    /// As it is on the disk.
    durable: Content,
    /// Writes since the last sync.
    pending: Vec<(usize, Vec<u8>)>,
}

/// A file's bytes, by sector; what was never written is zero. Sparse, as the cursor file is.
#[derive(Clone, Default)]
struct Content {
    sectors: BTreeMap<usize, [u8; SECTOR]>,
    length: usize,
}

#[derive(Clone)]
enum NameChange {
    Set(String, usize),
    Rename(String, String),
    Remove(String),
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl SimDisk {
    /// The `at`-th operation from here on (0 is the next) meets the fault.
    pub(super) fn fault_at(&self, at: usize, fault: Fault) {
        let mut disk = self.disk();
        disk.fault = Some((disk.operations + at, fault));
    }

    pub(super) fn heal(&self) {
        let mut disk = self.disk();
        disk.fault = None;
        disk.short = false;
    }

    pub(super) fn operations(&self) -> usize {
        self.disk().operations
    }

    /// Every later operation fails: whoever still runs on this disk is a process that is gone.
    pub(super) fn cut_power(&self) {
        self.disk().dead = true;
    }

    /// What the next process finds after a kill: all that was written, synced or not.
    pub(super) fn after_kill(&self) -> Self {
        let disk = self.disk();
        Self(Arc::new(Mutex::new(Disk {
            inodes: disk.inodes.clone(),
            names: disk.names.clone(),
            durable_names: disk.durable_names.clone(),
            pending_names: disk.pending_names.clone(),
            ..Disk::default()
        })))
    }

    /// What is on the disk after a power cut: all that was synced, and of the rest what `rng`
    /// picks. Changes of names reach a disk in their order.
    pub(super) fn after_power_cut(&self, rng: &mut Chance) -> Self {
        let disk = self.disk();
        let mut names = disk.durable_names.clone();
        let kept = pick(rng, disk.pending_names.len() + 1);
        for change in disk.pending_names.iter().take(kept) {
            change.apply(&mut names);
        }
        let inodes = disk
            .inodes
            .iter()
            .map(|inode| inode.after_power_cut(rng))
            .collect();
        Self(Arc::new(Mutex::new(Disk {
            inodes,
            durable_names: names.clone(),
            names,
            ..Disk::default()
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// Counts an operation; the fault that it meets, if any.
    fn operate(&self) -> io::Result<(MutexGuard<'_, Disk>, Option<Fault>)> {
        let mut disk = self.disk();
        let fault = disk
            .fault
            .filter(|(at, _)| *at == disk.operations)
            .map(|(_, fault)| fault);
        disk.operations += 1;
        if fault == Some(Fault::PowerCut) {
            disk.dead = true;
        }
        if disk.dead {
            return Err(io::Error::other("the power is gone"));
        }
        Ok((disk, fault))
    }

    /// The same for an operation that cannot be half done.
    fn operate_whole(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let (disk, fault) = self.operate()?;
        match fault {
            None => Ok(disk),
            Some(Fault::Full | Fault::Short) => Err(io::ErrorKind::StorageFull.into()),
            Some(_) => Err(io::Error::other("injected")),
        }
    }

    fn open_inode(&self, inode: usize) -> Arc<dyn JournalFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            inode,
        })
    }
}

impl Inode {
    fn after_power_cut(&self, rng: &mut Chance) -> Self {
        let mut durable = self.durable.clone();
        // Each sector of each write arrives or does not; later writes need not come later.
        let mood = pick(rng, 4);
        for (offset, bytes) in &self.pending {
            for (at, piece) in pieces(*offset, bytes.len()) {
                let arrives = match mood {
                    0 => false,
                    1 => true,
                    _ => pick(rng, 2) == 0,
                };
                if arrives {
                    durable.put(at, &bytes[piece]);
                }
            }
        }
        Self {
            seen: durable.clone(),
            durable,
            pending: Vec::new(),
        }
    }
}

impl Content {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.length = self.length.max(offset + bytes.len());
        for (at, rest) in pieces(offset, bytes.len()) {
            let sector = self.sectors.entry(at / SECTOR).or_insert([0; SECTOR]);
            let start = at % SECTOR;
            sector[start..start + rest.len()].copy_from_slice(&bytes[rest]);
        }
    }

    fn get(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.length.saturating_sub(offset));
        for (at, rest) in pieces(offset, count) {
            let start = at % SECTOR;
            let into = &mut buffer[rest];
            match self.sectors.get(&(at / SECTOR)) {
                Some(sector) => into.copy_from_slice(&sector[start..start + into.len()]),
                None => into.fill(0),
            }
        }
        count
    }
}

/// Cuts a stretch of a file at sectors: where each piece begins, and which bytes it is.
fn pieces(offset: usize, count: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done;
        let length = (SECTOR - at % SECTOR).min(count - done);
        let piece = (at, done..done + length);
        done += length;
        (length > 0).then_some(piece)
    })
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Files for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let inode = self.operate_whole()?.names.get(&name(path)).copied();
        inode
            .map(|inode| self.open_inode(inode))
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut disk = self.operate_whole()?;
        disk.inodes.push(Inode::default());
        let inode = disk.inodes.len() - 1;
        disk.change(NameChange::Set(name(path), inode));
        drop(disk);
        Ok(self.open_inode(inode))
    }

    fn create_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        self.create(path)
    }

    fn open_direct(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.operate_whole()?;
        if !disk.names.contains_key(&name(from)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change(NameChange::Rename(name(from), name(to)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.operate_whole()?;
        if !disk.names.contains_key(&name(path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        disk.change(NameChange::Remove(name(path)));
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut disk = self.operate_whole()?;
        disk.durable_names = disk.names.clone();
        disk.pending_names.clear();
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.operate_whole()?.names.keys().cloned().collect())
    }
}

impl Disk {
    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }
}

impl JournalFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Reads meet no faults here: what cannot be read is another test's subject.
        let disk = self.disk.disk();
        if disk.dead {
            return Err(io::Error::other("the power is gone"));
        }
        let seen = &disk.inodes[self.inode].seen;
        Ok(seen.get(usize::try_from(offset).unwrap(), buffer))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let (mut disk, fault) = self.disk.operate()?;
        let count = match fault {
            Some(Fault::Short) if bytes.len() > 1 => {
                disk.short = true;
                bytes.len() / 2
            }
            Some(Fault::Full | Fault::Short) => return Err(io::ErrorKind::StorageFull.into()),
            Some(_) => return Err(io::Error::other("injected")),
            None if std::mem::take(&mut disk.short) => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            None => bytes.len(),
        };
        let offset = usize::try_from(offset).unwrap();
        let inode = &mut disk.inodes[self.inode];
        inode.seen.put(offset, &bytes[..count]);
        inode.pending.push((offset, bytes[..count].to_vec()));
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut disk, fault) = self.disk.operate()?;
        if let Some(fault) = fault {
            // As the kernel does it: the pages are dropped from what will be written, while
            // processes go on seeing them.
            disk.inodes[self.inode].pending.clear();
            return Err(match fault {
                Fault::Full | Fault::Short => io::ErrorKind::StorageFull.into(),
                _ => io::Error::other("injected"),
            });
        }
        let inode = &mut disk.inodes[self.inode];
        for (offset, bytes) in std::mem::take(&mut inode.pending) {
            inode.durable.put(offset, &bytes);
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.disk().inodes[self.inode].seen.length as u64)
    }
}

/// Chance that a seed repeats (SplitMix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A number below `limit`.
pub(super) fn pick(rng: &mut Chance, limit: usize) -> usize {
    usize::try_from(rng.next() >> 33).unwrap() % limit
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
