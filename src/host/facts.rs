//! Looking at the host, so that the plan can be made without I/O.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use caps::{CapSet, Capability};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::resource::{Resource as NixResource, getrlimit};
use nix::sys::stat::Mode;
use nix::sys::utsname::uname;
use nix::unistd::{SysconfVar, sysconf};

use super::cgroup::{GroupPlan, Layout};
use super::sys;
use crate::config::Description;
use crate::config::mounts::{Bind, BindSource, Operation, Overlay, Root, Upper};
use crate::config::{IdMap, IdMapping, Namespaces, Resource};
use crate::error::{Error, Result};
use crate::plan::{Caller, Facts, FileFact, Group, NOBODY, ViewEntry, mount_targets};
use crate::seccomp::KernelVersion;

/// Directories of the root that are links into /usr on most hosts, and directories on the others.
const USR_LINKS: [&str; 7] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr"];

/// What of /etc programs need to run.
const ETC: [&str; 9] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/pki/ca-trust",
    "/etc/pki/tls",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
];

const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// The resources that the library itself sets limits of.
const LIMITED: [(Resource, NixResource); 5] = [
    (Resource::Core, NixResource::RLIMIT_CORE),
    (Resource::Cpu, NixResource::RLIMIT_CPU),
    (Resource::Data, NixResource::RLIMIT_DATA),
    (Resource::FileSize, NixResource::RLIMIT_FSIZE),
    (Resource::Processes, NixResource::RLIMIT_NPROC),
];

/// First of the ids for single runs, to which the process id of init is added: above the ranges that
/// systemd hands out, below its "foreign" ones.
const PER_RUN_IDS: u32 = 0x7000_0000;
/// `PROC_USER_INIT_INO`: the inode number of the first user namespace.
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;
/// `PID_MAX_LIMIT` of 64-bit kernels.
const PIDS: u32 = 1 << 22;

/// Looks at all that the plan of this container depends on.
pub(super) fn gather(container: &Description, layout: &Layout) -> Result<Facts> {
    let new_mounts = container.namespaces.new.contains(Namespaces::MOUNT);
    let mut facts = Facts { caller: caller(container), ..Facts::default() };
    // Needed for relative paths only, which fail later where there is no current directory.
    facts.current_dir = std::env::current_dir().unwrap_or_default();
    facts.hard_limits = LIMITED.iter().map(|(ours, theirs)| (*ours, hard_limit(*theirs))).collect();
    let group = |group: &GroupPlan| Group { directory: group.directory.clone(), v2: group.is_v2() };
    facts.cgroups = layout.groups.iter().map(group).collect();
    facts.cpu_meter = layout.cpu_meter();
    facts.fallbacks = layout.fallbacks.clone();
    facts.cpus = cpus();
    facts.pass = pass().map_err(|error| Error::io("host", "random numbers", &error))?;
    facts.kernel = kernel();
    facts.sources = sources(container)?;
    if !new_mounts {
        return Ok(facts);
    }
    if container.files.dev {
        facts.devices = DEVICES.iter().filter_map(|path| file(Path::new(path)).ok()).collect();
    }
    match &container.files.root {
        Root::HostView => facts.view = view(!container.namespaces.new.contains(Namespaces::NET)),
        Root::Directory { path, writable } => {
            let root = directory("rootfs", path)?;
            if !writable {
                facts.missing = missing(&root.path, mount_targets(container, &facts.sources))?;
            }
            facts.rootfs = Some(root);
        }
        Root::Overlay(overlay) => check_overlay(overlay)?,
    }
    Ok(facts)
}

/// How many CPUs the machine has.
fn cpus() -> u64 {
    static CPUS: OnceLock<u64> = OnceLock::new();
    *CPUS.get_or_init(|| {
        let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
        online.map_or(1, |count| count.max(1) as u64)
    })
}

/// The version of the kernel that runs, which only profiles ask for: looked at once.
pub(super) fn kernel() -> Option<KernelVersion> {
    static KERNEL: OnceLock<Option<KernelVersion>> = OnceLock::new();
    *KERNEL.get_or_init(|| KernelVersion::of_release(uname().ok()?.release().to_str()?))
}

/// Whether filters can be had as this library wants them.
pub(crate) fn seccomp_works() -> Result<()> {
    sys::seccomp_has(libc::SECCOMP_RET_USER_NOTIF).map_err(|error| {
        let error = Error::io("seccomp", "filters with user notification", &error);
        error.with_remedy(
            "a kernel with CONFIG_SECCOMP_FILTER, Linux 5.5, and no filter here that forbids seccomp(2)",
        )
    })
}

/// Drawn once: a run cannot see those of another one, as the launcher's memory is gone when it begins.
fn pass() -> io::Result<[u64; 3]> {
    static PASS: OnceLock<[u64; 3]> = OnceLock::new();
    if let Some(pass) = PASS.get() {
        return Ok(*pass);
    }
    let pass = sys::random_numbers()?;
    Ok(*PASS.get_or_init(|| pass))
}

fn hard_limit(resource: NixResource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

fn caller(container: &Description) -> Caller {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let mut caller = Caller { uid, gid, privileged: privileged(), ..Caller::default() };
    if caller.privileged {
        caller.per_run_ids = ids_exist(PER_RUN_IDS, PIDS).then_some(PER_RUN_IDS);
        caller.nobody = caller.per_run_ids.is_some() || ids_exist(NOBODY, 1);
    }
    if container.identity.mapping == IdMapping::Subordinate {
        caller.subordinate_uids = subordinate("/etc/subuid", uid);
        caller.subordinate_gids = subordinate("/etc/subgid", uid);
    }
    caller
}

/// Whether these user and group ids exist in the caller's user namespace: in the first one all do.
fn ids_exist(first: u32, count: u32) -> bool {
    let own = fs::metadata("/proc/self/ns/user").map(|metadata| metadata.ino());
    if own.is_ok_and(|inode| inode == FIRST_USER_NAMESPACE) {
        return true;
    }
    let needed = IdMap { inside: first, outside: 0, count };
    let mapped = |file| mapped_here(file).iter().any(|map| covers(map, &needed));
    mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map")
}

/// Root in the sense that counts here: able to map any id and to copy mounts.
pub(crate) fn privileged() -> bool {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    [Capability::CAP_SYS_ADMIN, Capability::CAP_SETUID, Capability::CAP_SETGID].into_iter().all(has)
}

/// The ranges of ids that exist in the caller's user namespace.
fn mapped_here(file: &str) -> Vec<IdMap> {
    let parse = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(IdMap { inside: next()?, outside: next()?, count: next()? })
    };
    fs::read_to_string(file).unwrap_or_default().lines().filter_map(parse).collect()
}

fn covers(map: &IdMap, needed: &IdMap) -> bool {
    let end = |map: &IdMap| u64::from(map.inside) + u64::from(map.count);
    map.inside <= needed.inside && end(map) >= end(needed)
}

/// The ranges that a file such as /etc/subuid grants a user, by name or by number.
fn subordinate(file: &str, uid: u32) -> Vec<IdMap> {
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    let parse = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let ours = Some(owner) == name.as_deref() || owner.parse() == Ok(uid);
        let (outside, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (ours && count > 0).then_some(IdMap { inside: 0, outside, count })
    };
    fs::read_to_string(file).unwrap_or_default().lines().filter_map(parse).collect()
}

/// What a path of the host is, links followed.
fn file(path: &Path) -> io::Result<FileFact> {
    let metadata = fs::metadata(path)?;
    Ok(fact(std::path::absolute(path)?, &metadata))
}

fn fact(path: PathBuf, metadata: &fs::Metadata) -> FileFact {
    FileFact { path, device: metadata.dev(), inode: metadata.ino(), directory: metadata.is_dir() }
}

fn directory(step: &'static str, path: &Path) -> Result<FileFact> {
    let fact =
        file(path).map_err(|error| Error::io(step, format!("the directory {}", path.display()), &error))?;
    if fact.directory {
        return Ok(fact);
    }
    let subject = format!("{} is not a directory", path.display());
    Err(Error::errno(step, subject, libc::ENOTDIR).with_kind(crate::ErrorKind::InvalidInput))
}

/// The host's /usr as it is: links stay links.
fn view(shares_network: bool) -> Vec<ViewEntry> {
    let mut paths: Vec<PathBuf> = USR_LINKS.iter().chain(&ETC).map(PathBuf::from).collect();
    paths.extend(java_configurations());
    let mut entries: Vec<_> = paths.iter().filter_map(|path| view_entry(path)).collect();
    if shares_network {
        // Followed: it is often a link to a file under /run, which is not in the view.
        entries.extend(file(Path::new("/etc/resolv.conf")).ok().map(ViewEntry::File));
    }
    entries
}

fn view_entry(path: &Path) -> Option<ViewEntry> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if metadata.is_symlink() {
        let target = fs::read_link(path).ok()?;
        return Some(ViewEntry::Link { path: path.to_owned(), target });
    }
    Some(ViewEntry::File(fact(path.to_owned(), &metadata)))
}

/// Debian keeps files without which no JVM starts in /etc: those of /usr/lib/jvm/java-17-openjdk-amd64
/// are in /etc/java-17-openjdk.
fn java_configurations() -> Vec<PathBuf> {
    let Ok(machines) = fs::read_dir("/usr/lib/jvm") else { return Vec::new() };
    let configuration = |machine: fs::DirEntry| {
        let name = machine.file_name().into_string().ok()?;
        let (name, _architecture) = name.rsplit_once('-')?;
        (name.starts_with("java-") && name.ends_with("-openjdk")).then(|| Path::new("/etc").join(name))
    };
    machines.flatten().filter_map(configuration).collect()
}

fn sources(container: &Description) -> Result<Vec<Option<FileFact>>> {
    container.files.operations.iter().map(source).collect()
}

fn source(operation: &Operation) -> Result<Option<FileFact>> {
    match operation {
        Operation::Bind(bind) => bind_source(bind),
        Operation::Overlay(overlay) => check_overlay(overlay).map(|()| None),
        _ => Ok(None),
    }
}

fn bind_source(bind: &Bind) -> Result<Option<FileFact>> {
    let found = match &bind.source {
        BindSource::Path(path) => file(path),
        BindSource::Fd(fd) => file_of(fd.as_fd()),
    };
    match found {
        Ok(fact) => Ok(Some(fact)),
        Err(error) if bind.optional && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let source = match &bind.source {
                BindSource::Path(path) => path.display().to_string(),
                BindSource::Fd(fd) => format!("descriptor {}", fd.as_raw_fd()),
            };
            let subject = format!("the source {source} (for {})", bind.target.display());
            let error = Error::io("bind", subject, &error);
            Err(error.with_remedy("create it, or mark the bind `optional`"))
        }
    }
}

/// The path under which an open file can be found again, checked against the file itself.
fn file_of(fd: impl AsFd) -> io::Result<FileFact> {
    let stat = nix::sys::stat::fstat(fd.as_fd())?;
    let path = fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))?;
    let directory = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    Ok(FileFact { path, device: stat.st_dev, inode: stat.st_ino, directory })
}

fn check_overlay(overlay: &Overlay) -> Result<()> {
    overlay.lower.iter().try_for_each(|path| directory("overlay", path).map(drop))?;
    match &overlay.upper {
        Upper::Directory { upper, work } => {
            directory("overlay", upper)?;
            directory("overlay", work).map(drop)
        }
        _ => Ok(()),
    }
}

/// Those of the targets that a root file system lacks, looked up as the launcher will.
fn missing(root: &Path, targets: Vec<(PathBuf, bool)>) -> Result<Vec<(PathBuf, bool)>> {
    let opened = open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let subject = || format!("the directory {}", root.display());
    let opened = opened.map_err(|errno| Error::errno("rootfs", subject(), errno as i32))?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let lacks = |path: &PathBuf| matches!(openat2(&opened, path, how), Err(nix::errno::Errno::ENOENT));
    Ok(targets.into_iter().filter(|(path, _)| lacks(path)).collect())
}
