//! Checking a set of problems: every submission must get the verdict that it says it deserves.

use std::path::{Path, PathBuf};

use crate::expectation::Expectation;
use crate::failure::Failure;
use crate::judge::{Judge, Submission};
use crate::language::Languages;
use crate::limits::Seat;
use crate::outcome::Judgement;
use crate::problem::Problem;
use crate::progress::Progress;
use crate::verdict::Verdict;
use crate::workers;

/// One submission.
pub struct Checked {
    /// The name of the problem.
    pub problem: String,
    /// The file.
    pub submission: PathBuf,
    /// What came of it.
    pub result: Checking,
}

/// What came of a submission.
pub enum Checking {
    /// It was judged; these are the verdicts that are right.
    Judged(Box<Judgement>, Vec<Verdict>),
    /// Its language is not installed here, for this reason.
    Skipped(String),
    /// It could not be judged.
    Failed(Failure),
}

impl Checked {
    /// Whether nothing is wrong with it: what was not judged because its language is missing is not wrong.
    pub fn is_right(&self) -> bool {
        match &self.result {
            Checking::Judged(judgement, right) => right.contains(&judgement.verdict),
            Checking::Skipped(_) => true,
            Checking::Failed(_) => false,
        }
    }
}

/// How submissions are checked.
pub struct Check<'a> {
    /// What they are written in.
    pub languages: &'a Languages,
    /// Where they run.
    pub seats: &'a [Seat],
    /// Whether all limits are held strictly here.
    pub all_strict: bool,
}

impl Check<'_> {
    /// Judges all submissions of a problem, one on each seat at a time: its compiler does not disturb what is
    /// measured on another CPU. Tests after a failed one are left out.
    pub fn check(&self, directory: &Path) -> Result<Vec<Checked>, Failure> {
        let problem = Problem::load(directory)?;
        let first = *self.seats.first().ok_or_else(|| Failure::new("there is no CPU to judge on"))?;
        let judge = Judge::new(&problem, self.languages, first, true)?;
        let submissions = problem.submissions()?;
        let progress = Progress::new(&problem.title, submissions.len());
        let checked = workers::each(self.seats, &submissions, |seat, _, path| {
            let result = self.submission(&judge, path, seat).unwrap_or_else(Checking::Failed);
            progress.advance();
            Checked { problem: problem.name(), submission: path.clone(), result }
        });
        progress.finish();
        Ok(checked)
    }

    fn submission(&self, judge: &Judge, path: &Path, seat: Seat) -> Result<Checking, Failure> {
        let submission = match Submission::read(path, None, self.languages)? {
            Ok(submission) => submission,
            Err(reason) => return Ok(Checking::Skipped(reason)),
        };
        let expectation = Expectation::of_source(&submission.source);
        let expectation =
            expectation.map_err(|reason| Failure::new(format!("{}: {reason}", path.display())))?;
        let judgement = judge.judge(&submission, &[seat], || {})?;
        Ok(Checking::Judged(Box::new(judgement), expectation.verdicts(self.all_strict).to_vec()))
    }
}
