//! What `examples/run.rs` promises, tried on the built command, as root or as an ordinary user.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cofferdam::{Feature, Host, Limit};
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

/// Cargo puts the examples beside the directory of the test programs.
fn command() -> Command {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples/run");
    assert!(program.exists(), "{} is missing: `cargo build --example run` makes it", program.display());
    Command::new(program)
}

/// Runs the command with these arguments, and nothing as standard input.
fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    ended(command().args(arguments).stdin(Stdio::null()))
}

/// Runs a shell script with these options.
fn script<S: AsRef<OsStr> + ?Sized>(options: &[&S], script: &str) -> Ended {
    let options = options.iter().map(|option| option.as_ref());
    run(options.chain(["--", "/bin/sh", "-c", script].map(OsStr::new)))
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

impl Ended {
    /// What it wrote, if it ended well.
    #[track_caller]
    fn stdout(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// Checks that nothing was run, and that the reason has these words.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(125), ""), "{self:?}");
        self.complained(words);
    }

    #[track_caller]
    fn complained(&self, words: &[&str]) {
        assert!(self.stderr.starts_with("run: "), "{self:?}");
        words.iter().for_each(|word| assert!(self.stderr.contains(word), "no `{word}` in {self:?}"));
    }
}

/// A directory that a workload of any id can enter and write.
fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    directory
}

/// Another process writes the file, for the reason that `common::copy_program` tells.
fn write(path: &Path, text: &str, mode: u32) {
    let mut writer = Command::new("/bin/sh");
    let status = writer.args(["-c", "printf %s \"$1\" > \"$0\""]).arg(path).arg(text).status();
    assert!(status.unwrap().success());
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs a shell script, and returns its end and its report.
fn reported(options: &[&str], text: &str) -> (Ended, Value) {
    let directory = open_directory();
    let path = directory.path().join("report.json");
    let json = ["--json", path.to_str().unwrap()];
    let ended = script(&[&json, options].concat(), text);
    let report = fs::read_to_string(&path).unwrap();
    let report =
        serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report:?}: {ended:?}"));
    (ended, report)
}

fn enforced(report: &Value, limit: &str) -> Option<String> {
    let entries = report["enforced_by"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["limit"] == limit)?;
    Some(entry["mechanism"].as_str().unwrap().to_owned())
}

// Exit codes.

#[test]
fn the_exit_code_is_the_programs() {
    assert_eq!(script::<str>(&[], "exit 0").code, Some(0));
    assert_eq!(script::<str>(&[], "exit 3").code, Some(3));
    assert_eq!(script::<str>(&[], "exit 255").code, Some(255));
}

#[test]
fn a_signal_is_128_and_its_number() {
    assert_eq!(script::<str>(&[], "kill -KILL $$").code, Some(137));
    assert_eq!(script::<str>(&[], "kill -TERM $$").code, Some(143));
}

#[test]
fn a_program_that_is_not_found_is_127() {
    for program in ["/no/such/program", "no-such-program", "/etc/passwd/program"] {
        let ended = run([program]);
        assert_eq!(ended.code, Some(127), "{ended:?}");
        ended.complained(&["exec", program]);
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_126() {
    let directory = open_directory();
    let (plain, empty) = (directory.path().join("plain"), directory.path().join("no-program"));
    write(&plain, "#!/bin/sh\n", 0o644);
    write(&empty, "neither ELF nor script\n", 0o755);
    let bind = format!("{}:/data", directory.path().display());
    for program in ["/data/plain", "/data/no-program", "/data"] {
        let ended = run(["--bind", &bind, program]);
        assert_eq!(ended.code, Some(126), "{ended:?}");
        ended.complained(&["exec", program]);
    }
    // The control: the same file can be run when its mode says so.
    write(&plain, "#!/bin/sh\n", 0o755);
    assert_eq!(run(["--bind", &bind, "/data/plain"]).stdout(), "");
}

#[test]
fn a_failed_set_up_is_125() {
    run(["--rootfs", "/no/such/root", "/bin/true"]).refused(&["rootfs", "/no/such/root"]);
    run(["--bind", "/no/such/source:/x", "/bin/true"]).refused(&["bind", "/no/such/source"]);
    // Not found, but not the program.
    run(["--cwd", "/no/such/directory", "/bin/true"]).refused(&["working-directory", "/no/such/directory"]);
}

#[test]
fn wrong_usage_is_125() {
    let wrong: [&[&str]; 25] = [
        &[],
        &["--"],
        &["--no-such-option", "/bin/echo"],
        &["--memory", "5Q", "/bin/echo"],
        &["--memory", "", "/bin/echo"],
        &["--memory", "1.5M", "/bin/echo"],
        &["--memory", "99999999999G", "/bin/echo"],
        &["--wall-time", "5", "/bin/echo"],
        &["--wall-time", "s", "/bin/echo"],
        &["--wall-time", "1.2.3s", "/bin/echo"],
        &["--pids", "many", "/bin/echo"],
        &["--cpus", "half", "/bin/echo"],
        &["--bind", "/etc", "/bin/echo"],
        &["--bind", "/etc:/x:rx", "/bin/echo"],
        &["--tmpfs", "/x:big", "/bin/echo"],
        &["--tmpfs", "/x:1M:2", "/bin/echo"],
        &["--overlay", "/usr:", "/bin/echo"],
        &["--overlay", "/usr", "--rootfs", "/usr", "/bin/echo"],
        &["--env", "NAME", "/bin/echo"],
        &["--env", "=value", "/bin/echo"],
        &["--user", "root", "/bin/echo"],
        &["--user", "1:users", "/bin/echo"],
        &["--share", "disk", "/bin/echo"],
        &["--share", "net,,uts", "/bin/echo"],
        &["--cap", "no_such_capability", "/bin/echo"],
    ];
    for arguments in wrong {
        let option = arguments.first().filter(|option| option.len() > 2);
        run(arguments).refused(&["--help", option.unwrap_or(&"PROGRAM")]);
    }
}

#[test]
fn help_is_no_failure() {
    let help = run(["--help"]).stdout();
    assert!(help.contains("compute-only"), "{help}");
}

// The program.

#[test]
fn options_end_at_the_program() {
    let own = ["/bin/echo", "--hostname", "-x", "--", "--probe"];
    assert_eq!(run(own).stdout(), "--hostname -x -- --probe");
    assert_eq!(run(["--"].into_iter().chain(own)).stdout(), "--hostname -x -- --probe");
}

#[test]
fn standard_streams_are_the_callers() {
    let mut child = command()
        .args(["/bin/sh", "-c", "cat; echo complaint >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"question").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"question"[..], &b"complaint\n"[..]));
}

#[test]
fn env_sets_variables_and_the_hosts_are_not_passed_on() {
    let script = "echo \"$ONE,$TWO,$EMPTY,${HOST_SECRET-unset}\"";
    let options = ["--env", "ONE=1", "--env", "TWO=a=b", "--env", "EMPTY=", "--", "/bin/sh", "-c", script];
    let ended = ended(command().env("HOST_SECRET", "secret").args(options).stdin(Stdio::null()));
    assert_eq!(ended.stdout(), "1,a=b,,unset");
}

#[test]
fn cwd_is_the_working_directory() {
    assert_eq!(script::<str>(&[], "pwd").stdout(), "/");
    assert_eq!(script(&["--cwd", "/usr/bin"], "pwd").stdout(), "/usr/bin");
}

#[test]
fn hostname_is_the_name_of_the_host() {
    assert_eq!(script::<str>(&[], "uname -n").stdout(), "cofferdam");
    assert_eq!(script(&["--hostname", "box"], "uname -n").stdout(), "box");
}

#[test]
fn user_is_the_id_inside() {
    let ids = "echo $(id -u):$(id -g)";
    assert_eq!(script::<str>(&[], ids).stdout(), "1000:1000");
    assert_eq!(script(&["--user", "5:6"], ids).stdout(), "5:6");
    assert_eq!(script(&["--user", "7"], ids).stdout(), "7:7");
    assert_eq!(script(&["--user", "0"], ids).stdout(), "0:0");
}

#[test]
fn cap_grants_capabilities() {
    let effective = "while read key value; do [ $key = CapEff: ] && echo $value; done < /proc/self/status; :";
    let mask = |ended: Ended| u64::from_str_radix(&ended.stdout(), 16).unwrap();
    assert_eq!(mask(script::<str>(&[], effective)), 0);
    let both = ["--cap", "net_bind_service", "--cap", "CAP_KILL"];
    assert_eq!(mask(script(&both, effective)), 1 << 10 | 1 << 5);
}

#[test]
fn share_keeps_namespaces_of_the_host() {
    let of_host = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
    let of_workload = |options: &[&str], kind: &str| {
        PathBuf::from(script(options, &format!("readlink /proc/self/ns/{kind}")).stdout())
    };
    assert_ne!(of_workload(&[], "net"), of_host("net"));
    assert_eq!(of_workload(&["--share", "net"], "net"), of_host("net"));
    for kind in ["net", "uts"] {
        assert_eq!(of_workload(&["--share", "net,uts"], kind), of_host(kind));
        assert_eq!(of_workload(&["--share", "uts", "--share", "net"], kind), of_host(kind));
    }
    assert_ne!(of_workload(&["--share", "net,uts"], "ipc"), of_host("ipc"));
}

// Files.

/// A directory that serves as a layer of a root file system: only the file `name`, with this text.
fn layer(name: &str, text: &str) -> TempDir {
    let directory = open_directory();
    write(&directory.path().join(name), text, 0o644);
    directory
}

/// Adds what programs of the host need: its top-level links. Returns the binds of what is no link.
fn add_system(root: &Path) -> Vec<String> {
    let mut binds = vec!["--bind".into(), "/usr:/usr".into()];
    for name in ["bin", "lib", "lib64"] {
        let on_host = Path::new("/").join(name);
        match fs::read_link(&on_host) {
            Ok(target) => symlink(target, root.join(name)).unwrap(),
            Err(_) if on_host.exists() => binds.extend(["--bind".into(), format!("/{name}:/{name}")]),
            Err(_) => {}
        }
    }
    binds
}

#[test]
fn rootfs_is_the_root_and_read_only() {
    let root = layer("name", "my root");
    let binds = add_system(root.path());
    let mut options = vec!["--rootfs", root.path().to_str().unwrap()];
    options.extend(binds.iter().map(String::as_str));
    assert_eq!(script(&options, "cat /name").stdout(), "my root");
    let ended = script(&options, "echo changed > /name || echo refused; echo x > /new || echo refused");
    assert_eq!(ended.stdout, "refused\nrefused\n", "{ended:?}");
    assert_eq!(fs::read_to_string(root.path().join("name")).unwrap(), "my root");
    // Mount points were not left in it.
    assert!(!root.path().join("proc").exists() && !root.path().join("usr").exists());
}

#[test]
fn overlay_shows_the_topmost_layer_and_keeps_writes_in_memory() {
    let (top, bottom) = (layer("name", "top"), layer("name", "bottom"));
    write(&bottom.path().join("other"), "from below", 0o644);
    let binds = add_system(bottom.path());
    let layers = format!("{}:{}", top.path().display(), bottom.path().display());
    let mut options = vec!["--overlay", &layers, "--user", "0"];
    options.extend(binds.iter().map(String::as_str));
    assert_eq!(script(&options, "cat /name; echo; cat /other").stdout(), "top\nfrom below");
    assert_eq!(script(&options, "echo new > /new; cat /new").stdout(), "new");
    assert!(!top.path().join("new").exists() && !bottom.path().join("new").exists());
    // The next run starts afresh.
    assert_eq!(script(&options, "[ -e /new ] || echo gone").stdout(), "gone");
}

/// As `chroot` leaves it, the host's files would be reachable through `/..`.
#[test]
fn nothing_lies_above_the_root() {
    let above = "[ / -ef /.. ] && [ / -ef /../.. ] || echo there is something above the root";
    assert_eq!(script::<str>(&[], above).stdout(), "");
    let root = layer("name", "");
    let binds = add_system(root.path());
    for option in ["--rootfs", "--overlay"] {
        let mut options = vec![option, root.path().to_str().unwrap()];
        options.extend(binds.iter().map(String::as_str));
        assert_eq!(script(&options, above).stdout(), "", "{option}");
    }
}

#[test]
fn bind_is_read_only_unless_rw() {
    let directory = open_directory();
    write(&directory.path().join("file"), "from the host", 0o666);
    let (read_only, file) = (format!("{}:/data", directory.path().display()), directory.path().join("file"));
    let writable = format!("{read_only}:rw");

    assert_eq!(script(&["--bind", &read_only], "cat /data/file").stdout(), "from the host");
    let ended = script(&["--bind", &read_only], "echo changed > /data/file || echo refused");
    assert_eq!(ended.stdout, "refused\n", "{ended:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "from the host");

    assert_eq!(script(&["--bind", &writable], "printf changed > /data/file; echo > /data/new").stdout(), "");
    assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
    assert!(directory.path().join("new").exists());
}

#[test]
fn bind_can_be_repeated() {
    let (one, two) = (layer("file", "one"), layer("file", "two"));
    let bind = |layer: &TempDir, target: &str| format!("{}:{target}", layer.path().display());
    let options = ["--bind", &bind(&one, "/one"), "--bind", &bind(&two, "/deep/two")];
    assert_eq!(script(&options, "cat /one/file /deep/two/file").stdout(), "onetwo");
}

/// Writes so many KiB to a file of this directory, and says whether they fitted.
fn fits(options: &[&str], directory: &str, kib: u32) -> bool {
    let fill = format!("head -c {kib}k /dev/zero > {directory}/file && echo fits || echo full");
    match script(options, &fill) {
        Ended { code: Some(0), stdout, .. } if stdout == "fits\n" => true,
        Ended { code: Some(0), stdout, stderr } if stdout == "full\n" && stderr.contains("No space") => false,
        ended => panic!("{ended:?}"),
    }
}

#[test]
fn tmpfs_is_writable_up_to_its_size() {
    assert!(fits(&["--tmpfs", "/scratch"], "/scratch", 1024));
    assert!(fits(&["--tmpfs", "/scratch:256K"], "/scratch", 200));
    assert!(!fits(&["--tmpfs", "/scratch:256K"], "/scratch", 300));
    assert!(!fits(&["--tmpfs", "/scratch:256KiB"], "/scratch", 300));
    assert!(!fits(&["--tmpfs", "/scratch:262144"], "/scratch", 300));
}

#[test]
fn tmp_size_bounds_tmp() {
    assert!(fits(&[], "/tmp", 1500));
    assert!(fits(&["--tmp-size", "1M"], "/tmp", 900));
    assert!(!fits(&["--tmp-size", "1M"], "/tmp", 1500));
    assert_eq!(script(&["--tmp-size", "0"], "[ -e /tmp ] || echo none").stdout(), "none");
}

// System calls.

#[test]
fn seccomp_chooses_the_policy() {
    let forks = |policy: &str| script(&["--seccomp", policy], "(echo forked)").code;
    assert_eq!([forks("default"), forks("without-sockets"), forks("none")], [Some(0); 3]);
    assert_ne!(forks("compute-only"), Some(0));
    let filtered = |policy: &str| {
        script(
            &["--seccomp", policy],
            "while read line; do case $line in Seccomp:*) echo $line; esac; done </proc/self/status",
        )
    };
    assert_eq!(
        (filtered("default").stdout(), filtered("none").stdout()),
        ("Seccomp: 2".into(), "Seccomp: 0".into())
    );
    run(["--seccomp", "no-such-policy", "/bin/echo"]).refused(&["compute-only"]);
}

#[test]
fn seccomp_report_lists_what_would_be_denied_and_denies_nothing() {
    let ended = script(&["--seccomp", "compute-only", "--seccomp-report"], "(echo forked)");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "forked\n"), "{ended:?}");
    ended.complained(&["would be denied:", "clone"]);
    let ended = script(&["--seccomp-report"], "(echo forked)");
    assert_eq!(ended.stdout(), "forked", "the control: nothing would be");
}

// Limits and the report.

#[test]
fn json_tells_of_an_exit() {
    let (ended, report) = reported(&[], "echo out; exit 3");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(3), "out\n", ""));
    assert_eq!((&report["cause"], &report["code"]), (&"exited".into(), &3.into()));
    assert_eq!((&report["signal"], &report["enforced_by"]), (&Value::Null, &Vec::<Value>::new().into()));
    assert_eq!(report["memory_source"], "ru_maxrss");
    let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["cause", "code", "cpu_time_us", "enforced_by", "memory_peak_bytes", "memory_source"];
    assert_eq!(
        keys,
        [&expected[..], &["reached", "signal", "violation", "wall_time_us", "would_be_denied"]].concat()
    );
}

#[test]
fn json_tells_of_a_signal() {
    let (_, report) = reported(&[], "kill -TERM $$");
    assert_eq!((&report["cause"], &report["signal"]), (&"signalled".into(), &15.into()));
    assert_eq!(report["code"], Value::Null);
}

#[test]
fn json_has_the_workloads_own_figures() {
    // A loop of the shell: CPU time in one process, bounded by its own clock.
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let (_, report) = reported(&[], busy);
    let number = |key: &str| report[key].as_u64().unwrap();
    assert!(number("cpu_time_us") >= 10_000, "{report}");
    assert!(number("wall_time_us") >= number("cpu_time_us") / 2, "{report}");
    assert!((100 << 10..1 << 30).contains(&number("memory_peak_bytes")), "{report}");
    let (_, idle) = reported(&[], "sleep 1");
    let idle_number = |key: &str| idle[key].as_u64().unwrap();
    assert!(idle_number("wall_time_us") >= 1_000_000, "{idle}");
    assert!(idle_number("cpu_time_us") < idle_number("wall_time_us") / 2, "{idle}");
}

#[test]
fn without_a_place_for_the_report_nothing_runs() {
    run(["--json", "/no/such/place/report.json", "/bin/echo", "ran"])
        .refused(&["/no/such/place/report.json"]);
}

#[test]
fn wall_time_ends_the_program() {
    let (ended, report) = reported(&["--wall-time", "150ms"], "exec sleep 5");
    assert_eq!(ended.code, Some(137), "{ended:?}");
    assert_eq!((&report["cause"], &report["signal"]), (&"wall_time".into(), &9.into()));
    assert_eq!(enforced(&report, "wall_time").as_deref(), Some("init"));
    assert!(report["wall_time_us"].as_u64().unwrap() >= 150_000, "{report}");
    // Every unit is understood, and a limit that is not reached changes nothing.
    for limit in ["100000ms", "100s", "1.5m"] {
        assert_eq!(reported(&["--wall-time", limit], "exit 3").1["cause"], "exited");
    }
}

/// Whether a limit works here. Where it does not, the command must refuse it with a remedy: asserted too.
fn limit_works(feature: Feature, option: &str, value: &str) -> bool {
    let works = Host::probe().allows(feature);
    if !works {
        let ended = run([option, value, "/bin/echo", "ran"]);
        ended.refused(&["cgroup", "; "]);
        eprintln!("{option} cannot be enforced here, and was refused: {}", ended.stderr.trim_end());
    }
    works
}

#[test]
fn memory_ends_the_program_or_is_refused() {
    // 64 MiB in /tmp, which count, under a limit of 16 MiB: bounded, should the limit not hold.
    let fill = "exec head -c 64M /dev/zero > /tmp/file";
    if limit_works(Feature::Limit(Limit::Memory), "--memory", "16M") {
        let (ended, report) = reported(&["--memory", "16M"], fill);
        assert_eq!((ended.code, &report["cause"]), (Some(137), &"memory".into()), "{ended:?} {report}");
        let mechanism = enforced(&report, "memory").unwrap();
        assert!(["memory.max", "memory.limit_in_bytes"].contains(&mechanism.as_str()), "{report}");
        assert_ne!(report["memory_source"], "ru_maxrss");
        assert!(report["memory_peak_bytes"].as_u64().unwrap() < 32 << 20, "{report}");
    }
    assert_eq!(reported(&[], fill).1["cause"], "exited");
}

#[test]
fn pids_bounds_the_processes_or_is_refused() {
    let fork = "(:) & wait $! && echo forked";
    if limit_works(Feature::Limit(Limit::Pids), "--pids", "1") {
        let (ended, report) = reported(&["--pids", "1"], fork);
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stdout.contains("forked"), "{ended:?}");
        let mechanism = enforced(&report, "pids").unwrap();
        assert!(["pids.max", "RLIMIT_NPROC"].contains(&mechanism.as_str()), "{report}");
        assert_eq!(script(&["--pids", "2"], fork).stdout(), "forked");
    }
    assert_eq!(script::<str>(&[], fork).stdout(), "forked");
}

#[test]
fn cpus_slows_the_program_or_is_refused() {
    if limit_works(Feature::Limit(Limit::Cpus), "--cpus", "0.1") {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let (_, report) = reported(&["--cpus", "0.1"], busy);
        let number = |key: &str| report[key].as_u64().unwrap();
        assert!(number("wall_time_us") > 3 * number("cpu_time_us"), "{report}");
        assert!(enforced(&report, "cpus").is_some_and(|file| file.starts_with("cpu.")), "{report}");
    }
}

#[test]
fn cpu_time_ends_the_program_or_is_refused() {
    if limit_works(Feature::Limit(Limit::CpuTime), "--cpu-time", "100ms") {
        let (ended, report) = reported(&["--cpu-time", "100ms"], "while :; do :; done");
        assert_eq!((ended.code, &report["cause"]), (Some(137), &"cpu_time".into()), "{ended:?} {report}");
        assert!(report["cpu_time_us"].as_u64().unwrap() >= 100_000, "{report}");
        assert_eq!(reported(&["--cpu-time", "100s"], "exit 3").1["cause"], "exited");
    }
}

#[test]
fn output_beyond_the_limit_ends_the_program() {
    let (ended, report) = reported(&["--output", "4"], "echo 123; echo 456; exec sleep 86400");
    assert_eq!((ended.stdout.as_str(), &report["cause"]), ("123\n", &"output".into()), "{report}");
    assert_eq!(report["reached"], serde_json::json!(["output"]));

    let (ended, report) = reported(&["--output", "8"], "echo 123; echo 456 >&2");
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("123\n", "456\n"));
    assert_eq!(report["cause"], "exited");
}

// What runs nothing.

#[test]
fn explain_prints_the_steps_and_runs_nothing() {
    let directory = open_directory();
    let bind = format!("{}:/data:rw", directory.path().display());
    let options = ["--bind", &bind, "--hostname", "box", "--wall-time", "2s"];
    let touch = "echo ran > /data/ran; echo ran";
    let steps = script(&[&["--explain"], &options[..]].concat(), touch).stdout();
    for words in ["new namespaces", "at /data (rw", "box", "2s", "/bin/sh"] {
        assert!(steps.contains(words), "no `{words}` in {steps}");
    }
    assert!(!directory.path().join("ran").exists());
    assert_eq!(script(&options, touch).stdout(), "ran");
    assert!(directory.path().join("ran").exists());
}

#[test]
fn probe_lists_what_the_host_allows() {
    let findings = run(["--probe"]).stdout();
    for finding in findings.lines() {
        assert!(finding.starts_with("yes  ") || finding.starts_with("no   "), "{finding}");
    }
    for feature in
        ["container with all defaults", "user namespace", "net namespace", "overlay", "memory limit"]
    {
        assert!(findings.lines().any(|finding| finding[5..].starts_with(feature)), "{feature}: {findings}");
    }
    assert!(!run(["--probe", "/bin/echo", "the program ran"]).stdout().contains("the program ran"));
}
