//! The steps of a run, read back from what `explain()` prints: so everything that is measured beside the
//! library makes the same container, also when the plan changes.

use std::path::Path;

/// A line of `explain()`.
#[derive(Clone, Debug)]
pub struct Step {
    /// The name of the step.
    pub name: String,
    /// What it works on.
    pub detail: String,
}

impl Step {
    /// The text before `separator`, and the text after it up to the parenthesis that some end with.
    pub fn halves(&self, separator: &str) -> (&str, &str) {
        self.bare_detail().split_once(separator).unwrap_or((&self.detail, ""))
    }

    /// The detail without what stands in parentheses at its end.
    pub fn bare_detail(&self) -> &str {
        self.detail.rsplit_once(" (").map_or(&self.detail, |(front, _)| front)
    }

    /// What stands in parentheses at the end.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        let notes = self.detail.rsplit_once(" (").map_or("", |(_, notes)| notes);
        notes.trim_end_matches(')').split(',').map(str::trim)
    }

    /// The value of a note such as `mode 755` or `4096 bytes`.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.notes().find_map(|note| {
            let value = note.strip_prefix(key).or_else(|| note.strip_suffix(key))?;
            Some(value.trim())
        })
    }
}

/// Reads the numbered lines.
pub fn read(explained: &str) -> Vec<Step> {
    explained.lines().filter_map(read_line).collect()
}

fn read_line(line: &str) -> Option<Step> {
    let (number, rest) = line.trim_start().split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (name, detail) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Step { name: name.into(), detail: detail.trim().into() })
}

/// The names of all new namespaces: those of the clone and those that later steps unshare.
pub fn namespaces(explained: &str) -> Vec<String> {
    let prefix = "init in new namespaces: ";
    let first = explained.lines().find_map(|line| line.strip_prefix(prefix)).unwrap_or_default();
    let steps = read(explained);
    let later = steps.iter().filter(|step| step.name == "unshare").map(|step| step.detail.as_str());
    std::iter::once(first).chain(later).flat_map(str::split_whitespace).map(String::from).collect()
}

/// Whether a path of the host is a directory; `None` where it does not exist.
pub fn is_directory(path: &str) -> Option<bool> {
    Path::new(path).metadata().ok().map(|metadata| metadata.is_dir())
}
