//! A system call, by name and number.

use std::fmt;

use super::table::SYSCALLS;

/// An instruction set with numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86_64,
    #[cfg_attr(not(any(test, target_arch = "aarch64")), expect(dead_code, reason = "the other one"))]
    Aarch64,
}

impl Architecture {
    /// The one that this program runs on.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Architecture = Architecture::X86_64;
    /// The one that this program runs on.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Architecture = Architecture::Aarch64;

    /// `AUDIT_ARCH_*` of `linux/audit.h`.
    pub fn audit_number(self) -> u32 {
        match self {
            Architecture::X86_64 => 0xc000_003e,
            Architecture::Aarch64 => 0xc000_00b7,
        }
    }

    /// The number of a call in a row of the table.
    fn number(self, row: &(&'static str, i32, i32)) -> Option<u32> {
        let number = match self {
            Architecture::X86_64 => row.1,
            Architecture::Aarch64 => row.2,
        };
        u32::try_from(number).ok()
    }

    /// All calls that are known, by name and number.
    pub fn syscalls(self) -> impl Iterator<Item = (&'static str, u32)> {
        SYSCALLS.iter().filter_map(move |row| Some((row.0, self.number(row)?)))
    }
}

/// Whether a call of this name is known, on whatever architecture.
pub(super) fn is_known(name: &str) -> bool {
    SYSCALLS.iter().any(|row| row.0 == name)
}

/// A system call of this machine's architecture.
///
/// ```
/// use cofferdam::Syscall;
/// let call = Syscall::named("socket").expect("every Linux has it");
/// assert_eq!(call.name(), Some("socket"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(u32);

impl Syscall {
    pub(crate) fn from_number(number: u32) -> Self {
        Syscall(number)
    }

    /// The call of this name, if this library knows it and this architecture has it.
    pub fn named(name: &str) -> Option<Self> {
        let mut calls = Architecture::NATIVE.syscalls();
        calls.find(|(known, _)| *known == name).map(|(_, number)| Syscall(number))
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Its name, if this library knows it.
    pub fn name(self) -> Option<&'static str> {
        let mut calls = Architecture::NATIVE.syscalls();
        calls.find(|(_, number)| *number == self.0).map(|(name, _)| name)
    }
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "system call {}", self.0),
        }
    }
}

impl fmt::Debug for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0)
    }
}
