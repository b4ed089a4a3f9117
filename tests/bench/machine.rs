//! The machine in one line: what a reader of the figures must know, and nothing that names it.

use std::fs::read_to_string;
use std::io;
use std::path::Path;

use crate::load;

pub(crate) fn describe(data: &Path) -> io::Result<String> {
    let cores = std::thread::available_parallelism()?;
    let release = read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel: Vec<_> = release.trim().split(['.', '-']).take(2).collect();
    let load_average = read_to_string("/proc/loadavg")?;
    let load_average = load_average.split(' ').next().unwrap_or_default();
    let pinned = if load::is_pinnable() {
        "pinned to one core"
    } else {
        "not pinned"
    };
    Ok(format!(
        "{cores} cores ({}), Linux {}, journal on {}, load generator {pinned}, load average {} \
         before the run.",
        std::env::consts::ARCH,
        kernel.join("."),
        file_system(&data.canonicalize()?)?,
        load_average,
    ))
}

/// The type of the file system that holds a directory.
fn file_system(directory: &Path) -> io::Result<String> {
    let mounts = read_to_string("/proc/self/mounts")?;
    let holding = mounts.lines().filter_map(|mount| {
        let mut fields = mount.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        directory.starts_with(place).then_some((place.len(), kind))
    });
    // Of mounts over the same place the last one counts, and so does the longest place.
    let kind = holding
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind);
    Ok(kind.unwrap_or("an unknown file system").to_owned())
}
