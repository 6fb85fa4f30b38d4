//! What people read: tables, with rules in a terminal and without elsewhere.

use cofferdam::Report;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::Term;

use crate::check::{Checked, Checking};
use crate::outcome::{Judgement, Outcome, TestResult};
use crate::text::{gist, short};
use crate::units::{mebibytes, milliseconds};
use crate::verdict::Verdict;

/// A judged submission, test by test.
pub fn of_judgement(judgement: &Judgement) -> String {
    let mut text = String::new();
    if let Some(message) = &judgement.message {
        text.push_str(&format!("{message}\n\n"));
    }
    if !judgement.tests.is_empty() {
        let mut table =
            empty(&["test", "verdict", "cause", "CPU time", "wall time", "memory", "CPU", "note"]);
        table.add_rows(judgement.tests.iter().map(test_row));
        align_right(&mut table, 3..=6);
        text.push_str(&format!("{table}\n\n"));
    }
    let talks = judgement.tests.iter().filter_map(|test| Some((test, test.outcome.as_ref()?)));
    talks.filter(|(_, outcome)| outcome.verdict != Verdict::Accepted).for_each(|(test, outcome)| {
        text.push_str(&transcript(&test.name, outcome));
    });
    text + &format!("verdict: {}\n", judgement.verdict)
}

fn test_row(test: &TestResult) -> Vec<String> {
    let Some(outcome) = &test.outcome else {
        return vec![test.name.clone(), "-".into()];
    };
    let [cause, cpu_time, wall_time, memory] = figures(outcome.report.as_ref());
    let (name, verdict) = (test.name.clone(), outcome.verdict.to_string());
    vec![name, verdict, cause, cpu_time, wall_time, memory, test.cpu.to_string(), short(&outcome.note)]
}

fn figures(report: Option<&Report>) -> [String; 4] {
    let Some(report) = report else { return Default::default() };
    let (cpu_time, wall_time) = (milliseconds(report.cpu_time()), milliseconds(report.wall_time()));
    [report.cause().to_string(), cpu_time, wall_time, mebibytes(report.memory_peak())]
}

/// What was said in a test of an interactive problem, and who failed first.
fn transcript(test: &str, outcome: &Outcome) -> String {
    let Some(talk) = &outcome.talk else { return String::new() };
    let first = talk.first_failure.map_or("nobody", |party| party.name());
    let mut text = format!("test {test}: the {first} failed first\n");
    for (speaker, line) in talk.transcript.lines() {
        text.push_str(&format!("  {:>10}: {line}\n", speaker.name()));
    }
    if talk.transcript.left_out > 0 {
        text.push_str(&format!("  ... and {} bytes more\n", talk.transcript.left_out));
    }
    text + "\n"
}

/// Checked submissions, and what they come to.
pub fn of_checked(checked: &[Checked]) -> String {
    let mut table = empty(&[
        "problem",
        "submission",
        "expected",
        "verdict",
        "",
        "CPU time",
        "wall time",
        "memory",
        "note",
    ]);
    table.add_rows(checked.iter().map(checked_row));
    align_right(&mut table, 5..=7);
    format!("{table}\n\n{}\n", summary(checked))
}

fn checked_row(checked: &Checked) -> Vec<String> {
    let file = checked.submission.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut row = vec![checked.problem.clone(), file];
    match &checked.result {
        Checking::Judged(judgement, right) => {
            let expected = right.iter().map(Verdict::to_string).collect::<Vec<_>>().join(" or ");
            let mark = if checked.is_right() { "as expected" } else { "DIFFERENT" };
            row.extend([expected, judgement.verdict.to_string(), mark.into()]);
            row.extend(judged_figures(judgement));
        }
        Checking::Skipped(reason) => row.extend(remark("skipped", reason)),
        Checking::Failed(failure) => row.extend(remark("FAILED", &failure.to_string())),
    }
    row
}

fn remark(mark: &str, reason: &str) -> [String; 7] {
    let [none, other, cpu, wall, memory] = <[String; 5]>::default();
    [none, other, mark.into(), cpu, wall, memory, short(reason)]
}

/// The most that any test took, and why the verdict is what it is.
fn judged_figures(judgement: &Judgement) -> [String; 4] {
    let reports = || judgement.tests.iter().filter_map(|test| test.outcome.as_ref()?.report.as_ref());
    let longest = |time: fn(&Report) -> _| reports().map(time).max().map(milliseconds).unwrap_or_default();
    let memory = reports().map(Report::memory_peak).max().map(mebibytes).unwrap_or_default();
    let note = match (judgement.deciding(), &judgement.message) {
        (Some((test, outcome)), _) => short(&format!("test {}: {}", test.name, outcome.note)),
        (None, Some(message)) => short(gist(message)),
        (None, None) => String::new(),
    };
    [longest(Report::cpu_time), longest(Report::wall_time), memory, note]
}

fn summary(checked: &[Checked]) -> String {
    let count = |wanted: fn(&Checked) -> bool| checked.iter().filter(|one| wanted(one)).count();
    let skipped = count(|one| matches!(one.result, Checking::Skipped(_)));
    let wrong = count(|one| !one.is_right());
    format!("{} as expected, {wrong} not, {skipped} skipped", checked.len() - wrong - skipped)
}

/// Languages, and whether they are here.
pub fn of_languages(rows: impl IntoIterator<Item = [String; 3]>) -> String {
    let mut table = empty(&["language", "name", "installed"]);
    table.add_rows(rows);
    format!("{table}\n")
}

/// In a terminal with rules, and as wide as that; elsewhere one line for each row, whatever its length.
fn empty(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.set_header(header).load_preset(presets::NOTHING);
    if let Some((_, width)) = Term::stdout().size_checked() {
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

fn align_right(table: &mut Table, columns: std::ops::RangeInclusive<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
