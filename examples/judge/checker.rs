//! Comparing an answer with the right one. It happens here, in the judge: the submission never sees the answer.

use serde::Deserialize;

/// How answers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checker {
    /// Word by word: how much white space is between them does not matter, nor at the end.
    #[default]
    Tokens,
    /// Byte by byte.
    Exact,
}

impl Checker {
    /// Where the answer is wrong, if it is.
    pub fn fault(self, expected: &[u8], answer: &[u8]) -> Option<String> {
        match self {
            Checker::Tokens => token_fault(expected, answer),
            Checker::Exact => byte_fault(expected, answer),
        }
    }
}

fn token_fault(expected: &[u8], answer: &[u8]) -> Option<String> {
    let (mut expected, mut answer) = (tokens(expected), tokens(answer));
    let mut place = 0;
    loop {
        place += 1;
        match (expected.next(), answer.next()) {
            (None, None) => return None,
            (Some(right), Some(given)) if right == given => {}
            (right, given) => return Some(format!("word {place}: {}", difference(right, given))),
        }
    }
}

fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty())
}

fn byte_fault(expected: &[u8], answer: &[u8]) -> Option<String> {
    if expected == answer {
        return None;
    }
    let same = expected.iter().zip(answer).take_while(|(right, given)| right == given).count();
    let line = 1 + expected[..same].iter().filter(|byte| **byte == b'\n').count();
    Some(format!("byte {} (line {line}): {}", same + 1, difference(rest(expected, same), rest(answer, same))))
}

/// The rest of the line, with its end; `None` where the text is over.
fn rest(text: &[u8], start: usize) -> Option<&[u8]> {
    let rest = &text[start..];
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    (end > 0).then(|| &rest[..end])
}

fn difference(right: Option<&[u8]>, given: Option<&[u8]>) -> String {
    format!("expected {}, found {}", shown(right), shown(given))
}

/// The first bytes, in such a form that they can do no harm to a terminal.
fn shown(bytes: Option<&[u8]>) -> String {
    const MOST: usize = 24;
    match bytes {
        None => "the end".into(),
        Some(bytes) if bytes.len() > MOST => format!("`{}`...", bytes[..MOST].escape_ascii()),
        Some(bytes) => format!("`{}`", bytes.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::Checker::{Exact, Tokens};

    #[test]
    fn tokens_ignore_white_space_and_nothing_else() {
        assert_eq!(Tokens.fault(b"1 2\n", b"1\t 2 \n\n"), None);
        assert_eq!(Tokens.fault(b"", b" \n"), None);
        assert_eq!(Tokens.fault(b"1 2", b"1 3").unwrap(), "word 2: expected `2`, found `3`");
        assert_eq!(Tokens.fault(b"1 2", b"1").unwrap(), "word 2: expected `2`, found the end");
        assert_eq!(Tokens.fault(b"1", b"1 \x1b").unwrap(), "word 2: expected the end, found `\\x1b`");
        assert!(Tokens.fault(b"12", b"1 2").is_some());
    }

    #[test]
    fn exact_ignores_nothing() {
        assert_eq!(Exact.fault(b"1 2\n", b"1 2\n"), None);
        assert_eq!(
            Exact.fault(b"1\n2\n", b"1\n2").unwrap(),
            "byte 4 (line 2): expected `\\n`, found the end"
        );
        assert!(Exact.fault(b"1 2", b"1  2").is_some());
    }
}
