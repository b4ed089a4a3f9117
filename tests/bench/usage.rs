//! What processes and threads used, from `/proc`: CPU time (user and system) and memory.

use std::io;
use std::time::Duration;

/// CPU time of a process so far, in steps of one clock tick (10 ms on most systems).
pub(crate) fn cpu(pid: u32) -> io::Result<Duration> {
    cpu_time(&std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

/// CPU time of the calling thread so far.
pub(crate) fn of_this_thread() -> io::Result<Duration> {
    cpu_time(&std::fs::read_to_string("/proc/thread-self/stat")?)
}

/// Resident memory of a process.
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let kilobytes = kilobytes.ok_or_else(|| io::Error::other("no VmRSS in /proc/PID/status"))?;
    Ok(kilobytes * 1024)
}

fn cpu_time(stat: &str) -> io::Result<Duration> {
    // The second field is a name in parentheses that may hold spaces; utime and stime are the
    // 14th and 15th.
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace());
    let times = fields.into_iter().flatten().skip(11).take(2);
    let ticks: Vec<u64> = times.filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks.as_slice() else {
        return Err(io::Error::other("no CPU times in stat of /proc"));
    };
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(
        (user + system) as f64 / per_second as f64,
    ))
}
