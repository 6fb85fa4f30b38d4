//! The mounted hierarchies, and the host program's place in each.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::read_at_once;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// What a hierarchy can control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Pids,
    Cpu,
    Cpuset,
    Io,
    Hugetlb,
    /// Accounting of CPU time: a controller of v1. On v2 every group has it.
    Cpuacct,
}

impl Controller {
    pub fn name(self, version: Version) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
            Controller::Io if version == Version::V1 => "blkio",
            Controller::Io => "io",
            Controller::Hugetlb => "hugetlb",
            Controller::Cpuacct => "cpuacct",
        }
    }
}

/// A mounted hierarchy.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub version: Version,
    /// Of v1; those of v2 depend on the group.
    pub controllers: Vec<String>,
    pub mount: PathBuf,
    /// The directory of the host program's own group.
    pub own_group: PathBuf,
}

/// All hierarchies that the program is in and can reach.
pub(super) fn hierarchies() -> Vec<Hierarchy> {
    let own = read_at_once(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mounts = read_at_once(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    mounts.lines().filter_map(|mount| hierarchy(mount, &own)).collect()
}

/// Reads a line of mountinfo: `36 35 98:0 /root /mount/point options - cgroup source super,options`.
fn hierarchy(mount: &str, own: &str) -> Option<Hierarchy> {
    let (front, back) = mount.split_once(" - ")?;
    let mut back = back.split(' ');
    let (kind, options) = (back.next()?, back.nth(1)?);
    // `5:memory:/path` for v1, `0::/path` for v2.
    let mut groups = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let (version, controllers, path) = match kind {
        "cgroup" => {
            let shared = |list: &str| list.split(',').any(|name| options.split(',').any(|o| o == name));
            let (list, path) = groups.find(|(list, _)| !list.is_empty() && shared(list))?;
            (Version::V1, list.split(',').map(String::from).collect(), path)
        }
        "cgroup2" => {
            let (_, path) = groups.find(|(list, _)| list.is_empty())?;
            (Version::V2, Vec::new(), path)
        }
        _ => return None,
    };
    let mut front = front.split(' ').skip(3);
    let (root, point) = (unescape(front.next()?), unescape(front.next()?));
    let below = Path::new(path).strip_prefix(root).ok()?;
    let own_group = if below.as_os_str().is_empty() { point.clone() } else { point.join(below) };
    Some(Hierarchy { version, controllers, mount: point, own_group })
}

/// Paths in mountinfo have blanks, tabs, newlines and backslashes as `\040` and so on.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let octal = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "5:memory:/job/4\n2:cpu,cpuacct:/\n1:name=systemd:/\n0::/user/scope\n";

    #[test]
    fn a_hierarchy_of_version_1_is_found_by_its_controllers() {
        let mount = "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";

        let found = hierarchy(mount, OWN).expect("a hierarchy");

        assert_eq!((found.version, found.controllers), (Version::V1, vec!["memory".to_owned()]));
        assert_eq!(found.own_group, Path::new("/sys/fs/cgroup/memory/job/4"));
    }

    #[test]
    fn controllers_that_share_a_hierarchy_share_a_group() {
        let mount = "36 31 0:33 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct";

        assert_eq!(hierarchy(mount, OWN).expect("a hierarchy").controllers, ["cpu", "cpuacct"]);
    }

    #[test]
    fn a_mount_of_a_part_of_a_hierarchy_counts_from_that_part() {
        let mount = "41 31 0:38 /user /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate";

        assert_eq!(hierarchy(mount, OWN).expect("a hierarchy").own_group, Path::new("/sys/fs/cgroup/scope"));
    }

    #[test]
    fn a_mount_that_does_not_show_the_own_group_does_not_count() {
        let mount = "41 31 0:38 /elsewhere /sys/fs/cgroup rw - cgroup2 cgroup2 rw";

        assert!(hierarchy(mount, OWN).is_none());
        assert!(hierarchy("23 1 254:0 / / rw - ext4 /dev/vda rw", OWN).is_none());
        assert!(hierarchy("nonsense", OWN).is_none());
    }

    #[test]
    fn escapes_in_paths_are_read() {
        assert_eq!(unescape(r"/with\040blank\134and"), Path::new(r"/with blank\and"));
        assert_eq!(unescape(r"/plain\04"), Path::new(r"/plain\04"));
    }
}
