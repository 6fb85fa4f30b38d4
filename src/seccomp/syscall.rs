//! A system call, by name and number.

use std::fmt;

use super::table::{Row, SYSCALLS};

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
    fn number(self, row: &Row) -> Option<u32> {
        let number = match self {
            Architecture::X86_64 => row.1,
            Architecture::Aarch64 => row.2,
        };
        u32::try_from(number).ok()
    }

    /// The number of a call.
    pub fn number_of(self, name: &str) -> Option<u32> {
        self.syscalls().find(|(known, _)| *known == name).map(|(_, number)| number)
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

/// How the kernel reads an argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// The lower 16 bits.
    Mode,
    /// The lower 32 bits.
    Int,
    /// All 64 bits.
    Long,
}

impl Width {
    /// Of an argument that the call does not have, all bits are compared.
    pub fn of(call: &str, index: u8) -> Self {
        let arguments = SYSCALLS.iter().find(|row| row.0 == call).map_or("", |row| row.3);
        match arguments.as_bytes().get(usize::from(index)) {
            Some(b'i') => Width::Int,
            Some(b'm') => Width::Mode,
            _ => Width::Long,
        }
    }

    /// The bits that count.
    pub fn mask(self) -> u64 {
        match self {
            Width::Mode => 0xffff,
            Width::Int => 0xffff_ffff,
            Width::Long => u64::MAX,
        }
    }

    /// The bits of a value that count; `None` where others are set, but for those of a negative number.
    pub fn fit(self, value: u64) -> Option<u64> {
        let is_negative_int = self == Width::Int && value >= i64::from(i32::MIN) as u64;
        (value <= self.mask() || is_negative_int).then_some(value & self.mask())
    }
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
        Architecture::NATIVE.number_of(name).map(Syscall)
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
