//! Rules: which calls, under which conditions on their arguments, and what becomes of them.

use std::borrow::Cow;

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::action::SeccompAction;
use super::syscall::Width;
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

    /// The part of the rule that concerns these calls, if any.
    pub(super) fn only(mut self, calls: &[&str]) -> Option<Self> {
        self.calls.retain(|call| calls.contains(&call.as_ref()));
        (!self.calls.is_empty()).then_some(self)
    }

    /// The rule holds only where an argument, counted from 0 to 5, compares so. All conditions of a rule must
    /// hold.
    ///
    /// What the kernel does not read of a register does not count: an `int`, such as the command of ioctl(2), a
    /// descriptor or a user id, is compared as 32 bits, and the mode of a file as 16 bits, by `Equal` and
    /// `MaskedEqual` only. A negative number may be given with or without its upper bits. A mask must have a bit that
    /// counts. (What prctl(2), fcntl(2) and keyctl(2) take beyond their command is of 64 bits here, though some
    /// commands read less.)
    pub fn argument(mut self, index: u8, comparison: Comparison) -> Self {
        self.conditions.push((index, comparison));
        self
    }
}

/// The conditions of a rule, for one of its calls.
pub(super) fn conditions(call: &str, conditions: &[(u8, Comparison)]) -> Result<SeccompRule> {
    let all = conditions.iter().map(|(index, comparison)| condition(call, *index, *comparison));
    let rule = SeccompRule::new(all.collect::<Result<_>>()?);
    rule.map_err(|error| Error::invalid("seccomp", format!("a rule for {call}: {error}")))
}

fn condition(call: &str, index: u8, comparison: Comparison) -> Result<SeccompCondition> {
    let width = Width::of(call, index);
    let wrong = |what: String| Error::invalid("seccomp", format!("argument {index} of {call}: {what}"));
    let (operator, value) = match comparison {
        Comparison::Equal(value) => (SeccompCmpOp::Eq, value),
        Comparison::NotEqual(value) => (SeccompCmpOp::Ne, value),
        Comparison::Less(value) => (SeccompCmpOp::Lt, value),
        Comparison::LessOrEqual(value) => (SeccompCmpOp::Le, value),
        Comparison::Greater(value) => (SeccompCmpOp::Gt, value),
        Comparison::GreaterOrEqual(value) => (SeccompCmpOp::Ge, value),
        Comparison::MaskedEqual { mask, value } => (SeccompCmpOp::MaskedEq(mask & width.mask()), value),
    };
    let value = width.fit(value).ok_or_else(|| wrong(format!("{value:#x} has too many bits")))?;
    let operator = match (width, operator) {
        (_, SeccompCmpOp::MaskedEq(0)) => return Err(wrong("no bit of the mask is looked at".into())),
        (Width::Mode, SeccompCmpOp::Eq) => SeccompCmpOp::MaskedEq(width.mask()),
        (Width::Mode, SeccompCmpOp::MaskedEq(mask)) => SeccompCmpOp::MaskedEq(mask),
        (Width::Mode, _) => {
            return Err(wrong("a mode can be compared by `Equal` and `MaskedEqual` only".into()));
        }
        (_, operator) => operator,
    };
    let length = if width == Width::Long { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
    SeccompCondition::new(index, length, operator, value)
        .map_err(|_| wrong("there are only the arguments 0 to 5".into()))
}
