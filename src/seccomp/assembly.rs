//! Writes a program from its end to its beginning. What a jump leads to is there before the jump, as classic BPF
//! only jumps forward; so ways that end alike can share their end. The kernel translates every instruction
//! each time a filter is attached: fewer of them are a faster start.

use std::collections::HashMap;

use seccompiler::{BpfProgram, sock_filter};

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_JMP | BPF_JGE | BPF_K`, `BPF_JMP | BPF_JA`,
/// `BPF_RET | BPF_K`.
pub(super) mod code {
    pub const LOAD: u16 = 0x20;
    pub const JUMP_IF_EQUAL: u16 = 0x15;
    pub const JUMP_IF_AT_LEAST: u16 = 0x35;
    pub const JUMP: u16 = 0x05;
    pub const RETURN: u16 = 0x06;
}

/// An instruction that is there already: how many there are from it to the end.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Place(usize);

/// What is there of a program, its last instruction first.
#[derive(Default)]
pub(super) struct Assembly {
    reversed: BpfProgram,
    /// The nearest return of each verdict.
    returns: HashMap<u32, Place>,
}

impl Assembly {
    /// A conditional jump goes 255 instructions far. One less leaves room for what makes the other way shorter.
    const FAR: usize = 254;

    /// The instruction that was added last.
    pub fn here(&self) -> Place {
        Place(self.reversed.len())
    }

    pub fn statement(&mut self, code: u16, k: u32) -> Place {
        self.jump(code, k, 0, 0)
    }

    pub fn jump(&mut self, code: u16, k: u32, jt: u8, jf: u8) -> Place {
        self.reversed.push(sock_filter { code, jt, jf, k });
        self.here()
    }

    /// Adds what another has compiled, which goes on with what follows.
    pub fn prepend(&mut self, instructions: &[sock_filter]) -> Place {
        self.reversed.extend(instructions.iter().rev().cloned());
        self.here()
    }

    /// A new return.
    pub fn end(&mut self, verdict: u32) -> Place {
        let place = self.statement(code::RETURN, verdict);
        self.returns.insert(verdict, place);
        place
    }

    /// A return, an older one if it is within reach.
    pub fn verdict(&mut self, verdict: u32) -> Place {
        let known = self.returns.get(&verdict).copied().filter(|place| self.distance(*place) <= Self::FAR);
        known.unwrap_or_else(|| self.end(verdict))
    }

    /// Goes one way or the other, by a comparison with the number.
    pub fn branch(&mut self, code: u16, k: u32, holds: Place, fails: Place) -> Place {
        let fails = self.within_reach(fails);
        let holds = self.within_reach(holds);
        self.jump(code, k, self.distance(holds) as u8, self.distance(fails) as u8)
    }

    /// Sees to it that what is added next goes on there.
    pub fn follow_with(&mut self, place: Place) {
        if place != self.here() {
            self.lead_to(place);
        }
    }

    pub fn finish(mut self) -> BpfProgram {
        self.reversed.reverse();
        self.reversed
    }

    /// How many instructions the next one would jump over.
    fn distance(&self, place: Place) -> usize {
        self.reversed.len() - place.0
    }

    fn within_reach(&mut self, place: Place) -> Place {
        if self.distance(place) <= Self::FAR { place } else { self.lead_to(place) }
    }

    /// A jump of any length, or a copy of the return that it would lead to.
    fn lead_to(&mut self, place: Place) -> Place {
        match self.reversed[place.0 - 1] {
            sock_filter { code: code::RETURN, k, .. } => self.end(k),
            _ => self.statement(code::JUMP, self.distance(place) as u32),
        }
    }
}
