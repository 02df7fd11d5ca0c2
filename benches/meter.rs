//! CPU seconds, wall seconds and peak memory of this process, from the kernel's own accounting.

use std::fs;
use std::time::Instant;

/// What a piece of work cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// User and system time of all threads, seconds.
    pub cpu: f64,
    /// Wall time, seconds.
    pub wall: f64,
    /// Peak resident memory while it ran, MiB.
    pub peak_mib: f64,
}

/// A running measurement.
pub struct Meter {
    cpu: f64,
    start: Instant,
}

impl Meter {
    /// Starts measuring; forgets the peak of what ran before.
    pub fn start() -> Meter {
        // Linux: "5" resets the peak; elsewhere the peak is the process's.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Meter { cpu: cpu_seconds(), start: Instant::now() }
    }

    /// Ends it.
    pub fn stop(&self) -> Cost {
        Cost {
            cpu: cpu_seconds() - self.cpu,
            wall: self.start.elapsed().as_secs_f64(),
            peak_mib: peak_mib(),
        }
    }
}

/// User and system time of this process so far.
pub fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name, in parentheses, may hold spaces; utime and stime are the 12th and 13th after it.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> =
        after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    ticks.iter().sum::<f64>() / 100.0
}

fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
