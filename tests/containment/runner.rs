//! Makes the checks, and says what became of them in the way of libtest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use crate::check::{Answer, Check, Control, Must};
use crate::profiles::{self, Profile};
use crate::scenes::SECRET;
use crate::{keyrings, prober, sys, table};

/// A variable of the environment of this program, which no container may have.
pub const SECRET_VARIABLE: &str = "COFFERDAM_CONTAINMENT_SECRET";

/// What a run was asked for; arguments as those of libtest.
#[derive(Default)]
struct Options {
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    list: bool,
    threads: Option<usize>,
}

impl Options {
    fn read(arguments: &[String]) -> Self {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (argument.as_str(), None),
            };
            let mut value = || value.clone().or_else(|| rest.next().cloned()).unwrap_or_default();
            match name {
                "--exact" => options.exact = true,
                "--list" => options.list = true,
                "--skip" => options.skipped.push(value()),
                "--test-threads" => options.threads = value().parse().ok(),
                "--format" | "--color" | "--logfile" | "-Z" => drop(value()),
                flag if flag.starts_with('-') => {}
                filter => options.filters.push(filter.to_owned()),
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skipped.iter().any(fits)
    }
}

/// A check under a profile.
struct Case<'a> {
    check: &'a Check,
    control: &'a OnceLock<Option<Answer>>,
    profile: &'static Profile,
}

/// What became of a case.
enum Verdict {
    Passed,
    /// Known to be open, for this reason.
    Open(&'static str),
    Failed(String),
    /// The reason.
    Skipped(String),
    /// The reason why this profile has nothing to do with it.
    NotUnder(&'static str),
}

/// As tests of libtest are called.
fn name_of(check: &Check, profile: &Profile) -> String {
    format!("containment::{} ({})", check.full_name(), profile.name)
}

pub fn main(arguments: &[String]) -> ExitCode {
    let options = Options::read(arguments);
    let checks = table::checks();
    let controls: Vec<OnceLock<Option<Answer>>> = checks.iter().map(|_| OnceLock::new()).collect();
    let cases = |profile: &'static Profile| {
        let both = checks.iter().zip(&controls);
        both.map(move |(check, control)| Case { check, control, profile })
    };
    let all: Vec<Case> = profiles::ALL.iter().flat_map(cases).collect();
    let (wanted, others): (Vec<Case>, Vec<Case>) =
        all.into_iter().partition(|case| options.wants(&name_of(case.check, case.profile)));
    if options.list {
        wanted.iter().for_each(|case| println!("{}: test", name_of(case.check, case.profile)));
        println!("\n{} tests, 0 benchmarks", wanted.len());
        return ExitCode::SUCCESS;
    }
    keyrings::join_session_with_secret();
    sys::be_careless(SECRET_VARIABLE, SECRET, libc::SIGUSR1, libc::SIGUSR2);
    run(&wanted, others.len(), options.threads)
}

fn run(cases: &[Case], filtered_out: usize, threads: Option<usize>) -> ExitCode {
    let begun = Instant::now();
    let cpus = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    println!("\nrunning {} tests", cases.len());
    std::thread::scope(|scope| {
        for _ in 0..threads.unwrap_or(cpus).max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
                    let verdict = judge(case);
                    tally.lock().expect("no panic").count(case, verdict);
                }
            });
        }
    });
    tally.into_inner().expect("no panic").conclude(filtered_out, begun)
}

fn judge(case: &Case) -> Verdict {
    let (check, profile) = (case.check, case.profile);
    if check.forks && !profile.forks {
        return Verdict::NotUnder("no process can be made there");
    }
    if check.by_filter && !profile.filters {
        return Verdict::NotUnder("only a filter stands in the way");
    }
    if let Must::Open(reason) = check.must {
        return judge_open(check, profile, reason);
    }
    if let Control::None(reason) = check.own_control() {
        return Verdict::Skipped(format!("needs root: {reason}"));
    }
    let control = case.control.get_or_init(|| prober::control(check)).as_ref();
    if let Some(what) = control.and_then(|answer| lack(check, answer)) {
        return Verdict::Skipped(format!("the kernel lacks {what}"));
    }
    let must_not = matches!(check.must, Must::Done);
    let control = control.unwrap_or(&Answer::Done);
    if matches!(control, Answer::Broken(_)) || (*control == Answer::Done) == must_not {
        let should = if must_not { "should not succeed" } else { "should succeed" };
        return Verdict::Failed(format!("the control {should}: {control}"));
    }
    let answer = prober::inside(check, profile.apply);
    if is_right(check.must, &answer, profile) {
        Verdict::Passed
    } else {
        Verdict::Failed(format!("inside: {answer}; it must be {:?}", check.must))
    }
}

/// What is known to be open needs no control: it is its own. Once it is closed, it must become a check.
fn judge_open(check: &Check, profile: &Profile, reason: &'static str) -> Verdict {
    match prober::inside(check, profile.apply) {
        Answer::Done => Verdict::Open(reason),
        Answer::Lacks(what) => Verdict::Skipped(format!("the kernel lacks {what}")),
        answer => Verdict::Failed(format!("said to be open, and is not: {answer}")),
    }
}

/// What the machine lacks, by the control's answer.
fn lack(check: &Check, answer: &Answer) -> Option<String> {
    match answer {
        Answer::Lacks(what) => Some(what.clone()),
        Answer::Refused(errno) => {
            let known = check.lacking.iter().find(|(known, _)| known == errno);
            known.map(|(_, what)| (*what).to_owned())
        }
        _ => None,
    }
}

fn is_right(must: Must, answer: &Answer, profile: &Profile) -> bool {
    let stricter = |answer: &Answer| matches!(answer, Answer::Refused(e) if profile.stricter.contains(e));
    match (must, answer) {
        (Must::Done | Must::Open(_), answer) => *answer == Answer::Done,
        (Must::Refused(errnos), Answer::Refused(errno)) if errnos.contains(errno) => true,
        (Must::Hidden | Must::HiddenOr(_), Answer::Hidden) => true,
        (Must::HiddenOr(errnos), Answer::Refused(errno)) if errnos.contains(errno) => true,
        (Must::Killed(signal), Answer::Killed(by)) => signal == *by,
        (_, answer) => stricter(answer),
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: usize,
    failures: Vec<(String, String)>,
    /// Of what has passed somewhere.
    checks: BTreeSet<String>,
    /// Lines that were printed.
    reasons: BTreeSet<String>,
    /// What is known to be open.
    open: BTreeSet<(String, &'static str)>,
    /// Numbers of checks that a profile has nothing to do with.
    not_under: BTreeMap<(&'static str, &'static str), usize>,
}

impl Tally {
    fn count(&mut self, case: &Case, verdict: Verdict) {
        let name = name_of(case.check, case.profile);
        let result = match verdict {
            Verdict::Passed => {
                self.passed += 1;
                self.checks.insert(case.check.full_name());
                "ok".to_owned()
            }
            Verdict::Open(reason) => {
                self.skipped += 1;
                self.open.insert((case.check.full_name(), reason));
                format!("ignored, known to be open: {reason}")
            }
            Verdict::Failed(why) => {
                self.failures.push((name.clone(), why));
                "FAILED".to_owned()
            }
            Verdict::Skipped(reason) => {
                self.skipped += 1;
                self.say_skipped(case.check, &reason);
                format!("ignored, {reason}")
            }
            Verdict::NotUnder(reason) => {
                let profile = case.profile.name;
                self.skipped += 1;
                *self.not_under.entry((profile, reason)).or_default() += 1;
                format!("ignored, not under {profile}: {reason}")
            }
        };
        println!("test {name} ... {result}");
    }

    /// Once for a check and a reason, where the other tests say it.
    fn say_skipped(&mut self, check: &Check, reason: &str) {
        let line = format!("SKIPPED containment::{}: {reason}\n", check.full_name());
        if self.reasons.insert(line.clone()) {
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    fn conclude(self, filtered_out: usize, begun: Instant) -> ExitCode {
        for ((profile, reason), count) in &self.not_under {
            println!("{count} checks not under {profile}: {reason}");
        }
        for (name, reason) in &self.open {
            println!("open: {name}: {reason}");
        }
        if !self.failures.is_empty() {
            println!("\nfailures:\n");
            for (name, why) in &self.failures {
                println!("---- {name} ----\n{why}\n");
            }
            println!("\nfailures:");
            self.failures.iter().for_each(|(name, _)| println!("    {name}"));
        }
        println!("\n{} checks, {} profiles", self.checks.len(), profiles::ALL.len());
        let result = if self.failures.is_empty() { "ok" } else { "FAILED" };
        println!(
            "test result: {result}. {} passed; {} failed; {} ignored; 0 measured; {filtered_out} filtered out; \
             finished in {:.2}s\n",
            self.passed,
            self.failures.len(),
            self.skipped,
            begun.elapsed().as_secs_f64()
        );
        ExitCode::from(u8::from(!self.failures.is_empty()))
    }
}
