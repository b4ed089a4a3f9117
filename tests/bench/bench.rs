//! `cargo bench --bench relay`: what the relay costs, against floors measured in the same run.
//!
//! Nothing here passes or fails by time. Each comparison is made in rounds, one side right after
//! the other, and the report tells the median of the rounds' ratios beside the goal; a person
//! judges. `docs/performance.md` says what is measured and why.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a report on a terminal, of figures that are rounded anyway"
)]

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

mod child;
mod floors;
mod histogram;
mod journal;
mod load;
mod machine;
mod payload;
mod raw_loop;
mod receiver;
mod relay;
mod render;
mod report;
mod restart;
mod usage;
mod wire;

use report::Line;

/// Rounds and seconds per side of a round, in full and with `--quick`.
const FULL: (usize, Duration) = (5, Duration::from_secs(3));
const QUICK: (usize, Duration) = (2, Duration::from_secs(1));

#[derive(Parser)]
#[command(name = "relay", about = "Measures siem-relay; see docs/performance.md")]
struct Arguments {
    /// Two short rounds: shows that the bench works, not how fast the relay is.
    #[arg(long)]
    quick: bool,
    /// Rounds of each comparison.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: Option<u8>,
    /// Only these parts.
    #[arg(long, value_enum, conflicts_with = "write")]
    only: Vec<Part>,
    /// Puts the figures into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// Measures this binary instead of the one that cargo built.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    /// Is a server for the bench that started it.
    #[arg(long, hide = true, value_enum)]
    serve: Option<floors::Server>,
    /// Becomes this program.
    #[arg(long, hide = true)]
    r#become: Option<PathBuf>,
    /// Arguments of that program.
    #[arg(last = true, hide = true)]
    arguments: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Ingest,
    Delivery,
    Arrival,
    Journal,
    Tail,
    Restart,
    Render,
}

/// How long and where everything is measured.
struct Plan {
    rounds: usize,
    /// Of one side in one round.
    duration: Duration,
    quick: bool,
    binary: PathBuf,
    data: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (arguments.serve, &arguments.r#become) {
        (Some(server), _) => server.serve(),
        (None, Some(program)) => {
            child::become_program(program, &arguments.arguments).map_err(Into::into)
        }
        (None, None) => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let plan = Plan::new(arguments)?;
    std::fs::create_dir_all(&plan.data)?;
    let machine = machine::describe(&plan.data)?;
    println!("{machine}\n{}\n", plan.describe());
    let mut lines = Vec::new();
    for part in Part::value_variants() {
        if arguments.only.is_empty() || arguments.only.contains(part) {
            eprintln!("measuring {part:?}");
            lines.extend(part.measure(&plan)?);
        }
    }
    print!("{}", report::text(&lines));
    if arguments.write {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
        let about = format!("{machine}\n{}", plan.describe());
        report::write(&file, &about, &lines)?;
        println!("\nwritten to {}", file.display());
    }
    Ok(())
}

impl Part {
    fn measure(self, plan: &Plan) -> Result<Vec<Line>, Box<dyn Error>> {
        match self {
            Self::Ingest => relay::ingest(plan),
            Self::Delivery => relay::delivery(plan),
            Self::Arrival => relay::arrival(plan),
            Self::Journal => journal::against_raw_loop(plan),
            Self::Tail => journal::with_tail_reader(plan),
            Self::Restart => restart::restart(plan),
            Self::Render => render::render(plan),
        }
    }
}

impl Plan {
    fn new(arguments: &Arguments) -> io::Result<Self> {
        let (rounds, duration) = if arguments.quick { QUICK } else { FULL };
        let built = Path::new(env!("CARGO_BIN_EXE_siem-relay"));
        let binary = arguments.binary.as_deref().unwrap_or(built);
        Ok(Self {
            rounds: arguments.rounds.map_or(rounds, usize::from),
            duration,
            quick: arguments.quick,
            // Each relay runs in a directory of its own.
            binary: binary.canonicalize()?,
            // Below target/, which is on a disk where tests' own directories may be in memory.
            data: Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data"),
        })
    }

    fn describe(&self) -> String {
        let kind = if self.quick { "Quick run: " } else { "" };
        let (rounds, seconds) = (self.rounds, self.duration.as_secs_f64());
        format!("{kind}{rounds} rounds, {seconds} s for each side of a round.")
    }

    /// An empty directory for one measurement, on a file system that is at rest: freeing the
    /// blocks of the last one's files would slow down the next one's syncs.
    fn scratch(&self, name: &str) -> io::Result<Scratch> {
        let directory = self.data.join(name);
        let scratch = Scratch { directory };
        scratch.remove()?;
        std::fs::create_dir_all(&scratch.directory)?;
        rustix::fs::syncfs(File::open(&scratch.directory)?)?;
        Ok(scratch)
    }
}

/// A directory that goes when it is dropped.
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("bench: {} is left: {error}", self.directory.display());
        }
    }
}
