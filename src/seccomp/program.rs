//! The program that the kernel runs at every system call.
//!
//! After the check of the architecture a balanced tree of comparisons leads from the number to its decision:
//! neighbours with the same decision are one range, so that a filter of 380 calls has a hundred instructions or
//! two, and a way through it ten. The kernel goes every way once when a filter is attached, and remembers the
//! calls that are allowed whatever their arguments (Linux 5.11): these cost nothing then. The conditions on
//! arguments are seccompiler's.

use seccompiler::{BpfProgram, sock_filter};

use super::action::{Listener, SeccompAction};
use super::resolve::{Decision, Resolved};
use super::syscall::Architecture;
use crate::error::{Error, Result};

/// A filter, ready to be attached.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// `struct sock_filter` after `struct sock_filter`.
    pub program: Vec<u8>,
    pub listener: Listener,
    pub pass: [u64; 3],
    /// It lets the workload use keys.
    pub may_use_keys: bool,
}

/// The most instructions that the kernel takes, `BPF_MAXINSNS`.
const MOST: usize = 4096;

/// The lowest number of an x32 call.
const X32: u32 = 0x4000_0000;

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_JMP | BPF_JGE | BPF_K`, `BPF_JMP | BPF_JA`,
/// `BPF_RET | BPF_K`.
mod code {
    pub const LOAD: u16 = 0x20;
    pub const JUMP_IF_EQUAL: u16 = 0x15;
    pub const JUMP_IF_AT_LEAST: u16 = 0x35;
    pub const JUMP: u16 = 0x05;
    pub const RETURN: u16 = 0x06;
}

/// The offsets of `nr` and `arch` in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// A decision for all numbers from this one to the next range.
struct Range<'a> {
    first: u32,
    decision: &'a Decision,
}

impl Resolved {
    pub fn compile(&self) -> Result<Filter> {
        let program = self.program();
        if program.len() > MOST {
            let what = format!("the filter has {} instructions; the kernel takes {MOST}", program.len());
            return Err(Error::invalid("seccomp", what));
        }
        let Resolved { listener, pass, may_use_keys, .. } = *self;
        Ok(Filter { program: bytes(&program), listener, pass, may_use_keys })
    }

    pub(super) fn program(&self) -> BpfProgram {
        let unknown = Decision::always(self.unknown);
        let missing = Decision::always(SeccompAction::Errno(libc::ENOSYS));
        let mut ranges = self.ranges(&unknown, &missing);
        if self.architecture == Architecture::X86_64 {
            push(&mut ranges, X32, &missing);
        }
        let foreign = SeccompAction::KillProcess.verdict(self.listener);
        let mut program = vec![
            statement(code::LOAD, ARCHITECTURE),
            jump(code::JUMP_IF_EQUAL, self.architecture.audit_number(), 1, 0),
            statement(code::RETURN, foreign),
            statement(code::LOAD, NUMBER),
        ];
        program.extend(tree(&ranges, self.listener));
        program
    }

    /// All numbers, in ranges of the same decision.
    fn ranges<'a>(&'a self, unknown: &'a Decision, missing: &'a Decision) -> Vec<Range<'a>> {
        // The last number is that of a known call: no gap goes beyond it.
        let gap = |first: u32| if first > self.last { missing } else { unknown };
        let mut ranges = Vec::new();
        let mut next = 0;
        for (number, decision) in &self.calls {
            if *number > next {
                push(&mut ranges, next, gap(next));
            }
            push(&mut ranges, *number, decision);
            next = number + 1;
        }
        push(&mut ranges, next, gap(next));
        ranges
    }
}

fn push<'a>(ranges: &mut Vec<Range<'a>>, first: u32, decision: &'a Decision) {
    if ranges.last().is_none_or(|last| last.decision != decision) {
        ranges.push(Range { first, decision });
    }
}

/// The way from the number, which is loaded, to its decision.
fn tree(ranges: &[Range<'_>], listener: Listener) -> BpfProgram {
    if let [range] = ranges {
        return leaf(range.decision, listener);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (first, low, high) = (high[0].first, tree(low, listener), tree(high, listener));
    // A conditional jump goes 255 instructions far, another one as far as needed.
    let mut program = match u8::try_from(low.len()) {
        Ok(length) => vec![jump(code::JUMP_IF_AT_LEAST, first, length, 0)],
        Err(_) => {
            vec![jump(code::JUMP_IF_AT_LEAST, first, 0, 1), statement(code::JUMP, low.len() as u32)]
        }
    };
    program.extend(low);
    program.extend(high);
    program
}

/// Each rule falls through where it holds, and jumps over one instruction where it does not.
fn leaf(decision: &Decision, listener: Listener) -> BpfProgram {
    let mut program = BpfProgram::new();
    for (rule, action) in &decision.rules {
        program.extend(BpfProgram::from(rule.clone()));
        program.push(statement(code::RETURN, action.verdict(listener)));
    }
    program.push(statement(code::RETURN, decision.otherwise.verdict(listener)));
    program
}

fn statement(code: u16, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |one: &sock_filter| {
        let [c0, c1] = one.code.to_ne_bytes();
        let [k0, k1, k2, k3] = one.k.to_ne_bytes();
        [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
    };
    program.iter().flat_map(instruction).collect()
}
