//! A process that is measured: started, waited for until it serves, ended by its id.

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::usage;
use crate::wire::PATIENCE;

/// A running server. Dropping it kills it, also on the way out of a failed run.
pub(crate) struct Served {
    child: Child,
}

impl Served {
    /// Starts the command and waits until a line of its output satisfies `ready`.
    pub(crate) fn start<T: Send + 'static>(
        command: &mut Command,
        ready: impl Fn(&str) -> Option<T> + Send + 'static,
    ) -> Result<(Self, T), Box<dyn Error>> {
        // An own server ends when its standard input does, so that it cannot outlive this process.
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut served = Self { child };
        let output = served.child.stdout.take().ok_or("no standard output")?;
        let (found, wanted) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            // Read to the end: a full pipe would stop the server.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(value) = ready(&line) {
                    let _known = found.try_send(value);
                }
            }
        });
        match wanted.recv_timeout(PATIENCE) {
            Ok(value) => Ok((served, value)),
            Err(_) => Err(format!("{:?} does not get ready", command.get_program()).into()),
        }
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        usage::cpu(self.child.id())
    }

    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        usage::resident_bytes(self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// In a child: ends it when its parent is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let _end = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
}
