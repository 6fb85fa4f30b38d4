//! Rules: which calls, under which conditions on their arguments, and what becomes of them.

use std::borrow::Cow;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::action::SeccompAction;
use crate::error::{Error, Result};

/// A comparison of an argument with a value, without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Comparison {
    /// It is this value.
    Equal(u64),
    /// It is not this value.
    NotEqual(u64),
    /// It is less.
    Less(u64),
    /// It is less, or this value.
    LessOrEqual(u64),
    /// It is greater.
    Greater(u64),
    /// It is greater, or this value.
    GreaterOrEqual(u64),
    /// Its bits of the mask are those of the value.
    MaskedEqual {
        /// The bits that count.
        mask: u64,
        /// What they are.
        value: u64,
    },
}

/// What becomes of some system calls, perhaps only with certain arguments.
///
/// A filter sees the arguments as numbers. What a pointer points to it cannot see.
///
/// ```
/// use cofferdam::{Comparison, Container, Seccomp, SeccompAction, SyscallRule};
/// // No directory with permissions for others: the mode is the second argument of mkdir(2).
/// let open = Comparison::MaskedEqual { mask: 0o007, value: 0o007 };
/// let rule = SyscallRule::new(["mkdir"], SeccompAction::Errno(1)).argument(1, open);
/// let script = "mkdir -m 700 /tmp/a; mkdir -m 777 /tmp/b; ls /tmp";
/// let container = Container::new().command("sh").args(["-c", script]).umask(0);
/// let output = container.seccomp(Seccomp::default().rule(rule)).output()?;
/// assert_eq!(output.stdout, b"a\n");
/// # Ok::<(), cofferdam::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyscallRule {
    pub(super) calls: Vec<Cow<'static, str>>,
    pub(super) action: SeccompAction,
    pub(super) conditions: Vec<(u8, Comparison)>,
}

impl SyscallRule {
    /// A rule for these calls, by name, whatever their arguments.
    pub fn new<S: Into<String>>(calls: impl IntoIterator<Item = S>, action: SeccompAction) -> Self {
        let calls = calls.into_iter().map(|name| Cow::Owned(name.into())).collect();
        SyscallRule { calls, action, conditions: Vec::new() }
    }

    /// A rule of this library's own.
    pub(super) fn known(calls: &[&'static str], action: SeccompAction) -> Self {
        let calls = calls.iter().map(|name| Cow::Borrowed(*name)).collect();
        SyscallRule { calls, action, conditions: Vec::new() }
    }

    /// The rule holds only where an argument, counted from 0 to 5, compares so. All conditions of a rule must
    /// hold.
    ///
    /// An argument that the kernel reads as 32 bits, such as the command of ioctl(2) or the family of socket(2),
    /// is compared as 32 bits, whatever the rest of the register holds.
    pub fn argument(mut self, index: u8, comparison: Comparison) -> Self {
        self.conditions.push((index, comparison));
        self
    }
}

/// The arguments of calls that the kernel reads as 32 bits, by index: only such calls as filters look into.
const INT_ARGUMENTS: &[(&str, &[u8])] = &[
    ("accept4", &[3]),
    ("arch_prctl", &[0]),
    ("clock_gettime", &[0]),
    ("clock_nanosleep", &[0, 1]),
    ("clock_settime", &[0]),
    ("clone", &[0]),
    ("epoll_ctl", &[1]),
    ("fchmod", &[1]),
    ("fchmodat", &[2]),
    ("fcntl", &[1]),
    ("flock", &[1]),
    ("futex", &[1]),
    ("getsockopt", &[1, 2]),
    ("ioctl", &[1]),
    ("keyctl", &[0]),
    ("kill", &[0, 1]),
    ("madvise", &[2]),
    ("mkdir", &[1]),
    ("mkdirat", &[2]),
    ("mknod", &[1, 2]),
    ("mknodat", &[2, 3]),
    ("chmod", &[1]),
    ("open", &[1, 2]),
    ("openat", &[2, 3]),
    ("personality", &[0]),
    ("prctl", &[0]),
    ("prlimit64", &[0, 1]),
    ("quotactl", &[0]),
    ("reboot", &[0, 1, 2]),
    ("sched_setscheduler", &[0, 1]),
    ("seccomp", &[0, 1]),
    ("setns", &[1]),
    ("setpriority", &[0, 1, 2]),
    ("setsockopt", &[1, 2]),
    ("socket", &[0, 1, 2]),
    ("socketpair", &[0, 1, 2]),
    ("syslog", &[0]),
    ("tgkill", &[0, 1, 2]),
    ("tkill", &[0, 1]),
    ("umask", &[0]),
    ("unshare", &[0]),
];

fn is_int(call: &str, index: u8) -> bool {
    INT_ARGUMENTS.iter().any(|(name, indexes)| *name == call && indexes.contains(&index))
}

/// The conditions of a rule, for one of its calls.
pub(super) fn conditions(call: &str, conditions: &[(u8, Comparison)]) -> Result<SeccompRule> {
    let all = conditions.iter().map(|(index, comparison)| condition(call, *index, *comparison));
    let rule = SeccompRule::new(all.collect::<Result<_>>()?);
    rule.map_err(|error| Error::invalid("seccomp", format!("a rule for {call}: {error}")))
}

fn condition(call: &str, index: u8, comparison: Comparison) -> Result<SeccompCondition> {
    let is_int = is_int(call, index);
    let (operator, value) = match comparison {
        Comparison::Equal(value) => (SeccompCmpOp::Eq, value),
        Comparison::NotEqual(value) => (SeccompCmpOp::Ne, value),
        Comparison::Less(value) => (SeccompCmpOp::Lt, value),
        Comparison::LessOrEqual(value) => (SeccompCmpOp::Le, value),
        Comparison::Greater(value) => (SeccompCmpOp::Gt, value),
        Comparison::GreaterOrEqual(value) => (SeccompCmpOp::Ge, value),
        Comparison::MaskedEqual { mask, value } => (SeccompCmpOp::MaskedEq(mask), value),
    };
    // A mask may well be the complement of some bits.
    if is_int && u32::try_from(value).is_err() {
        let what = format!("argument {index} of {call} has 32 bits; {value:#x} has more");
        return Err(Error::invalid("seccomp", what));
    }
    let length = if is_int { SeccompCmpArgLen::Dword } else { SeccompCmpArgLen::Qword };
    let condition = SeccompCondition::new(index, length, operator, value);
    condition.map_err(|_| {
        Error::invalid("seccomp", format!("a rule for {call}: there is no argument {index}, only 0 to 5"))
    })
}
