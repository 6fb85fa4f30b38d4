//! The root file system: each mount is made detached, given its attributes, and only then attached at a
//! place that was resolved inside the new root.

use core::ffi::CStr;

use super::abi::{
    self, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, O_DIRECTORY, O_PATH,
};
use super::paths::{self, Kind};
use super::state::{Failure, In, Outcome, Places};
use super::sys::{self, CWD, Errno, Fd, Result};
use crate::wire::item;

/// Where a bind comes from.
pub struct Source<'a> {
    pub path: &'a CStr,
    /// A detached mount made by the host; otherwise `path` is opened, and must be the file it saw.
    pub fd: Option<Fd>,
    pub device: u64,
    pub inode: u64,
}

/// Bounds of a tmpfs, as the mount options want them.
pub struct TmpfsOptions<'a> {
    pub mode: &'a CStr,
    pub size: &'a CStr,
    pub inodes: &'a CStr,
}

/// An overlay and what it needs on the stage.
pub struct Overlay<'a> {
    pub options: &'a CStr,
    /// The name of a tmpfs for the upper directory, or empty.
    pub memory: &'a CStr,
    pub bounds: TmpfsOptions<'a>,
    /// The name of the directory on which it is first mounted.
    pub place: &'a CStr,
    pub attributes: u64,
}

/// Attaches a mount to its place inside; at `/` it becomes the root, on top of the host's.
fn attach(places: &mut Places, tree: Fd, target: &CStr, kind: Kind) -> Outcome {
    if target == c"/" {
        sys::move_mount(tree, CWD, c"/").item(item::ATTACH)?;
        places.root = Some(tree);
        return Ok(());
    }
    let root = places.root()?;
    let place = paths::place(root, target, kind).item(item::TARGET)?;
    if is_same_file(place, root)? {
        // A link in the root file system leads to its top. What was mounted so far would be covered.
        return Err(Failure { errno: Errno(abi::ELOOP), item: item::TARGET });
    }
    attach_at(tree, place)
}

fn is_same_file(one: Fd, other: Fd) -> Result<bool> {
    let (one, other) = (sys::fstat(one)?, sys::fstat(other)?);
    Ok(one.device == other.device && one.inode == other.inode)
}

fn attach_at(tree: Fd, place: Fd) -> Outcome {
    sys::move_mount(tree, place, c"").item(item::ATTACH)?;
    sys::close(tree);
    sys::close(place);
    Ok(())
}

pub fn bind(places: &mut Places, source: &Source, target: &CStr, attributes: u64) -> Outcome {
    let tree = match source.fd {
        Some(tree) => tree,
        None => sys::clone_tree(CWD, source.path).item(item::SOURCE)?,
    };
    let stat = sys::fstat(tree).item(item::SOURCE)?;
    let expected = stat.device == source.device && stat.inode == source.inode;
    if source.fd.is_none() && !expected {
        return Err(Failure { errno: Errno(abi::ESTALE), item: item::SOURCE_CHANGED });
    }
    sys::mount_setattr(tree, attributes, true).item(item::ATTRIBUTES)?;
    attach(places, tree, target, kind_of(&stat))
}

fn kind_of(stat: &abi::Stat) -> Kind {
    if stat.mode & abi::S_IFMT == abi::S_IFDIR { Kind::Directory } else { Kind::File }
}

/// A new file system of a kind, detached.
fn new_mount(kind: &CStr, options: &[(&CStr, &CStr)], attributes: u64) -> Result<Fd> {
    let context = sys::fsopen(kind)?;
    for (key, value) in options {
        sys::fsconfig_string(context, key, value)?;
    }
    sys::fsconfig_create(context)?;
    let tree = sys::fsmount(context, attributes);
    sys::close(context);
    tree
}

fn new_tmpfs(options: &TmpfsOptions, attributes: u64) -> Result<Fd> {
    let options = [(c"mode", options.mode), (c"size", options.size), (c"nr_inodes", options.inodes)];
    new_mount(c"tmpfs", &options, attributes)
}

pub fn tmpfs(places: &mut Places, target: &CStr, options: &TmpfsOptions, attributes: u64) -> Outcome {
    let tree = new_tmpfs(options, attributes)?;
    places.own.push(sys::mount_id(tree)?);
    attach(places, tree, target, Kind::Directory)
}

/// The tmpfs on which overlays are assembled lies over the host's root, below the new one, and goes with
/// the host's mounts.
pub fn stage(places: &mut Places, size: &CStr) -> Outcome {
    let options = TmpfsOptions { mode: c"755", size, inodes: c"65536" };
    let tree = new_tmpfs(&options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
    sys::move_mount(tree, CWD, c"/").item(item::ATTACH)?;
    places.stage = Some(tree);
    Ok(())
}

const POOL: &CStr = c"pool";

/// The tmpfs whose directories are shown at several places, which so share its bounds.
pub fn pool(places: &mut Places, size: &CStr, inodes: &CStr) -> Outcome {
    let place = paths::place(places.stage()?, POOL, Kind::Directory).item(item::TARGET)?;
    let tree = new_tmpfs(&TmpfsOptions { mode: c"755", size, inodes }, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
    attach_at(tree, place)
}

pub fn pooled_directory(
    places: &mut Places,
    target: &CStr,
    name: &CStr,
    mode: u32,
    attributes: u64,
) -> Outcome {
    let pool = sys::open_in_root(places.stage()?, POOL, O_PATH | O_DIRECTORY)?;
    sys::mkdirat(pool, name, mode)?;
    let directory = sys::open_in_root(pool, name, O_PATH | O_DIRECTORY)?;
    let tree = sys::clone_tree(directory, c"").item(item::SOURCE)?;
    sys::mount_setattr(tree, attributes, false).item(item::ATTRIBUTES)?;
    sys::close(directory);
    sys::close(pool);
    places.own.push(sys::mount_id(tree)?);
    attach(places, tree, target, Kind::Directory)
}

/// The directory on the stage that becomes the lowest layer of the root, with the mount points that the
/// other layers lack.
pub fn skeleton(places: &mut Places, path: &CStr, directory: bool) -> Outcome {
    let stage = places.stage()?;
    let skeleton = paths::place(stage, c"skeleton", Kind::Directory)?;
    let kind = if directory { Kind::Directory } else { Kind::File };
    let place = paths::place(skeleton, path, kind).item(item::TARGET)?;
    sys::close(place);
    sys::close(skeleton);
    Ok(())
}

pub fn overlay_layer(places: &mut Places, name: &CStr, tree: Fd) -> Outcome {
    let place = paths::place(places.stage()?, name, Kind::Directory).item(item::TARGET)?;
    attach_at(tree, place)
}

/// mount(2), because fsconfig(2) takes no value over 255 bytes. Its options name host paths, which start
/// at the host's root, and relative ones, which start at the stage.
pub fn overlay(places: &mut Places, overlay: &Overlay, target: &CStr) -> Outcome {
    let stage = places.stage()?;
    sys::fchdir(stage)?;
    if !overlay.memory.is_empty() {
        upper_in_memory(stage, overlay)?;
    }
    for name in [c"skeleton", c"empty"] {
        // Layers that make two of one, which the kernel wants where there is no upper directory.
        paths::place(stage, name, Kind::Directory).map(sys::close)?;
    }
    sys::mkdirat(CWD, overlay.place, 0o755).item(item::TARGET)?;
    sys::mount(c"overlay", overlay.place, overlay.options)?;
    let place = sys::openat(CWD, overlay.place, O_PATH | O_DIRECTORY, 0).item(item::TARGET)?;
    // With a work directory that it cannot use the kernel mounts read-only and says so in its log only.
    if overlay.attributes & MOUNT_ATTR_RDONLY == 0 && sys::is_read_only(place)? {
        return Err(Errno(abi::EACCES).into());
    }
    sys::mount_setattr(place, overlay.attributes, false).item(item::ATTRIBUTES)?;
    attach(places, place, target, Kind::Directory)
}

fn upper_in_memory(stage: Fd, overlay: &Overlay) -> Outcome {
    let place = paths::place(stage, overlay.memory, Kind::Directory).item(item::TARGET)?;
    let tree = new_tmpfs(&overlay.bounds, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)?;
    // The root of the overlay shows the mode of the upper directory.
    sys::mkdirat(tree, c"upper", 0o755)?;
    sys::mkdirat(tree, c"work", 0o700)?;
    attach_at(tree, place)
}

const PROC_ATTRIBUTES: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/// A /proc of the new PID namespace. The kernel forbids it (EPERM) where the caller's own /proc is partly
/// hidden, as inside most containers; then the caller's serves, if that was asked for.
pub fn proc(places: &mut Places, target: &CStr, outer: bool) -> Outcome {
    let tree = match new_mount(c"proc", &[], PROC_ATTRIBUTES) {
        Err(Errno(abi::EPERM)) if outer => outer_proc()?,
        result => result?,
    };
    // Masks are put on this very mount, wherever a path would lead by then.
    places.proc = Some(sys::duplicate(tree, 0)?);
    attach(places, tree, target, Kind::Directory)
}

fn outer_proc() -> Outcome<Fd> {
    let tree = sys::clone_tree(CWD, c"/proc").item(item::SOURCE)?;
    sys::mount_setattr(tree, PROC_ATTRIBUTES, true).item(item::ATTRIBUTES)?;
    Ok(tree)
}

/// Hides a directory of /proc behind an empty one, a file behind /dev/null.
pub fn mask(places: &mut Places, path: &CStr) -> Outcome {
    let Some(place) = existing(places.proc()?, path)? else { return Ok(()) };
    let tree = match kind_of(&sys::fstat(place)?) {
        Kind::Directory => {
            let options = TmpfsOptions { mode: c"755", size: c"4096", inodes: c"1" };
            new_tmpfs(&options, PROC_ATTRIBUTES | MOUNT_ATTR_RDONLY)?
        }
        Kind::File => {
            let null = sys::clone_tree(CWD, c"/dev/null").item(item::SOURCE)?;
            let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
            sys::mount_setattr(null, attributes, false).item(item::ATTRIBUTES)?;
            null
        }
    };
    attach_at(tree, place)
}

/// Makes a part of /proc read-only.
pub fn read_only(places: &mut Places, path: &CStr) -> Outcome {
    let Some(place) = existing(places.proc()?, path)? else { return Ok(()) };
    let tree = sys::clone_tree(place, c"").item(item::SOURCE)?;
    let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    sys::mount_setattr(tree, attributes, true).item(item::ATTRIBUTES)?;
    attach_at(tree, place)
}

/// Opens a path of /proc; what this kernel does not have needs no protection.
fn existing(proc: Fd, path: &CStr) -> Outcome<Option<Fd>> {
    match sys::open_in_root(proc, path, O_PATH) {
        Ok(place) => Ok(Some(place)),
        Err(Errno(abi::ENOENT)) => Ok(None),
        Err(errno) => Err(Failure { errno, item: item::TARGET }),
    }
}

pub fn devpts(places: &mut Places, target: &CStr) -> Outcome {
    let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
    let tree = new_mount(c"devpts", &options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)?;
    attach(places, tree, target, Kind::Directory)
}

pub fn mqueue(places: &mut Places, target: &CStr) -> Outcome {
    let tree = new_mount(c"mqueue", &[], PROC_ATTRIBUTES)?;
    attach(places, tree, target, Kind::Directory)
}

/// Makes a directory with its parents; one that exists stays as it is.
pub fn directory(places: &mut Places, path: &CStr, mode: u32) -> Outcome {
    let root = places.root()?;
    if path == c"/" {
        return Ok(());
    }
    match paths::in_parent(root, path, |parent, name| sys::mkdirat(parent, name, mode)) {
        Err(error @ Errno(abi::EEXIST | abi::EROFS)) => {
            // Not only a directory can have the name.
            let found = sys::open_in_root(root, path, O_PATH | O_DIRECTORY).map(sys::close);
            found.map_err(|why| if why.0 == abi::ENOENT { error } else { why }).item(item::TARGET)
        }
        result => result.item(item::TARGET),
    }
}

/// What a file is to contain.
pub struct Content<'a> {
    /// A file of memory, for what is long: it need not pass through init's own memory, which counts as the
    /// workload's until exec.
    pub fd: Option<Fd>,
    pub bytes: &'a [u8],
}

/// Writes a file: in its place, if that is on a file system of our own. Elsewhere the place is the host's, and
/// may be anything; there the file is made apart and bound over it.
pub fn file(places: &mut Places, path: &CStr, mode: u32, content: &Content, bound: u64) -> Outcome {
    let root = places.root()?;
    let written = paths::in_parent(root, path, |parent, name| {
        let ours = places.own.contains(sys::mount_id(parent)?);
        if ours {
            write_file(parent, name, mode, content)?;
        }
        Ok(ours)
    });
    if written.item(item::TARGET)? { Ok(()) } else { bound_file(places, path, mode, content, bound) }
}

/// Where no stage was prepared the root is our own, and serves.
fn bound_file(places: &mut Places, path: &CStr, mode: u32, content: &Content, attributes: u64) -> Outcome {
    let (workshop, name) = (places.stage.or(places.root).ok_or(Errno(abi::EINVAL))?, c".file");
    write_file(workshop, name, mode, content)?;
    let tree = sys::clone_tree(workshop, name).item(item::SOURCE)?;
    sys::mount_setattr(tree, attributes, false).item(item::ATTRIBUTES)?;
    attach(places, tree, path, Kind::File)?;
    // The name is free for the next file; the mount keeps this one alive.
    Ok(sys::unlinkat(workshop, name)?)
}

fn write_file(parent: Fd, name: &CStr, mode: u32, content: &Content) -> Result<()> {
    let flags = abi::O_CREAT | abi::O_TRUNC | abi::O_WRONLY | abi::O_NOFOLLOW;
    let file = sys::openat(parent, name, flags, mode)?;
    match content.fd {
        Some(source) => sys::copy_file(source, file)?,
        None => sys::write_all(file, content.bytes)?,
    }
    // The mode given at creation does not count where the file existed.
    sys::fchmod(file, mode)?;
    sys::close(file);
    Ok(())
}

pub fn symlink(places: &mut Places, target: &CStr, path: &CStr) -> Outcome {
    let link = |parent: Fd, name: &CStr| sys::symlinkat(target, parent, name);
    paths::in_parent(places.root()?, path, link).item(item::TARGET)
}

/// Makes one mount read-only, when it is filled.
pub fn seal(places: &mut Places, path: &CStr) -> Outcome {
    let mount = sys::open_in_root(places.root()?, path, O_PATH).item(item::TARGET)?;
    sys::mount_setattr(mount, MOUNT_ATTR_RDONLY, false)?;
    sys::close(mount);
    Ok(())
}

/// Makes the new root the root. It is already mounted on top of the old one, so that where pivot_root
/// cannot work (EINVAL: the host's root is an initramfs) a chroot into it is complete: the process root
/// is then the topmost mount at the namespace's root, which is also what lets nested user namespaces be
/// created.
pub fn enter_root(places: &mut Places) -> Outcome {
    let root = places.root()?;
    sys::fchdir(root)?;
    match sys::pivot_root(c".", c".") {
        Ok(()) => drop_mounts_above(root)?,
        Err(Errno(abi::EINVAL)) => sys::chroot(c".")?,
        Err(errno) => return Err(errno.into()),
    }
    Ok(sys::chdir(c"/")?)
}

/// After pivot_root the host's root lies on top of the new one, and on it what was mounted there: the stage.
/// Each umount takes the topmost away, with all below it. When none is left, `/..` is the new root itself;
/// one umount more would take that.
fn drop_mounts_above(root: Fd) -> Outcome {
    let own = sys::mount_id(root)?;
    loop {
        let top = sys::openat(CWD, c"/..", O_PATH, 0)?;
        let topmost = sys::mount_id(top)?;
        sys::close(top);
        if topmost == own {
            return Ok(());
        }
        sys::umount_detach(c".").item(item::ATTACH)?;
    }
}
