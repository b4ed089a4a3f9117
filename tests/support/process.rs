//! A server's process and its log. Dropping it kills it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A running process and what it wrote so far.
pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = Self::unheard(command.stdout(Stdio::piped()));
        let stdout = process.child.stdout.take().unwrap();
        process.read_log(stdout);
        process
    }

    /// A process whose standard output is the command's own business.
    pub(crate) fn unheard(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        collect(child.stderr.take().unwrap(), &log);
        Self { child, log }
    }

    /// Reads on as its log what comes from there.
    pub(crate) fn read_log(&self, from: impl std::io::Read + Send + 'static) {
        collect(from, &self.log);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Closes its standard input, where that is a pipe.
    pub(crate) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn log_text(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The first log line with this message.
    pub(crate) fn line(&self, message: &str) -> Option<Value> {
        let log = self.log.lock().unwrap();
        let mut lines = log
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn collect(pipe: impl std::io::Read + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    });
}
