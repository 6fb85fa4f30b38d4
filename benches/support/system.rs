//! What the machine has.

use std::error::Error;
use std::fs;

/// `MemAvailable` of proc_meminfo(5), in MiB.
pub fn free_memory() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    Ok(line.ok_or("/proc/meminfo has no MemAvailable")?.trim().parse::<u64>()? >> 10)
}
