//! What the disk gives to a loop of writes and syncs that does nothing else.
//!
//! One loop overwrites one file again and again, whose pages stay in memory: the least that a group
//! can cost. The other one keeps what it writes, as a journal must, and so goes from one file that
//! was made ahead to the next; making them is not measured.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use siem_relay::journal::{DIRECT_ALIGNMENT, DiskFiles, Files};

use crate::Plan;
use crate::journal::{RECORD_BYTES, SEGMENT_BYTES};

/// Files made ahead for the loop that keeps; it ends when they are full.
const FILES: usize = 12;
/// Bytes of zeros written at once.
const ZERO_BYTES: usize = 1024 * 1024;
/// Left at the end of each file, where a journal has its own.
const SPARED_BYTES: u64 = 64 * 1024;

#[derive(Clone, Copy)]
pub(crate) enum RawLoop {
    Overwriting,
    Keeping,
}

impl RawLoop {
    /// Records/s in groups of so many.
    pub(crate) fn run(self, plan: &Plan, group: usize) -> io::Result<f64> {
        let scratch = plan.scratch("raw")?;
        let count = match self {
            Self::Overwriting => 1,
            Self::Keeping => FILES,
        };
        let paths: Vec<PathBuf> = (0..count)
            .map(|number| scratch.directory.join(number.to_string()))
            .collect();
        paths.iter().try_for_each(|path| zeros(path))?;
        let bytes = vec![b'x'; group.max(1) * RECORD_BYTES];
        let (mut offset, mut records, mut next) = (SEGMENT_BYTES, 0, 0);
        let mut file = File::open(&scratch.directory)?;
        let started = Instant::now();
        while started.elapsed() < plan.duration {
            if offset + bytes.len() as u64 > SEGMENT_BYTES - SPARED_BYTES {
                let Some(path) = paths.get(next) else { break };
                file = File::options().write(true).open(path)?;
                offset = 0;
                next = match self {
                    Self::Overwriting => 0,
                    Self::Keeping => next + 1,
                };
            }
            file.write_all_at(&bytes, offset)?;
            file.sync_data()?;
            offset += bytes.len() as u64;
            records += group;
        }
        Ok(records as f64 / started.elapsed().as_secs_f64())
    }
}

/// A file of zeros that were written, as the journal makes them.
fn zeros(path: &Path) -> io::Result<()> {
    let file = DiskFiles.create_direct(path)?;
    let zeros = vec![0; ZERO_BYTES + DIRECT_ALIGNMENT];
    let aligned = zeros.as_ptr().align_offset(DIRECT_ALIGNMENT);
    let zeros = zeros.get(aligned..aligned + ZERO_BYTES).unwrap_or_default();
    let mut offset = 0;
    while offset < SEGMENT_BYTES {
        offset += file.write_at(zeros, offset)? as u64;
    }
    file.sync_data()
}
