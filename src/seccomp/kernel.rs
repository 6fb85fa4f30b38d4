//! The kernel's version, for profiles whose entries depend on it. Nothing else in the library does.

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KernelVersion {
    pub major: u32,
    pub minor: u32,
}

impl KernelVersion {
    /// Of a release as uname(2) tells it: `6.12.3-arch1`, `3.12-1-amd64`, `5.4-rc5`.
    pub fn of_release(release: &str) -> Option<Self> {
        let (major, rest) = release.split_once('.')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(KernelVersion { major: major.parse().ok()?, minor: rest[..end].parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_by_their_first_two_numbers() {
        let version = |major, minor| Some(KernelVersion { major, minor });
        assert_eq!(KernelVersion::of_release("6.18.44-fc"), version(6, 18));
        assert_eq!(KernelVersion::of_release("3.12-1-amd64"), version(3, 12));
        assert_eq!(KernelVersion::of_release("5.4-rc5"), version(5, 4));
        assert_eq!(KernelVersion::of_release("4.8"), version(4, 8));
        assert_eq!(KernelVersion::of_release("6.x"), None);
        assert_eq!(KernelVersion::of_release("six"), None);
        assert!(version(4, 10) > version(4, 8) && version(5, 0) > version(4, 19));
    }
}
