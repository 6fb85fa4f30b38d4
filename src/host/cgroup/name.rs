//! Names of groups: unique, and such that the next host program can tell whether their maker still runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of all groups of containers begin with.
pub(super) const PREFIX: &str = "cofferdam-";

/// The maker of a group: its process id, its start time, and the namespaces in which these two count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maker {
    pub pid: u32,
    pub start: u64,
    pub namespaces: u64,
}

impl Maker {
    /// This process. What it says is kept: only a fork has another number, and asks anew. Nobody waits for the
    /// lock: a fork may have been made while a thread that it does not have held it.
    pub fn this() -> Self {
        static THIS: Mutex<Option<Maker>> = Mutex::new(None);
        let pid = std::process::id();
        let ask = || Maker { pid, start: start_of(pid).unwrap_or_default(), namespaces: namespaces() };
        let Ok(mut known) = THIS.try_lock() else { return ask() };
        match &*known {
            Some(this) if this.pid == pid => this.clone(),
            _ => known.insert(ask()).clone(),
        }
    }

    /// The name of another group.
    pub fn new_name(&self) -> String {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        // A program that executes itself anew keeps its number and its start, and begins to count again.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let number = time.wrapping_add(COUNTER.fetch_add(1, Relaxed));
        let Maker { pid, start, namespaces } = self;
        format!("{PREFIX}{pid}-{start:x}-{namespaces:x}-{number:x}")
    }

    /// Reads a name; `None` for one that is none of ours.
    pub fn of(name: &str) -> Option<Self> {
        let mut fields = name.strip_prefix(PREFIX)?.split('-');
        let pid = fields.next()?.parse().ok()?;
        let mut hexadecimal = || u64::from_str_radix(fields.next()?, 16).ok();
        let maker = Maker { pid, start: hexadecimal()?, namespaces: hexadecimal()? };
        hexadecimal()?;
        fields.next().is_none().then_some(maker)
    }
}

/// The time a process was started, in ticks after boot.
pub(super) fn start_of(pid: u32) -> Option<u64> {
    stat_field(pid, 22)
}

/// The parent of a process.
pub(super) fn parent_of(pid: u32) -> Option<u32> {
    stat_field(pid, 4)
}

/// A field of proc_pid_stat(5), numbered as there. The name before the third may hold anything, also a bracket.
fn stat_field<T: FromStr>(pid: u32, number: usize) -> Option<T> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
}

/// Stands for the PID namespace, in which process ids count, and the time namespace, in which start times do.
fn namespaces() -> u64 {
    let inode = |kind: &str| fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |found| found.ino());
    inode("pid") << 32 | inode("time") & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_maker_and_never_comes_twice() {
        let maker = Maker::this();
        let (first, second) = (maker.new_name(), maker.new_name());

        assert_ne!(first, second);
        assert_eq!(Maker::of(&first), Some(maker.clone()));
        assert_eq!(Maker::of(&second), Some(maker));
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in
            ["", "cofferdam-", "cofferdam-host", "cofferdam-1-2-3", "cofferdam-1-2-3-4-5", "x-1-2-3-4"]
        {
            assert_eq!(Maker::of(name), None, "{name}");
        }
    }

    #[test]
    fn the_start_of_a_process_is_read() {
        assert!(start_of(std::process::id()).is_some_and(|start| start > 0));
        assert_eq!(start_of(u32::MAX), None);
    }
}
