//! The program that the kernel runs at every system call.
//!
//! After the check of the architecture a balanced tree of comparisons leads from the number to its decision.
//! Neighbours with the same decision are one range, and a few single numbers among others are found by
//! comparing; ways that end alike share their end. So a filter of 380 calls has a little more than a hundred
//! instructions, and a way through it ten. The kernel translates all of them when a filter is attached, goes every
//! way once, and remembers the calls that are allowed whatever their arguments (Linux 5.11): these cost nothing
//! then. The conditions on arguments are seccompiler's.

use seccompiler::{BpfProgram, sock_filter};

use super::action::{Listener, SeccompAction};
use super::assembly::{Assembly, Place, code};
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
        Ok(Filter { program: bytes(&program), listener, pass: pass.unwrap_or_default(), may_use_keys })
    }

    pub(super) fn program(&self) -> BpfProgram {
        let unknown = Decision::always(self.unknown);
        let missing = Decision::always(SeccompAction::Errno(libc::ENOSYS));
        let mut ranges = self.ranges(&unknown, &missing);
        if self.architecture == Architecture::X86_64 {
            push(&mut ranges, X32, &missing);
        }
        let foreign = SeccompAction::KillProcess.verdict(self.listener);
        let mut assembly = Assembly::default();
        let tree = tree(&mut assembly, &blocks(&ranges), self.listener);
        assembly.follow_with(tree);
        assembly.statement(code::LOAD, NUMBER);
        assembly.statement(code::RETURN, foreign);
        assembly.jump(code::JUMP_IF_EQUAL, self.architecture.audit_number(), 1, 0);
        assembly.statement(code::LOAD, ARCHITECTURE);
        assembly.finish()
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

/// The most single numbers of a block, which are tried in turn.
const SINGLES: usize = 2;

/// Ranges that belong together: one, or one with single numbers in it that are decided otherwise.
fn blocks<'a, 'b>(ranges: &'b [Range<'a>]) -> Vec<&'b [Range<'a>]> {
    let (mut blocks, mut rest) = (Vec::new(), ranges);
    while !rest.is_empty() {
        let singles = rest.windows(3).step_by(2).take(SINGLES).take_while(|window| is_hole(window)).count();
        let (block, others) = rest.split_at(1 + 2 * singles);
        blocks.push(block);
        rest = others;
    }
    blocks
}

/// Whether the second of three ranges is a single number, and the third goes on with the first.
fn is_hole(ranges: &[Range<'_>]) -> bool {
    ranges[2].first == ranges[1].first + 1 && ranges[2].decision == ranges[0].decision
}

/// The way from the number, which is loaded, to its decision.
fn tree(assembly: &mut Assembly, blocks: &[&[Range<'_>]], listener: Listener) -> Place {
    if let [block] = blocks {
        return single_numbers(assembly, block, listener);
    }
    let (low, high) = blocks.split_at(blocks.len() / 2);
    let first = high[0][0].first;
    let high = tree(assembly, high, listener);
    let low = tree(assembly, low, listener);
    assembly.branch(code::JUMP_IF_AT_LEAST, first, high, low)
}

/// The way within a block.
fn single_numbers(assembly: &mut Assembly, block: &[Range<'_>], listener: Listener) -> Place {
    let mut place = leaf(assembly, block[0].decision, listener);
    for single in block.iter().skip(1).step_by(2) {
        let own = leaf(assembly, single.decision, listener);
        place = assembly.branch(code::JUMP_IF_EQUAL, single.first, own, place);
    }
    place
}

/// Each rule falls through where it holds, and jumps over one instruction where it does not.
fn leaf(assembly: &mut Assembly, decision: &Decision, listener: Listener) -> Place {
    let otherwise = decision.otherwise.verdict(listener);
    if decision.rules.is_empty() {
        return assembly.verdict(otherwise);
    }
    assembly.end(otherwise);
    for (rule, action) in decision.rules.iter().rev() {
        assembly.end(action.verdict(listener));
        assembly.prepend(conditions(&BpfProgram::from(rule.clone())));
    }
    assembly.here()
}

/// A rule of seccompiler's without its first two instructions: a jump over one, and that one, which it needs where
/// another program follows a rule that does not hold.
fn conditions(rule: &[sock_filter]) -> &[sock_filter] {
    match rule {
        [sock_filter { code: code::JUMP, k: 1, .. }, sock_filter { code: code::JUMP, .. }, rest @ ..] => rest,
        rule => rule,
    }
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |one: &sock_filter| {
        let [c0, c1] = one.code.to_ne_bytes();
        let [k0, k1, k2, k3] = one.k.to_ne_bytes();
        [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
    };
    program.iter().flat_map(instruction).collect()
}
