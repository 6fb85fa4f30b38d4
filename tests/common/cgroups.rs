//! Control groups: what this host allows, where this program's own are, and groups made for a test.
//!
//! On cgroup v2 a program must be alone in its group when it makes its first group. So a test of a file with
//! such groups begins with [`allows`] or [`works`], before it starts a process that others would meet there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cofferdam::{Container, Feature, Limit};

use super::helper::{is_helper, printed_by, this_test_through};
use super::{is_root, limits, skip_for_good};

/// As [`limits::allows`].
pub fn allows(limit: Limit) -> bool {
    limits::allows(Feature::Limit(limit))
}

/// As [`limits::works`].
#[track_caller]
pub fn works(limit: Limit, container: Container) -> bool {
    limits::works(Feature::Limit(limit), container)
}

/// The hierarchy of a controller.
pub struct Hierarchy {
    pub is_v2: bool,
    /// The directory of the top of what is mounted.
    pub mount: PathBuf,
    /// The directory below which this program's containers have their groups.
    pub base: PathBuf,
    /// Its path within the hierarchy that is the top of what is mounted.
    root: String,
    /// The controllers as in proc_pid_cgroup(5), none for v2.
    list: String,
}

/// The hierarchy in which this program's groups have a controller, by its name in v2.
pub fn hierarchy_of(controller: &str) -> Option<Hierarchy> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    mounts.lines().filter_map(hierarchy).find(|hierarchy| hierarchy.has(controller))
}

/// Reads a line of mountinfo: `36 35 98:0 /root /mount/point options - cgroup source super,options`.
fn hierarchy(mount: &str) -> Option<Hierarchy> {
    let (front, back) = mount.split_once(" - ")?;
    let fields: Vec<&str> = front.split(' ').collect();
    let is_v2 = back.starts_with("cgroup2 ");
    if !is_v2 && !back.starts_with("cgroup ") {
        return None;
    }
    let options: Vec<&str> = back.rsplit(' ').next()?.split(',').collect();
    let own = fs::read_to_string("/proc/self/cgroup").expect("own groups");
    let mut lists = own.lines().filter_map(|line| line.split(':').nth(1));
    let list = lists.find(|list| match is_v2 {
        true => list.is_empty(),
        false => list.split(',').any(|name| options.contains(&name)),
    })?;
    let (mount, root, list) = (PathBuf::from(fields[4]), fields[3].to_owned(), list.to_owned());
    let mut hierarchy = Hierarchy { is_v2, base: PathBuf::new(), mount, root, list };
    let own = hierarchy.group_of(std::process::id());
    let moved = own.ends_with("cofferdam-host");
    hierarchy.base = if moved { own.parent()?.to_owned() } else { own };
    Some(hierarchy)
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        if self.is_v2 {
            return has_word(&self.base.join("cgroup.controllers"), controller);
        }
        let name = if controller == "io" { "blkio" } else { controller };
        self.list.split(',').any(|known| known == name)
    }

    /// The directory of the group that a process is in.
    #[track_caller]
    pub fn group_of(&self, pid: u32) -> PathBuf {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("the groups of a process");
        let path = groups.lines().find_map(|line| line.split_once(&format!(":{}:", self.list)));
        let path = Path::new(path.expect("a line of this hierarchy").1);
        self.mount.join(path.strip_prefix(&self.root).expect("a group that is mounted"))
    }

    /// The name of a file of a group, which differs between v1 and v2.
    pub fn either<'a>(&self, v1: &'a str, v2: &'a str) -> &'a str {
        if self.is_v2 { v2 } else { v1 }
    }
}

/// Whether a file has this word among others.
pub fn has_word(file: &Path, word: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.split_whitespace().any(|known| known == word))
}

/// The directory of a process's group with a controller.
#[track_caller]
pub fn group_of(pid: u32, controller: &str) -> PathBuf {
    hierarchy_of(controller).expect("a hierarchy").group_of(pid)
}

/// Content of a file of a group, without the newline.
#[track_caller]
pub fn value(group: &Path, file: &str) -> String {
    let path = group.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.trim_end().to_owned()
}

/// A group that a test makes below this program's own, in the hierarchy of one controller. It goes in the end.
pub struct TestGroup {
    pub directory: PathBuf,
    /// Its path from this program's own group.
    pub name: String,
}

impl TestGroup {
    /// Or says that the calling test does nothing.
    #[track_caller]
    pub fn new(controller: &str) -> Option<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Relaxed));
        let directory = hierarchy_of(controller).map(|hierarchy| hierarchy.base.join(&name));
        match directory.filter(|directory| fs::create_dir(directory).is_ok()) {
            Some(directory) => Some(TestGroup { directory, name }),
            None => {
                skip_for_good("needs root: nothing is delegated to this user");
                None
            }
        }
    }

    /// The groups in it.
    pub fn inner(&self) -> Vec<PathBuf> {
        groups_in(&self.directory)
    }
}

impl Drop for TestGroup {
    fn drop(&mut self) {
        remove_groups(&self.directory);
    }
}

fn groups_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn remove_groups(directory: &Path) {
    groups_in(directory).iter().for_each(|group| remove_groups(group));
    // Busy until its last process is gone.
    for _ in 0..1000 {
        match fs::remove_dir(directory) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => std::thread::yield_now(),
            _ => return,
        }
    }
}

/// Whether the calling test has no group that could be used, and so goes on. Where there are some, for root or
/// for a user to whom they are delegated, it is run again without any cgroup tree.
#[track_caller]
pub fn has_no_groups(test: &str) -> bool {
    if is_helper(test) {
        return true;
    }
    let Some(pids) = hierarchy_of("pids") else { return true };
    let goes_on = " && exec \"$0\" \"$@\"";
    if is_root() {
        let script = format!("umount --all --types cgroup,cgroup2{goes_on}");
        printed_by(&mut in_own_mounts(&script, test), test);
        return false;
    }
    // The name is the test's own: others try the same at the same time.
    let trial = pids.base.join(test);
    if fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).is_err() {
        return true;
    }
    // A mount of the host's can be covered only, by the user that it is mounted for.
    let script = format!("mount -t tmpfs none '{}'", pids.mount.display());
    let script = format!("{script} && exec setpriv --inh-caps=-all --ambient-caps=-all \"$0\" \"$@\"");
    let arguments = ["--user", "--map-current-user", "--keep-caps", "--mount", "/bin/sh", "-c", &script];
    printed_by(&mut this_test_through("/usr/bin/unshare", &arguments, test), test);
    false
}

/// The helper of this name, run in mounts of its own after a script, which ends with `exec "$0" "$@"`.
pub fn in_own_mounts(script: &str, helper: &str) -> Command {
    let user: &[&str] = if is_root() { &[] } else { &["--user", "--map-root-user"] };
    let arguments = [user, &["--mount", "/bin/sh", "-c", script]].concat();
    this_test_through("/usr/bin/unshare", &arguments, helper)
}
