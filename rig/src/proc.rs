//! What the kernel tells of processes. Source: proc(5).

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// CPU time of a process and of its ended children, and its parent.
pub fn stat(pid: i32) -> Result<(Duration, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name may hold spaces and brackets; the last bracket ends it.
    let (_, rest) = text.rsplit_once(')').context("an unreadable /proc/PID/stat")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let ticks: u64 = (11..15).map(number).sum();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100) as f64;
    Ok((Duration::from_secs_f64(ticks as f64 / per_second), number(1) as i32))
}

/// The children of a process.
fn children(parent: i32) -> Result<Vec<i32>> {
    let pids = std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| stat(*pid).is_ok_and(|(_, of)| of == parent)).collect())
}

/// CPU time of a process and all its children.
pub fn tree_cpu(parent: i32) -> Result<Duration> {
    let children = children(parent)?.into_iter().filter_map(|child| Some(stat(child).ok()?.0));
    Ok(stat(parent)?.0 + children.sum::<Duration>())
}

/// `kill -9` of a process and its children, the parent first so that it starts no others. Gives how many there were.
pub fn kill_tree(parent: i32) -> Result<usize> {
    let children = children(parent)?;
    signal::kill(Pid::from_raw(parent), Signal::SIGKILL)?;
    for child in &children {
        // One that has ended meanwhile is as good.
        let _ = signal::kill(Pid::from_raw(*child), Signal::SIGKILL);
    }
    Ok(1 + children.len())
}

/// Resident memory in bytes.
pub fn resident(pid: i32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
