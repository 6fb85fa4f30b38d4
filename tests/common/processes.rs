//! Processes of the host, as `/proc` shows them, and what they hold of the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cofferdam::{Child, Container, Stdio};

/// Long enough for anything that works, on a machine under load; far less than what sleeps in the tests.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        std::thread::yield_now();
    }
}

/// A number of seconds for `sleep` that no other process on the machine has among its arguments.
pub fn unique_sleep() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("86400.{}{:03}", std::process::id(), COUNTER.fetch_add(1, Relaxed))
}

/// How many processes of the host have this argument.
pub fn processes_with(argument: &str) -> usize {
    let has = |path: &Path| {
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|known| known == argument.as_bytes())
    };
    fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| has(&entry.path())).count()
}

/// Starts a script and waits for its first line, `ready`.
#[track_caller]
pub fn start_until_ready(container: Container) -> Child {
    let mut child = container.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a container");
    assert_eq!(next_line(child.stdout.as_mut().expect("a pipe")), "ready");
    child
}

/// The next line of a stream, without its end; leaves the lines after it in the stream.
#[track_caller]
pub fn next_line(stream: impl Read) -> String {
    let mut line = String::new();
    BufReader::with_capacity(1, stream).read_line(&mut line).expect("a line");
    line.trim_end_matches('\n').to_owned()
}

/// A process of the host, dead or alive, until it is reaped.
pub struct Process {
    /// Its id, and the time of its start, which together are never given again.
    pub id: (u32, String),
    /// Its name, as of a thread: at most 15 bytes.
    pub name: String,
    /// A letter such as `R`, `T` or `Z`.
    pub state: String,
    /// Its parent.
    pub parent: u32,
    /// The session that it is in.
    pub session: u32,
}

impl Process {
    /// Whether it has not ended; until it is reaped, an ended one is a zombie.
    pub fn is_alive(&self) -> bool {
        !["Z", "X"].contains(&self.state.as_str())
    }
}

/// The process of this id, if there is one.
pub fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, also a bracket. The fields after it are numbered from 3 in proc_pid_stat(5).
    let (front, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Process {
        id: (pid, fields.get(22 - 3)?.to_string()),
        name: front.split_once('(')?.1.to_owned(),
        state: fields.first()?.to_string(),
        parent: fields.get(4 - 3)?.parse().ok()?,
        session: fields.get(6 - 3)?.parse().ok()?,
    })
}

/// All processes of the host.
pub fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
}

/// Whether a process, by its id on the host, is alive: neither gone nor a zombie.
pub fn is_alive(pid: u32) -> bool {
    process(pid).is_some_and(|process| process.is_alive())
}

/// Whether a process is stopped, as by SIGSTOP.
pub fn is_stopped(pid: u32) -> bool {
    process(pid).is_some_and(|process| process.state == "T")
}

/// The parent of a process; `None` where there is no such process.
pub fn parent_of(pid: u32) -> Option<u32> {
    process(pid).map(|process| process.parent)
}

/// The init of a running container: the parent of its workload.
#[track_caller]
pub fn init_of(child: &Child) -> u32 {
    parent_of(child.id()).expect("a running workload")
}

/// The children of all threads of a process, zombies too.
pub fn children_of(pid: u32) -> BTreeSet<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeSet::new() };
    let lists = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("children")));
    let lists: Vec<String> = lists.map(Result::unwrap_or_default).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

/// The cgroups that this process has made, in all hierarchies.
pub fn own_cgroups() -> Vec<String> {
    cgroups_below(Path::new("/sys/fs/cgroup"), &format!("cofferdam-{}-", std::process::id()))
}

fn cgroups_below(directory: &Path, prefix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            found.push(name);
        } else {
            found.extend(cgroups_below(&entry.path(), prefix));
        }
    }
    found
}

/// What a process holds of the kernel: taken before and after, it shows leaks.
///
/// Other tests of the same process open files and start children at the same time: compare only in a
/// process of its own, or in a file with a single test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessState {
    /// Numbers and targets of the open descriptors.
    pub descriptors: BTreeSet<String>,
    /// Ids of the threads.
    pub threads: BTreeSet<String>,
    /// Ids of the children, zombies too.
    pub children: BTreeSet<u32>,
    /// Number of mounts in the process's mount namespace.
    pub mounts: usize,
}

impl ProcessState {
    /// The state of this process now.
    pub fn now() -> Self {
        ProcessState {
            children: children_of(std::process::id()),
            descriptors: descriptors(),
            mounts: mounts_of_host(),
            threads: names("/proc/self/task"),
        }
    }
}

/// The number of mounts in the mount namespace of this process.
pub fn mounts_of_host() -> usize {
    fs::read_to_string("/proc/self/mountinfo").expect("mountinfo").lines().count()
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn descriptors() -> BTreeSet<String> {
    let open = names("/proc/self/fd").into_iter().filter_map(|number| {
        // The descriptor that lists the directory is closed by now.
        let target = fs::read_link(format!("/proc/self/fd/{number}")).ok()?;
        Some(format!("{number} -> {}", target.display()))
    });
    open.collect()
}
