//! `journal export`: stored events as JSON lines, as far as they can be read.

use std::io::{self, BufWriter, Write};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::super::{Failure, RUNTIME_FAILED, USAGE_WRONG};
use super::{ConfigArgument, JOURNAL_UNUSABLE, survey};
use crate::event::{EventId, Provenance};
use crate::journal::Record;

#[derive(Args)]
pub(in crate::cli) struct ExportArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only events received at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only events received before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only events of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// Writes what matches; damage that was passed is an error at the end, with what could be read
/// written all the same.
pub(super) fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let settings = arguments.config.settings()?;
    if let (Some(since), Some(until)) = (arguments.since, arguments.until)
        && since >= until
    {
        return Err(Failure::new(USAGE_WRONG, "--since must be before --until"));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let survey = survey(
        &settings,
        |received| arguments.overlaps(received),
        |record| {
            if written.is_ok() && arguments.wants(record) {
                written = write(&mut out, record, arguments.source.as_deref());
            }
        },
    )?;
    written
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(RUNTIME_FAILED, format!("cannot write: {error}")))?;
    if survey.problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(JOURNAL_UNUSABLE, survey.problems.join("\n")))
}

impl ExportArguments {
    fn wants(&self, record: &Record) -> bool {
        self.overlaps((record.received_ms, record.received_ms))
    }

    /// Whether events between two received times can be asked for.
    fn overlaps(&self, (earliest, latest): (u64, u64)) -> bool {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        self.since
            .is_none_or(|since| signed(latest) >= since.as_millisecond())
            && self
                .until
                .is_none_or(|until| signed(earliest) < until.as_millisecond())
    }
}

/// One line: the provenance beside the vendor's bytes as a string, so that nothing of them is
/// lost, whatever they are.
fn write(out: &mut impl Write, record: &Record, source: Option<&str>) -> io::Result<()> {
    // A header of a later version is not understood; its event is exported without it.
    let provenance = Provenance::decode(&record.header).unwrap_or_else(|_| Provenance::unknown());
    if source.is_some_and(|source| source != provenance.source) {
        return Ok(());
    }
    let received = i64::try_from(record.received_ms).ok();
    let received = received.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let line = json!({
        "id": EventId::from_bytes(record.id).to_string(),
        "position": record.position,
        "received": received.map(|at| format!("{at:.3}")),
        "source": provenance.source,
        "client": provenance.client.map(|client| client.to_string()),
        "auth": provenance.auth.as_str(),
        "test": provenance.test,
        "duplicate_of": record.duplicate_of.map(|id| EventId::from_bytes(id).to_string()),
        "original": String::from_utf8_lossy(&record.payload),
    });
    writeln!(out, "{line}")
}
