//! A machine for classic BPF programs, as far as seccomp filters use it: the control for what is compiled.

use seccompiler::sock_filter;

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    pub number: u32,
    pub architecture: u32,
    pub arguments: [u64; 6],
}

impl Call {
    /// The word at an offset, as a little-endian machine has it.
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..=60 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset % 8 == 0 { argument as u32 } else { (argument >> 32) as u32 }
            }
            _ => panic!("nothing is compared at offset {offset}"),
        }
    }
}

/// Runs a program; returns its verdict and how many instructions that took.
pub(super) fn run(program: &[sock_filter], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator, mut count) = (0, 0u32, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        count += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => return (k, count),
            _ => panic!("no instruction: {code:#x}"),
        }
    }
}
