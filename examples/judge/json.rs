//! What programs read. These fields are kept; others may be added.
//!
//! A judged submission is an object:
//!
//! | field | |
//! |---|---|
//! | `problem`, `submission`, `language` | names; `submission` is the path as it was given |
//! | `verdict` | `AC` `WA` `TLE` `MLE` `RE` `OLE` `CE` `IE` |
//! | `message` | what the compiler said if it failed, otherwise null |
//! | `compiler` | a run, or null if nothing was compiled |
//! | `tests` | a list, in the order of the tests |
//! | `limits` | a list of `limit`, `mechanism`, `strict`: what held the limits |
//! | `expected`, `as_expected` | with `--expect` and in `check`: a list of verdicts, and whether it is among them |
//!
//! A test has `name`, `cpu` (the number of the CPU), `verdict` (null if it was left out), `note`, `run` (a run,
//! or null), and, if the problem is interactive, `interactor` (a run), `first_failure` (`submission`,
//! `interactor` or null) and `transcript` (a list of `speaker` and `line`).
//!
//! A run has `cause`, `code`, `signal`, `cpu_time_us`, `wall_time_us`, `memory_peak_bytes`, `memory_source` (or
//! null) and `reached`, a list of the limits that it came up against.
//!
//! `check` prints one object: `submissions`, a list of the objects above, in which those that were not judged
//! have `problem`, `submission` and either `skipped` or `failed` with the reason; `limits`; and the numbers
//! `as_expected`, `different`, `skipped`.

use std::time::Duration;

use cofferdam::{Enforcement, Report};
use serde_json::{Value, json};

use crate::check::{Checked, Checking};
use crate::outcome::{Judgement, Outcome, TestResult};
use crate::verdict::Verdict;

/// A judged submission.
pub fn of_judgement(judgement: &Judgement, served: &[Enforcement], right: Option<&[Verdict]>) -> Value {
    let mut value = judged(judgement, right);
    value["limits"] = limits(served);
    value
}

fn judged(judgement: &Judgement, right: Option<&[Verdict]>) -> Value {
    let mut value = json!({
        "problem": judgement.problem,
        "submission": judgement.submission.to_string_lossy(),
        "language": judgement.language,
        "verdict": judgement.verdict.to_string(),
        "message": judgement.message,
        "compiler": judgement.compiler.as_ref().map(run),
        "tests": judgement.tests.iter().map(test).collect::<Vec<_>>(),
    });
    if let Some(right) = right {
        value["expected"] = right.iter().map(Verdict::to_string).collect();
        value["as_expected"] = right.contains(&judgement.verdict).into();
    }
    value
}

fn limits(served: &[Enforcement]) -> Value {
    let one = |by: &Enforcement| json!({ "limit": by.limit.name(), "mechanism": by.mechanism, "strict": by.strict });
    served.iter().map(one).collect()
}

fn test(test: &TestResult) -> Value {
    let outcome = test.outcome.as_ref();
    let mut value = json!({
        "name": test.name,
        "cpu": test.cpu,
        "verdict": outcome.map(|outcome| outcome.verdict.to_string()),
        "note": outcome.map(|outcome| &outcome.note),
        "run": outcome.and_then(|outcome| outcome.report.as_ref()).map(run),
    });
    if let Some(talk) = outcome.and_then(|outcome: &Outcome| outcome.talk.as_ref()) {
        let lines = talk.transcript.lines();
        let lines = lines.map(|(speaker, line)| json!({ "speaker": speaker.name(), "line": line }));
        value["interactor"] = run(&talk.interactor);
        value["first_failure"] = talk.first_failure.map(|party| party.name()).into();
        value["transcript"] = lines.collect();
    }
    value
}

fn run(report: &Report) -> Value {
    json!({
        "cause": report.cause().to_string(),
        "code": report.code(),
        "signal": report.signal(),
        "cpu_time_us": microseconds(report.cpu_time()),
        "wall_time_us": microseconds(report.wall_time()),
        "memory_peak_bytes": report.memory_peak(),
        "memory_source": report.usage().memory_peak.map(|figure| figure.source),
        "reached": report.reached().iter().map(|limit| limit.name()).collect::<Vec<_>>(),
    })
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A checked set.
pub fn of_checked(checked: &[Checked], served: &[Enforcement]) -> Value {
    let skipped = checked.iter().filter(|one| matches!(one.result, Checking::Skipped(_))).count();
    let different = checked.iter().filter(|one| !one.is_right()).count();
    json!({
        "submissions": checked.iter().map(checked_one).collect::<Vec<_>>(),
        "limits": limits(served),
        "as_expected": checked.len() - different - skipped,
        "different": different,
        "skipped": skipped,
    })
}

fn checked_one(checked: &Checked) -> Value {
    let (problem, submission) = (&checked.problem, checked.submission.to_string_lossy());
    match &checked.result {
        Checking::Judged(judgement, right) => judged(judgement, Some(right)),
        Checking::Skipped(reason) => {
            json!({ "problem": problem, "submission": submission, "skipped": reason })
        }
        Checking::Failed(failure) => {
            json!({ "problem": problem, "submission": submission, "failed": failure.to_string() })
        }
    }
}
