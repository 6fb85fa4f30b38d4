//! What two programs say to each other.

use crate::outcome::Party;

/// The most that is kept, in bytes.
pub const MOST: usize = 4096;

/// The beginning of a conversation, in the order in which the judge passed it on.
#[derive(Debug, Default)]
pub struct Transcript {
    turns: Vec<(Party, Vec<u8>)>,
    kept: usize,
    /// Bytes that were said beyond what is kept.
    pub left_out: u64,
}

impl Transcript {
    /// Adds what somebody said.
    pub fn add(&mut self, speaker: Party, bytes: &[u8]) {
        let (kept, rest) = bytes.split_at(bytes.len().min(MOST - self.kept));
        self.kept += kept.len();
        self.left_out += rest.len() as u64;
        match self.turns.last_mut() {
            Some((last, turn)) if *last == speaker => turn.extend(kept),
            _ if kept.is_empty() => {}
            _ => self.turns.push((speaker, kept.to_vec())),
        }
    }

    /// Who said what, line by line.
    pub fn lines(&self) -> impl Iterator<Item = (Party, String)> {
        self.turns.iter().flat_map(|(speaker, turn)| {
            let text = crate::text::printable(turn);
            text.lines().map(|line| (*speaker, line.to_owned())).collect::<Vec<_>>()
        })
    }
}
