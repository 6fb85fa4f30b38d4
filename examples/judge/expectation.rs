//! What the author of a submission says that it deserves, in its first line.

use crate::verdict::Verdict;

/// The verdicts that are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    strict: Vec<Verdict>,
    best_effort: Vec<Verdict>,
}

impl Expectation {
    /// From a comment in the first line, such as `// expect: TLE` or `# expect: MLE; best effort: RE, MLE`. What
    /// follows `best effort` counts where a limit is not held strictly.
    pub fn of_source(source: &[u8]) -> Result<Self, String> {
        let first = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let (_, wish) =
            first.split_once("expect:").ok_or("its first line does not say `expect:` and a verdict")?;
        let wish = wish.trim().trim_end_matches("*/");
        let (strict, best_effort) = wish.split_once("; best effort:").unwrap_or((wish, wish));
        Ok(Expectation { strict: verdicts(strict)?, best_effort: verdicts(best_effort)? })
    }

    /// The right verdicts where all limits are strict, or where they are not.
    pub fn verdicts(&self, all_strict: bool) -> &[Verdict] {
        if all_strict { &self.strict } else { &self.best_effort }
    }
}

fn verdicts(list: &str) -> Result<Vec<Verdict>, String> {
    list.split(',').map(|one| one.trim().parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::Expectation;
    use crate::verdict::Verdict::{MemoryLimit, RuntimeError, TimeLimit};

    #[test]
    fn the_first_line_counts() {
        let of = |source: &str| Expectation::of_source(source.as_bytes());
        let one = of("/* expect: TLE */\nint main;").unwrap();
        assert_eq!((one.verdicts(true), one.verdicts(false)), (&[TimeLimit][..], &[TimeLimit][..]));
        let two = of("# expect: MLE; best effort: RE, MLE").unwrap();
        assert_eq!(
            (two.verdicts(true), two.verdicts(false)),
            (&[MemoryLimit][..], &[RuntimeError, MemoryLimit][..])
        );
        assert!(of("\n// expect: TLE").is_err() && of("// expect: SLOW").is_err() && of("").is_err());
    }
}
