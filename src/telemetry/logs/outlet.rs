//! Where log lines leave: a descriptor whose reader may stall without stopping the relay.
//!
//! A pipe or a socket is asked before each piece whether it takes bytes, and waited for a moment.
//! If it takes none the line is lost and counted, and so is each further line at once, until the
//! reader goes on; a line then tells how many were lost. Writing stays with the thread that logs: a
//! line is out before what it tells of goes on, and a kill loses none.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use prometheus::IntCounter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes of one write: so many fit where a pipe or a socket says that it takes any (a page of
/// a pipe, `PIPE_BUF` in pipe(7)).
const PIECE_BYTES: usize = 4096;
/// How long a reader is waited for at each piece, unless it did not come the last time.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
const NO_PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Writes lines to `to`, one after the other.
pub(super) struct Outlet<F> {
    to: F,
    patience: Timespec,
    /// Lines that did not get out whole.
    lost: IntCounter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// It took nothing when it was last asked.
    stalled: bool,
    /// The end of the last line is missing.
    torn: bool,
    /// How many were lost when that was last told.
    told: u64,
}

impl<F: AsFd> Outlet<F> {
    pub(super) fn new(to: F, lost: IntCounter) -> Self {
        Self {
            to,
            patience: PATIENCE,
            lost,
            state: Mutex::default(),
        }
    }

    /// Writes one line. Returns how many were lost so far, if that is to be told.
    fn put(&self, line: &[u8]) -> Result<Option<u64>, Errno> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write_all(&mut state, line) {
            self.lost.inc();
            return Err(error);
        }
        // Where the line that tells it is lost as well, the next one tells a larger number.
        let lost = self.lost.get();
        Ok((std::mem::replace(&mut state.told, lost) < lost).then_some(lost))
    }

    fn write_all(&self, state: &mut State, line: &[u8]) -> Result<(), Errno> {
        if state.torn {
            self.write_piece(state, b"\n")?;
            state.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let (piece, _) = rest.split_at(rest.len().min(PIECE_BYTES));
            let written = self.write_piece(state, piece)?;
            if written == 0 {
                return Err(Errno::IO);
            }
            rest = rest.get(written..).unwrap_or_default();
            state.torn = !rest.is_empty();
        }
        Ok(())
    }

    fn write_piece(&self, state: &mut State, piece: &[u8]) -> Result<usize, Errno> {
        loop {
            let stalled = state.stalled;
            let patience = if stalled { NO_PATIENCE } else { self.patience };
            let mut asked = [PollFd::new(&self.to, PollFlags::OUT)];
            match poll(&mut asked, Some(&patience)) {
                Err(Errno::INTR) => continue,
                answered => state.stalled = answered? == 0,
            }
            if state.stalled {
                return Err(Errno::AGAIN);
            }
            // What has no reader any more says that it takes bytes, and refuses them here.
            match rustix::io::write(&self.to, piece) {
                Err(Errno::INTR) => {}
                written => return written,
            }
        }
    }
}

impl<F: AsFd> Write for &Outlet<F> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(lost) = self.put(line)? {
            tracing::warn!(
                lines = lost,
                "log lines lost since the start: nobody took them"
            );
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The library writes each line with one call.
impl<'a, F: AsFd + 'a> MakeWriter<'a> for Outlet<F> {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// An outlet into a pipe, its reader, and what it counts.
    fn outlet() -> (Outlet<std::os::fd::OwnedFd>, File, IntCounter) {
        // A reader that finds nothing must not hang the test.
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let lost = IntCounter::new("lost", "lost").unwrap();
        (Outlet::new(writer, lost.clone()), File::from(reader), lost)
    }

    /// All that is in the pipe.
    fn read(reader: &mut File) -> String {
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        String::from_utf8(bytes).unwrap()
    }

    fn fill(outlet: &Outlet<impl AsFd>, line: &[u8]) -> u64 {
        (0..).find(|_| outlet.put(line).is_err()).unwrap()
    }

    #[test]
    fn lines_that_a_stalled_reader_does_not_take_are_lost_counted_and_told_of_later() {
        let (outlet, mut reader, lost) = outlet();
        let line = [&[b'x'; 99][..], b"\n"].concat();
        let out = fill(&outlet, &line);
        for _ in 0..9 {
            assert!(outlet.put(&line).is_err());
        }
        assert_eq!(lost.get(), 10);
        assert_eq!(read(&mut reader).lines().count() as u64, out);
        assert_eq!(outlet.put(b"again\n"), Ok(Some(10)));
        assert_eq!(outlet.put(b"and again\n"), Ok(None));
        assert_eq!(read(&mut reader), "again\nand again\n");
        // What tells it may be lost as well.
        fill(&outlet, &line);
        read(&mut reader);
        assert_eq!(outlet.put(b"again\n"), Ok(Some(11)));
        fill(&outlet, &line);
        read(&mut reader);
        assert_eq!(outlet.put(b"again\n"), Ok(Some(12)));
        assert_eq!(lost.get(), 12);
    }

    #[test]
    fn a_line_that_did_not_get_out_whole_ends_before_the_next_one() {
        let (outlet, mut reader, lost) = outlet();
        // Not a multiple of any pipe's size.
        let line = [&[b'x'; 5 * PIECE_BYTES][..], b"\n"].concat();
        let out = fill(&outlet, &line);
        let text = read(&mut reader);
        assert!(!text.ends_with('\n'), "no line was torn");
        assert_eq!(lost.get(), 1);
        outlet.put(b"whole\n").unwrap();
        let text = text + &read(&mut reader);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len() as u64, out + 2);
        assert_eq!(lines.last(), Some(&"whole"));
    }

    #[test]
    fn a_line_longer_than_the_pipe_gets_out_whole_while_somebody_reads() {
        let (mut outlet, mut reader, lost) = outlet();
        // The reader runs when the machine lets it.
        outlet.patience.tv_sec = 20;
        rustix::io::ioctl_fionbio(&reader, false).unwrap();
        let long = [&[b'y'; 300_000][..], b"\n"].concat();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        outlet.put(&long).unwrap();
        drop(outlet);
        assert_eq!(reading.join().unwrap().unwrap(), long);
        assert_eq!(lost.get(), 0);
    }

    #[test]
    fn a_line_without_a_reader_is_lost_and_counted() {
        let (outlet, reader, lost) = outlet();
        drop(reader);
        assert_eq!(outlet.put(b"nobody\n"), Err(Errno::PIPE));
        assert_eq!(lost.get(), 1);
    }
}
