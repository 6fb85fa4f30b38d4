//! Whether groups can be made at a place, and if not, what helps.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, faccessat};

use super::hierarchy::{Controller, Hierarchy, Version, hierarchies};
use super::name::parent_of;
use super::{HOST_GROUP, STEP, has_word, read, unavailable};
use crate::error::{Error, ErrorKind, Result};

/// A directory below which a container's group is made.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub version: Version,
    pub base: PathBuf,
}

/// All places of one container.
pub(super) struct Places {
    hierarchies: Vec<Hierarchy>,
    /// What the container says of the parent of its groups.
    parent: Option<PathBuf>,
}

impl Places {
    pub fn find(parent: Option<&Path>) -> Self {
        Places { hierarchies: hierarchies(), parent: parent.map(Path::to_owned) }
    }

    /// Where the group for a controller is made.
    pub fn with(&self, controller: Controller) -> Result<Place> {
        let has = |hierarchy: &&Hierarchy| match hierarchy.version {
            Version::V1 => hierarchy.controllers.iter().any(|name| name == controller.name(Version::V1)),
            Version::V2 => self.offers(hierarchy, controller),
        };
        let hierarchy = match self.hierarchies.iter().find(has) {
            Some(hierarchy) => hierarchy,
            None => return Err(self.why_not(controller)),
        };
        let place = self.place(hierarchy)?;
        if place.version == Version::V2 {
            can_pass_on(&place.base, controller)?;
        }
        Ok(place)
    }

    /// What a group of v2 offers cannot be told where it does not exist.
    fn why_not(&self, controller: Controller) -> Error {
        let unified = self.hierarchies.iter().find(|hierarchy| hierarchy.version == Version::V2);
        let missing = unified.filter(|_| self.parent.is_some()).map(|hierarchy| self.place(hierarchy));
        match missing {
            Some(Err(error)) if error.raw_os_error() == Some(libc::ENOENT) => error,
            _ => not_mounted(controller),
        }
    }

    fn offers(&self, hierarchy: &Hierarchy, controller: Controller) -> bool {
        let controllers = read(&self.base(hierarchy), "cgroup.controllers").unwrap_or_default();
        has_word(&controllers, controller.name(Version::V2))
    }

    /// Where a group that counts CPU time is made: on v2 every group does.
    pub fn with_accounting(&self) -> Result<Place> {
        let unified = self.hierarchies.iter().find(|hierarchy| hierarchy.version == Version::V2);
        match unified.map(|hierarchy| self.place(hierarchy)) {
            Some(Ok(place)) => Ok(place),
            Some(Err(error)) => self.with(Controller::Cpuacct).map_err(|_| error),
            None => self.with(Controller::Cpuacct),
        }
    }

    fn base(&self, hierarchy: &Hierarchy) -> PathBuf {
        match &self.parent {
            None => parent_of_host(&hierarchy.own_group),
            Some(parent) => match parent.strip_prefix("/") {
                Ok(from_top) => hierarchy.mount.join(from_top),
                Err(_) => parent_of_host(&hierarchy.own_group).join(parent),
            },
        }
    }

    fn place(&self, hierarchy: &Hierarchy) -> Result<Place> {
        let base = self.base(hierarchy);
        let allowed = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(nix::fcntl::AT_FDCWD, &base, allowed, nix::fcntl::AtFlags::AT_EACCESS)
            .map_err(|errno| not_writable(&base, errno as i32))?;
        Ok(Place { version: hierarchy.version, base })
    }
}

/// A host program that has moved out of the way still has its containers where it was.
fn parent_of_host(own_group: &Path) -> PathBuf {
    match own_group.parent() {
        Some(parent) if own_group.ends_with(HOST_GROUP) => parent.to_owned(),
        _ => own_group.to_owned(),
    }
}

fn not_mounted(controller: Controller) -> Error {
    let name = controller.name(Version::V2);
    let subject = format!("no mounted cgroup hierarchy has the controller `{name}` for this program's group");
    Error::new(ErrorKind::LimitUnavailable, STEP, subject).with_remedy(
        "mount one (cgroup2 at /sys/fs/cgroup), or have the controller delegated to the program's own group \
         (with systemd: a service or scope with `Delegate=yes`)",
    )
}

fn not_writable(base: &Path, errno: i32) -> Error {
    let subject = format!("cannot make groups in {}", base.display());
    let error = unavailable(Error::errno(STEP, subject, errno));
    error.with_remedy(match errno {
        libc::EROFS => {
            "the cgroup tree is mounted read-only, as in a container: mount it writable there (Docker: \
             `--privileged --cgroupns=private`), or leave the limit out"
        }
        libc::ENOENT => "create the group that `cgroup_parent` names, in each hierarchy that a limit needs",
        _ => {
            "run as root, or have a group delegated to the user (with systemd: a service or scope with \
             `Delegate=yes`), name one with `cgroup_parent`, or leave the limit out"
        }
    })
}

/// In v2 a controller is there for children only if the parent passes it on, and a group that does so must
/// have no processes, unless it is the root. A host program that is alone in its group can move.
fn can_pass_on(base: &Path, controller: Controller) -> Result<()> {
    let name = controller.name(Version::V2);
    let passes = read(base, "cgroup.subtree_control").unwrap_or_default();
    if has_word(&passes, name) {
        return Ok(());
    }
    let control = base.join("cgroup.subtree_control");
    if let Err(errno) =
        faccessat(nix::fcntl::AT_FDCWD, &control, AccessFlags::W_OK, nix::fcntl::AtFlags::AT_EACCESS)
    {
        let subject = format!("cannot pass the controller {name} on in {}", control.display());
        let error = unavailable(Error::errno(STEP, subject, errno as i32));
        return Err(error.with_remedy(format!(
            "make `cgroup.subtree_control` writable to this user as well, as systemd does with `Delegate=yes`, or \
             write `+{name}` to it beforehand"
        )));
    }
    match is_root(base) || others_in(base).is_empty() {
        true => Ok(()),
        false => Err(occupied(base, name)),
    }
}

/// Of all groups of v2 only the root has no type.
pub(super) fn is_root(base: &Path) -> bool {
    !base.join("cgroup.type").exists()
}

/// The processes in a group that are neither this one nor its descendants. One that has ended meanwhile does not
/// count.
fn others_in(base: &Path) -> Vec<u32> {
    processes_in(base).into_iter().filter(|pid| !is_own(*pid)).collect()
}

/// The processes in a group; 0 is one that this PID namespace does not show.
pub(super) fn processes_in(group: &Path) -> Vec<u32> {
    let pids = read(group, "cgroup.procs").unwrap_or_default();
    pids.lines().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether a process is this one, or a descendant of it.
fn is_own(pid: u32) -> bool {
    let own = std::process::id();
    let mut next = Some(pid);
    while let Some(pid) = next {
        if pid == own {
            return true;
        }
        next = parent_of(pid).filter(|parent| *parent != 0);
    }
    pid != 0 && parent_of(pid).is_none()
}

fn occupied(base: &Path, controller: &str) -> Error {
    let others: Vec<_> = others_in(base).iter().map(u32::to_string).collect();
    let subject = format!(
        "cannot pass the controller {controller} on in {}: it has other processes ({})",
        base.display(),
        others.join(", ")
    );
    let busy = io::Error::from_raw_os_error(libc::EBUSY);
    unavailable(Error::io(STEP, subject, &busy)).with_remedy(
        "cgroup v2 lets a group with processes pass nothing on to children. A program that is alone in its \
         group, but for its own children, moves to a child by itself: start it in a group of its own \
         (`systemd-run --scope -p Delegate=yes …`), or name an empty group with `cgroup_parent`",
    )
}
