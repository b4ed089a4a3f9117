//! A process that is measured: started, waited for until it serves, ended by its id.
//!
//! Each child is this program first and asks the kernel to be killed when its parent is gone, so
//! that a bench that is killed leaves nothing behind that would disturb the next one.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};

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
        let child = command
            .stdin(Stdio::null())
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

/// A command that becomes this program once it will end with its parent.
pub(crate) fn command(program: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--become").arg(program).arg("--");
    Ok(command)
}

/// In the child: becomes the program; returns only when it cannot.
pub(crate) fn become_program(program: &Path, arguments: &[OsString]) -> io::Result<()> {
    end_with_parent()?;
    Err(Command::new(program).args(arguments).exec())
}

/// In a child: the kernel ends it when its parent is gone.
pub(crate) fn end_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}
