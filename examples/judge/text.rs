//! What others wrote, made fit to be shown.

/// The most that is kept of a message, in bytes.
const MESSAGE: usize = 4096;

/// The beginning of a message, without what could do something to a terminal.
pub fn printable(bytes: &[u8]) -> String {
    let kept = &bytes[..bytes.len().min(MESSAGE)];
    let text = String::from_utf8_lossy(kept);
    let mut text: String = text.chars().map(harmless).collect();
    text.truncate(text.trim_end().len());
    text.drain(..text.len() - text.trim_start_matches('\n').len());
    if kept.len() < bytes.len() {
        text.push_str(&format!("\n... and {} bytes more", bytes.len() - kept.len()));
    }
    text
}

fn harmless(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// One line, for a cell of a table.
pub fn short(line: &str) -> String {
    const MOST: usize = 60;
    let line = line.trim();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// The line of a compiler's message that tells most: the first that has the word "error", or else the first.
pub fn gist(message: &str) -> &str {
    let errors = || message.lines().find(|line| line.to_ascii_lowercase().contains("error"));
    errors().or_else(|| message.lines().next()).unwrap_or_default()
}
