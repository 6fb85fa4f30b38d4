//! What `examples/judge` promises, tried on the built command and its problem set, as root or as an ordinary
//! user.
//!
//! The problems are those of the source tree; `COFFERDAM_PROBLEMS` names another place, for programs that were
//! copied to where their user can read. `COFFERDAM_TIME_FACTOR` is for machines that are slow.

mod common;

// Some of its modules, with their own tests.
#[allow(dead_code)]
#[path = "../examples/judge/checker.rs"]
mod checker;
#[allow(dead_code)]
#[path = "../examples/judge/expectation.rs"]
mod expectation;
#[allow(dead_code)]
#[path = "../examples/judge/natural.rs"]
mod natural;
#[allow(dead_code)]
#[path = "../examples/judge/verdict.rs"]
mod verdict;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::limits::probe_first;
use common::{needs_program, skip, skip_for_good, temp_dir};
use serde_json::Value;
use tempfile::TempDir;

// How the command is run.

/// How a run ended, and what it wrote.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Checks that the judge failed, and that the reason has these words.
    #[track_caller]
    fn failed(&self, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        words.iter().for_each(|word| assert!(self.stderr.contains(word), "no `{word}` in {self:?}"));
    }

    /// The JSON object, if the judge exited with this code.
    #[track_caller]
    fn json(&self, code: i32) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs the judge with these arguments only. Cargo puts the examples beside the directory of the test programs.
fn bare<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/judge");
    assert!(program.exists(), "{} is missing: `cargo build --example judge` makes it", program.display());
    // On cgroup v2 this test program must be out of the way: a judge beside it would not be alone.
    probe_first();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Runs the judge with these arguments, and what this user and this machine need.
fn judge<S: AsRef<OsStr>>(arguments: &[S]) -> Ended {
    let factor = std::env::var("COFFERDAM_TIME_FACTOR").unwrap_or("1".into());
    let mut all = vec!["--time-factor".into(), factor];
    all.extend((!is_strict()).then(|| "--best-effort".into()));
    bare(all.iter().map(OsStr::new).chain(arguments.iter().map(AsRef::as_ref)))
}

/// Whether all limits are strict here, as the judge itself finds. If not, it must have refused to go on, and have
/// told what helps.
fn is_strict() -> bool {
    static STRICT: OnceLock<bool> = OnceLock::new();
    *STRICT.get_or_init(|| {
        let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
        let submission = problem.path().join("submission.sh");
        fs::write(&submission, "").unwrap();
        let languages = shell(problem.path());
        let arguments = [OsStr::new("run"), problem.path().as_os_str(), submission.as_os_str()];
        let ended = bare(arguments.into_iter().chain([OsStr::new("--languages"), languages.as_os_str()]));
        if ended.code != Some(0) {
            assert!(!common::is_root(), "{ended:?}");
            ended.failed(&["cgroup", "; ", "--best-effort"]);
        }
        ended.code == Some(0)
    })
}

/// A directory of the problem set; `None`, with a word, where it is not to be had.
#[track_caller]
fn problem(name: &str) -> Option<PathBuf> {
    let set = std::env::var_os("COFFERDAM_PROBLEMS").map(PathBuf::from);
    let set = set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/judge/problems"));
    let problem = set.join(name);
    let here = fs::read(problem.join("problem.toml")).is_ok();
    if !here {
        skip(&format!("cannot read {}; COFFERDAM_PROBLEMS names another place", problem.display()));
    }
    let compilers = ["/usr/bin/gcc", "/usr/bin/g++", "/usr/bin/python3"];
    (here && compilers.into_iter().all(needs_program)).then_some(problem)
}

// Problems made for a test.

/// A problem with these tests, and these lines at the end of its `problem.toml`.
fn problem_with(tests: &[(&str, &str)], lines: &str) -> TempDir {
    let directory = temp_dir();
    fs::create_dir(directory.path().join("tests")).unwrap();
    fs::create_dir(directory.path().join("submissions")).unwrap();
    fs::write(directory.path().join("problem.toml"), format!("title = \"A test\"\n{lines}")).unwrap();
    for (name, text) in tests {
        fs::write(directory.path().join("tests").join(name), text).unwrap();
    }
    directory
}

/// A language that needs nothing but a shell, described in a file.
fn shell(directory: &Path) -> PathBuf {
    let path = directory.join("languages.toml");
    let text = "[shell]\nname = 'Shell'\nextensions = ['sh']\nsource = 'main.sh'\n\
                artefacts = ['main.sh']\nrun = ['sh', '/box/main.sh']\n";
    fs::write(&path, text).unwrap();
    path
}

/// The same language, with these lines at the end of its table.
fn shell_with(directory: &Path, lines: &str) -> PathBuf {
    let path = shell(directory);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{lines}\n")).unwrap();
    path
}

/// Judges a shell script by a problem; the options come last.
fn judge_script(problem: &TempDir, script: &str, options: &[&str]) -> Ended {
    let (submission, languages) = (problem.path().join("submission.sh"), shell(problem.path()));
    fs::write(&submission, script).unwrap();
    let mut arguments = vec![OsStr::new("run"), problem.path().as_os_str(), submission.as_os_str()];
    arguments.extend([OsStr::new("--languages"), languages.as_os_str()]);
    arguments.extend(options.iter().map(OsStr::new));
    judge(&arguments)
}

// The problem set.

/// Checks a problem of the set: everything must be as expected.
#[track_caller]
fn check(name: &str) -> Option<Value> {
    let problem = problem(name)?;
    let checked = judge(&[OsStr::new("check"), problem.as_os_str(), OsStr::new("--json")]);
    if checked.code == Some(1) {
        panic!("not as expected: {:#}", differences(&checked.json(1)));
    }
    let checked = checked.json(0);
    assert_eq!(checked["different"], 0);
    for one in submissions(&checked).filter(|one| one.get("skipped").is_some()) {
        tell_skipped(one);
    }
    Some(checked)
}

fn differences(checked: &Value) -> Value {
    submissions(checked).filter(|one| one["as_expected"] == false).cloned().collect()
}

/// Java need not be installed, and Rust mostly is where only its user can read it. The others are here.
#[track_caller]
fn tell_skipped(submission: &Value) {
    let path = submission["submission"].as_str().unwrap();
    assert!(path.ends_with(".java") || path.ends_with(".rs"), "{submission}");
    skip_for_good(&format!("{path}: {}", submission["skipped"]));
}

fn submissions(checked: &Value) -> impl Iterator<Item = &Value> {
    checked["submissions"].as_array().unwrap().iter()
}

/// The submission of this name.
#[track_caller]
fn of<'a>(checked: &'a Value, name: &str) -> &'a Value {
    let found = submissions(checked).find(|one| one["submission"].as_str().unwrap().ends_with(name));
    found.unwrap_or_else(|| panic!("no {name} in {checked}"))
}

/// The run of the test that decided.
#[track_caller]
fn deciding_test<'a>(checked: &'a Value, name: &str) -> &'a Value {
    let tests = of(checked, name)["tests"].as_array().unwrap();
    tests.iter().rfind(|test| test["verdict"] != Value::Null).unwrap()
}

/// The verdicts that submissions of this language got.
fn verdicts(checked: &Value, extension: &str) -> BTreeSet<String> {
    let ours = submissions(checked).filter(|one| one["submission"].as_str().unwrap().ends_with(extension));
    ours.filter_map(|one| Some(one["verdict"].as_str()?.to_owned())).collect()
}

fn set(names: &str) -> BTreeSet<String> {
    names.split(' ').map(str::to_owned).collect()
}

#[test]
fn sums_are_judged() {
    let Some(checked) = check("sum") else { return };
    for extension in [".c", ".cpp", ".py"] {
        assert_eq!(verdicts(&checked, extension), set("AC WA CE RE"), "{extension}");
    }
    assert_eq!(deciding_test(&checked, "wa_overflow.c")["name"], "3", "in natural order");
    assert_eq!(deciding_test(&checked, "re_abort.c")["run"]["signal"], 6);
    assert_eq!(deciding_test(&checked, "re_stack_overflow.c")["run"]["signal"], 11);
    assert_eq!(deciding_test(&checked, "re_exit_code.py")["run"]["code"], 3);
    let message = of(&checked, "/ce.c")["message"].as_str().unwrap();
    assert!(message.contains("main.c:3") && message.contains("undeclared"), "{message}");
    let message = of(&checked, "ce_reads_the_host.c")["message"].as_str().unwrap();
    assert!(message.contains("No such file"), "{message}");
    let message = of(&checked, "ce_giant_output.c")["message"].as_str().unwrap();
    assert!(message.contains("File size limit"), "{message}");
    if is_strict() {
        assert_eq!(of(&checked, "ce_endless_include.c")["compiler"]["cause"], "memory");
    }
}

#[test]
fn primes_are_judged() {
    let Some(checked) = check("primes") else { return };
    let memory = if is_strict() { "MLE" } else { "RE" };
    assert_eq!(verdicts(&checked, ".py"), set(&format!("AC WA TLE {memory}")));
    assert_eq!(verdicts(&checked, ".c"), set(&format!("AC TLE {memory}")));
    let late = deciding_test(&checked, "tle_trial_division.c");
    assert_eq!((&late["name"], &late["run"]["cause"]), (&"5".into(), &"cpu_time".into()));
    assert!(late["run"]["cpu_time_us"].as_u64().unwrap() >= 500_000, "{late}");
    let large = deciding_test(&checked, "mle_wide_table.c");
    if is_strict() {
        assert_eq!(large["run"]["cause"], "memory");
        assert_eq!(large["run"]["reached"], Value::from(["memory"].as_slice()));
        assert!(large["run"]["memory_peak_bytes"].as_u64().unwrap() <= 64 << 20, "{large}");
    }
}

#[test]
fn triangles_are_judged_to_the_byte() {
    let Some(checked) = check("triangle") else { return };
    let wrong = deciding_test(&checked, "wa_trailing_spaces.c");
    assert_eq!(wrong["name"], "3", "the first test is right");
    assert!(wrong["note"].as_str().unwrap().starts_with("byte 4 (line 1): "), "{wrong}");
}

#[test]
fn guessing_is_judged_by_the_interactor() {
    let Some(checked) = check("guess") else { return };
    assert_eq!(verdicts(&checked, ""), set("AC WA TLE RE OLE"));
    let first = |name| deciding_test(&checked, name)["first_failure"].clone();
    for (submission, party) in [
        ("wa_one_by_one.py", "interactor"),
        ("wa_gives_up.py", "interactor"),
        ("wa_nonsense_then_crash.c", "interactor"),
        ("re_crash.py", "submission"),
        ("re_after_success.c", "submission"),
        ("ole_says_nothing_at_length.c", "submission"),
        ("tle_forgets_to_flush.c", "submission"),
    ] {
        assert_eq!(first(submission), party, "{submission}");
    }
    assert_eq!(first("ac_halving.c"), Value::Null);
    let deadlock = deciding_test(&checked, "tle_forgets_to_flush.c");
    assert_eq!(
        (&deadlock["run"]["cause"], &deadlock["interactor"]["code"]),
        (&"wall_time".into(), &2.into())
    );
}

#[test]
fn the_transcript_has_who_said_what() {
    let Some(problem) = problem("guess") else { return };
    let submission = problem.join("submissions/ac_halving.c");
    let options = [OsStr::new("run"), problem.as_os_str(), submission.as_os_str(), OsStr::new("--json")];
    let judged = judge(&options).json(0);
    let lines = judged["tests"][0]["transcript"].as_array().unwrap();
    let lines: Vec<_> = lines.iter().map(|line| (line["speaker"].as_str(), line["line"].as_str())).collect();
    let (interactor, submission) = (Some("interactor"), Some("submission"));
    assert_eq!(lines, [(interactor, Some("1")), (submission, Some("1")), (interactor, Some("correct"))]);
}

#[test]
fn who_misbehaves_is_stopped() {
    let Some(checked) = check("hostile") else { return };
    let run = |name: &str| deciding_test(&checked, name)["run"].clone();
    let number = |name: &str, field: &str| run(name)[field].as_u64().unwrap();
    // Asleep: only the wall clock can end it.
    for asleep in ["tle_sleeps.py", "tle_stops_itself.c"] {
        assert_eq!(run(asleep)["cause"], "wall_time", "{asleep}");
        assert!(number(asleep, "wall_time_us") >= 4_000_000, "{asleep}");
    }
    for loud in ["ole_endless.c", "ole_endless_errors.py", "ole_large_file.c"] {
        assert_eq!(run(loud)["cause"], "output", "{loud}");
    }
    assert_eq!(run("ole_large_file.c")["signal"], 25, "SIGXFSZ");
    // What it left behind does not keep the judge waiting.
    assert!(number("ac_stragglers.c", "wall_time_us") < 4_000_000);
    if !is_strict() {
        return;
    }
    assert_eq!(run("re_too_many_processes.py")["cause"], "pids");
    assert_eq!(run("mle_in_children.c")["cause"], "memory");
    // On a busy machine the wall clock may be first, but what was used is seen: getrusage(2) shows a few
    // milliseconds.
    assert!(number("tle_hides_children.c", "cpu_time_us") > 60_000);
    assert!(number("tle_fork_bomb.c", "cpu_time_us") > 60_000);
}

// Single submissions.

#[test]
fn a_language_is_added_by_a_file() {
    let problem = problem_with(&[("1.in", "word\n"), ("1.out", "word")], "");
    let judged = judge_script(&problem, "read word; echo $word; touch mark 2>/dev/null", &["--json"]);
    assert_eq!(judged.code, Some(0), "{judged:?}");
    let judged = judge_script(&problem, "read word; echo $word", &["--json"]).json(0);
    assert_eq!((&judged["language"], &judged["verdict"]), (&"shell".into(), &"AC".into()));
    assert_eq!((&judged["compiler"], &judged["message"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_fields_of_the_json_are_kept() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
    let judged = judge_script(&problem, "exit 7", &["--json"]).json(0);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&judged), "compiler language limits message problem submission tests verdict");
    assert_eq!(keys(&judged["tests"][0]), "cpu name note run verdict");
    assert_eq!(
        keys(&judged["tests"][0]["run"]),
        "cause code cpu_time_us memory_peak_bytes memory_source reached signal wall_time_us"
    );
    assert_eq!(keys(&judged["limits"][0]), "limit mechanism strict");
    let limits = judged["limits"].as_array().unwrap();
    let limits: BTreeSet<_> = limits.iter().map(|by| by["limit"].as_str().unwrap()).collect();
    let all = ["cpu_time", "cpuset", "disk", "file_size", "memory", "output", "pids", "wall_time"];
    assert_eq!(limits, BTreeSet::from(all));
    assert_eq!((&judged["verdict"], &judged["tests"][0]["run"]["code"]), (&"RE".into(), &7.into()));
}

#[test]
fn tests_run_in_natural_order_each_on_one_cpu() {
    let names = ["2", "10", "1"];
    let files: Vec<_> = names.iter().flat_map(|name| [format!("{name}.in"), format!("{name}.out")]).collect();
    let tests: Vec<_> = files.iter().map(|file| (file.as_str(), "1\n")).collect();
    let judged = judge_script(&problem_with(&tests, ""), "nproc", &["--json"]).json(0);
    assert_eq!(judged["verdict"], "AC", "{judged:#}");
    let order: Vec<_> = judged["tests"].as_array().unwrap().iter().map(|test| &test["name"]).collect();
    assert_eq!(order, ["1", "2", "10"]);
}

#[test]
fn fail_fast_leaves_out_the_tests_behind() {
    let tests = [("1.in", ""), ("1.out", ""), ("2.in", ""), ("2.out", "2"), ("3.in", ""), ("3.out", "")];
    let judged = judge_script(&problem_with(&tests, ""), "", &["--fail-fast", "--cpus", "0", "--json"]);
    let judged = judged.json(0);
    let verdicts: Vec<_> = judged["tests"].as_array().unwrap().iter().map(|test| &test["verdict"]).collect();
    assert_eq!(verdicts, [&Value::from("AC"), &Value::from("WA"), &Value::Null]);
}

#[test]
fn people_get_a_table_without_controls_where_there_is_no_terminal() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "yes")], "");
    let ended = judge_script(&problem, "printf 'no\\033[31m'", &[]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(ended.stdout.starts_with("limits: "), "{ended:?}");
    assert!(
        ended.stdout.contains("verdict: WA") && ended.stdout.contains("found `no\\x1b[31m`"),
        "{ended:?}"
    );
    let plain = |ended: &Ended| !ended.stdout.contains(|c: char| c.is_control() && c != '\n');
    assert!(plain(&ended), "{ended:?}");
    let complaint = judge_script(&problem, "printf 'red\\033[31m' >&2; exit 1", &[]);
    assert!(complaint.stdout.contains("red\u{fffd}[31m") && plain(&complaint), "{complaint:?}");
    let mark = if is_strict() { "memory by memory." } else { "(best effort)" };
    assert!(ended.stdout.contains(mark), "{ended:?}");
}

// Compiling.

/// Compiles an empty submission by a shell script, and judges what comes of it; the answer is `built`.
fn compiled_by(script: &str, lines: &str) -> Value {
    let problem = problem_with(&[("1.in", ""), ("1.out", "built")], "");
    let compile = format!("compile = ['sh', '-c', \"\"\"{script}\"\"\"]\n{lines}");
    let (submission, languages) = (problem.path().join("empty.sh"), problem.path().join("languages.toml"));
    fs::write(&submission, "").unwrap();
    let text = fs::read_to_string(shell(problem.path())).unwrap();
    let text = text.replace("artefacts = ['main.sh']", "artefacts = ['main.sh', '*.txt']") + &compile;
    fs::write(&languages, text).unwrap();
    let arguments = [problem.path(), &submission, Path::new("--languages"), &languages].map(Path::as_os_str);
    judge(&[&[OsStr::new("run")], &arguments[..], &[OsStr::new("--json")]].concat()).json(0)
}

#[test]
fn what_was_compiled_goes_to_the_run() {
    let files = "printf built > one.txt; head -c 100000 /dev/urandom > two.txt; echo to nobody";
    let program = "echo 'test $(wc -c < two.txt) = 100000 && cat one.txt' > main.sh";
    let judged = compiled_by(&format!("{files}; {program}"), "");
    assert_eq!((&judged["verdict"], &judged["compiler"]["cause"]), (&"AC".into(), &"exited".into()));
    // The control: nothing else does.
    let judged = compiled_by("printf built > one; echo > one.txt; echo 'cat one /tmp/box/one' > main.sh", "");
    assert_eq!(judged["verdict"], "RE");
}

#[test]
fn a_compiler_has_limits_of_its_own() {
    let endless = compiled_by("while :; do :; done", "compile_limits = { time = '100ms', wall = '60s' }");
    assert_eq!((&endless["verdict"], &endless["compiler"]["cause"]), (&"CE".into(), &"cpu_time".into()));
    assert!(endless["compiler"]["cpu_time_us"].as_u64().unwrap() < 5_000_000, "{endless}");
    let asleep = compiled_by("sleep 1000", "compile_limits = { wall = '100ms' }");
    assert_eq!((&asleep["verdict"], &asleep["compiler"]["cause"]), (&"CE".into(), &"wall_time".into()));
    assert!(asleep["compiler"]["wall_time_us"].as_u64().unwrap() < 30_000_000, "{asleep}");
    let loud = compiled_by("while :; do echo x; done", "compile_limits = { output = '64K' }");
    assert_eq!((&loud["verdict"], &loud["compiler"]["cause"]), (&"CE".into(), &"output".into()));
    assert!(loud["message"].as_str().unwrap().len() < 5000, "the message is capped");
    let failed = compiled_by("echo why >&2; exit 4", "");
    assert_eq!((&failed["verdict"], &failed["message"]), (&"CE".into(), &"why".into()));
    assert_eq!(failed["compiler"]["code"], 4);
}

// Exit codes.

#[test]
fn another_verdict_than_expected_is_1() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
    assert_eq!(judge_script(&problem, "exit 1", &["--expect", "RE"]).code, Some(0));
    assert_eq!(judge_script(&problem, "exit 1", &["--expect", "AC"]).code, Some(1));
    assert_eq!(judge_script(&problem, "exit 1", &[]).code, Some(0));
}

#[test]
fn a_check_finds_what_is_not_as_expected() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
    let languages = shell(problem.path());
    let submission = |name: &str, text: &str| {
        fs::write(problem.path().join("submissions").join(name), text).unwrap();
    };
    let check = || {
        let [check, option, json] = ["check", "--languages", "--json"].map(OsStr::new);
        judge(&[check, problem.path().as_os_str(), option, languages.as_os_str(), json])
    };
    submission("right.sh", "# expect: AC");
    assert_eq!(check().json(0)["as_expected"], 1);
    submission("wrong.sh", "# expect: TLE");
    let checked = check().json(1);
    assert_eq!((&checked["as_expected"], &checked["different"]), (&1.into(), &1.into()));
    assert_eq!(of(&checked, "wrong.sh")["verdict"], "AC");
    submission("silent.sh", "echo");
    let checked = check().json(2);
    assert!(of(&checked, "silent.sh")["failed"].as_str().unwrap().contains("expect:"), "{checked}");
}

#[test]
fn an_interactor_at_fault_is_the_judges_failure() {
    let problem = problem_with(&[("1.in", "")], "interactor = 'interactor.sh'");
    let interactor = |script: &str| fs::write(problem.path().join("interactor.sh"), script).unwrap();
    interactor("exit 9");
    let judged = judge_script(&problem, "", &["--json"]).json(2);
    assert_eq!((&judged["verdict"], &judged["tests"][0]["verdict"]), (&"IE".into(), &"IE".into()));
    interactor("kill -9 $$");
    assert_eq!(judge_script(&problem, "exec cat", &["--json"]).json(2)["verdict"], "IE");
    // The control.
    interactor("exit 0");
    assert_eq!(judge_script(&problem, "", &["--json"]).json(0)["verdict"], "AC");
}

#[test]
fn a_file_of_languages_with_a_mistake_is_2_with_the_place() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
    let path = problem.path().join("mistake.toml");
    fs::write(&path, "[shell]\nname = 'Shell'\nextensions = 'sh'\n").unwrap();
    let languages = ["languages", "--languages", path.to_str().unwrap()];
    bare(languages).failed(&["mistake.toml", "line 3", "extensions = 'sh'"]);
    fs::write(&path, "[shell]\nname = 'Shell'\nspeed = 7\n").unwrap();
    bare(languages).failed(&["mistake.toml", "line 3", "unknown field `speed`"]);
    bare(["languages", "--languages", "/no/such/file.toml"]).failed(&["/no/such/file.toml", "No such file"]);
}

#[test]
fn a_language_that_is_not_installed_is_skipped_with_a_word() {
    let problem = problem_with(&[("1.in", ""), ("1.out", "")], "");
    let path = shell_with(problem.path(), "needs = ['no-such-compiler']");
    let submission = problem.path().join("submissions/one.sh");
    fs::write(&submission, "# expect: AC").unwrap();
    let (problem, path) = (problem.path().to_str().unwrap(), path.to_str().unwrap());
    let checked = judge(&["check", problem, "--languages", path, "--json"]).json(0);
    assert_eq!(checked["submissions"][0]["skipped"], "no-such-compiler not found");
    let run = ["run", problem, submission.to_str().unwrap(), "--languages", path];
    judge(&run).failed(&["not installed here", "no-such-compiler"]);
    let list = bare(["languages", "--languages", path]);
    assert!(list.stdout.contains("no: no-such-compiler not found"), "{list:?}");
}

#[test]
fn a_problem_with_a_mistake_is_2() {
    let without_answer = problem_with(&[("1.in", "")], "");
    judge_script(&without_answer, "", &[]).failed(&["tests/1.in", "no answer"]);
    let without_tests = problem_with(&[], "");
    judge_script(&without_tests, "", &[]).failed(&["no test in"]);
    let wrong_limit = problem_with(&[("1.in", ""), ("1.out", "")], "[limits]\ntime = '1 hour'");
    judge_script(&wrong_limit, "", &[]).failed(&["problem.toml", "line 3", "1 hour"]);
    judge(&["run", "/no/such/problem", "/no/such/submission.c"]).failed(&["/no/such/problem/problem.toml"]);
}
