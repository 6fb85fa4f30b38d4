//! Runs a program in a container: the library's main job as a command.
//!
//! ```text
//! cargo run --release --example run -- [OPTIONS] PROGRAM [ARGS]
//!
//! run -- /bin/sh -c 'id; hostname; ls /'
//! run --memory 64M --pids 16 --wall-time 2s --json report.json -- /usr/bin/python3 -c 'print(6 * 7)'
//! run --bind /srv/input:/input --bind /srv/output:/output:rw --cwd /output -- /bin/sh -c 'sort /input/*'
//! run --overlay /srv/layers/app:/srv/layers/base --hostname box --user 0 -- /bin/sh
//! run --seccomp compute-only --seccomp-report -- /usr/bin/python3 -c 'import socket; socket.socket()'
//! run --share net --env http_proxy=http://localhost:3128 -- /usr/bin/curl http://example.org/
//! run --explain -- /bin/true
//! run --probe
//! ```
//!
//! Without options the program sees a read-only view of the host's `/usr`, a private `/tmp`, no network, and
//! nobody else's processes: see [`Container`] for all defaults. Its standard streams are the caller's.
//!
//! The exit code is the program's, 128 + the number of the signal that ended it (137 when a limit did),
//! 127 if the program was not found, 126 if it cannot be executed, and 125 for everything else that kept it
//! from running, with the reason on standard error.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, ValueEnum};
use cofferdam::{
    Bind, Capabilities, Container, ErrorKind, Host, Namespaces, Overlay, Report, Seccomp, Stdio, Syscall,
    Tmpfs,
};
use serde_json::json;

const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
const SET_UP_FAILED: u8 = 125;
const SIGNALLED: u8 = 128;

fn main() -> ExitCode {
    let code = match Options::try_parse() {
        Ok(options) => act(&options).unwrap_or_else(|failure| failure.tell()),
        Err(usage) => tell_usage(&usage),
    };
    ExitCode::from(code)
}

/// Run a program in a container.
///
/// SIZE is a number of bytes, or has a unit of 1024, as in 64K, 64M, 2G or 64MiB.
/// DUR has a unit: 500ms, 2s, 1.5s, 1m.
/// Paths in --bind, --tmpfs and --overlay cannot contain a colon.
///
/// Exit code: the program's, 128 + the signal that ended it, 127 program not found, 126 not executable,
/// 125 not run for any other reason.
#[derive(Parser)]
#[command(
    name = "run",
    override_usage = "run [OPTIONS] PROGRAM [ARGS]...\n       run --probe",
    verbatim_doc_comment
)]
struct Options {
    /// Directory of the host as root file system, read-only [default: a view of the host's /usr]
    #[arg(long, value_name = "DIR", conflicts_with = "overlay")]
    rootfs: Option<PathBuf>,

    /// Root file system from layers, the topmost first; writes go to memory
    #[arg(long, value_name = "LOWER[:LOWER...]", value_parser = OsStringValueParser::new().try_map(overlay))]
    overlay: Option<Overlay>,

    /// File or directory of the host to show inside, read-only without `:rw` [repeatable]
    #[arg(long, value_name = "SRC:DST[:rw]", value_parser = OsStringValueParser::new().try_map(bind))]
    bind: Vec<Bind>,

    /// Empty directory in memory, 256M unless set [repeatable]
    #[arg(long, value_name = "DST[:SIZE]", value_parser = OsStringValueParser::new().try_map(tmpfs))]
    tmpfs: Vec<Tmpfs>,

    /// Size of the private /tmp, 0 for none [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    tmp_size: Option<u64>,

    /// Environment variable; the host's are not passed on [repeatable]
    #[arg(long, value_name = "K=V", value_parser = OsStringValueParser::new().try_map(variable))]
    env: Vec<(OsString, OsString)>,

    /// Working directory inside [default: /]
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    /// Host name inside [default: cofferdam]
    #[arg(long, value_name = "NAME")]
    hostname: Option<OsString>,

    /// Numeric ids inside; GID is UID unless set [default: 1000:1000]
    #[arg(long, value_name = "UID[:GID]", value_parser = user)]
    user: Option<(u32, u32)>,

    /// Capability to grant inside, such as net_bind_service [repeatable]
    #[arg(long, value_name = "NAME", value_parser = capability)]
    cap: Vec<Capabilities>,

    /// Namespaces to share with the host: user mnt pid net ipc uts cgroup time [repeatable]
    #[arg(long, value_name = "NS[,NS]", value_delimiter = ',', value_parser = namespace)]
    share: Vec<Namespaces>,

    /// Most memory; needs a writable cgroup
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,

    /// Most processes and threads; needs a writable cgroup
    #[arg(long, value_name = "N")]
    pids: Option<u64>,

    /// Most CPU time per time, such as 1.5 CPUs; needs a writable cgroup
    #[arg(long, value_name = "F")]
    cpus: Option<f64>,

    /// Most time from start to end
    #[arg(long, value_name = "DUR", value_parser = duration)]
    wall_time: Option<Duration>,

    /// Most CPU time, user and system, of all processes together; needs a writable cgroup
    #[arg(long, value_name = "DUR", value_parser = duration)]
    cpu_time: Option<Duration>,

    /// Most bytes of output: it is collected, and written when the program has ended
    #[arg(long, value_name = "SIZE", value_parser = size)]
    output: Option<u64>,

    /// Which system calls the program may make
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Default)]
    seccomp: Policy,

    /// A profile of Docker or of the OCI runtime specification, in JSON, in place of a policy
    #[cfg(feature = "seccomp-json")]
    #[arg(long, value_name = "FILE", conflicts_with = "seccomp")]
    seccomp_profile: Option<PathBuf>,

    /// Deny nothing, and list on standard error what the policy would deny
    #[arg(long)]
    seccomp_report: bool,

    /// Write the report to FILE as a JSON object; it stays empty if the program cannot be run
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Print the steps that a run would take, and run nothing
    #[arg(long)]
    explain: bool,

    /// Print what this host allows, and run nothing
    #[arg(long)]
    probe: bool,

    /// The program, as seen from inside, and its arguments
    #[arg(value_name = "PROGRAM", required_unless_present = "probe", trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// The policies of system calls that come with the library.
#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// What ordinary programs need
    Default,
    /// The same without sockets
    WithoutSockets,
    /// Files, memory, threads and time: no sockets, no further processes
    ComputeOnly,
    /// No filter
    None,
}

/// Does what the options say; returns the exit code.
fn act(options: &Options) -> Result<u8, Failure> {
    if options.probe {
        return print(&probe());
    }
    let container = container(options)?;
    if options.explain {
        return print(&container.explain()?);
    }
    run(&container, options)
}

/// The file of the report is opened first, so that nothing runs in vain.
fn run(container: &Container, options: &Options) -> Result<u8, Failure> {
    let json = options.json.as_deref().map(JsonFile::create).transpose()?;
    let report = if options.output.is_some() { collect(container)? } else { container.spawn()?.wait()? };
    tell_calls(&report);
    if let Some(json) = json {
        json.write(&report)?;
    }
    Ok(exit_code(&report))
}

/// What the policy of system calls had to say.
fn tell_calls(report: &Report) {
    if let Some(call) = report.violation() {
        eprintln!("run: ended because of the system call {call}");
    }
    if !report.would_be_denied().is_empty() {
        eprintln!("run: would be denied: {}", names(report.would_be_denied()).join(" "));
    }
}

fn names(calls: &[Syscall]) -> Vec<String> {
    calls.iter().map(ToString::to_string).collect()
}

/// Standard input is as without a limit of output.
fn collect(container: &Container) -> Result<Report, Failure> {
    let container = container.clone().stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = container.spawn()?.wait_with_output()?;
    write("standard output", io::stdout(), &output.stdout)?;
    write("standard error", io::stderr(), &output.stderr)?;
    Ok(output.report)
}

fn probe() -> String {
    Host::probe().findings().iter().map(|finding| format!("{finding}\n")).collect()
}

fn print(text: &str) -> Result<u8, Failure> {
    write("standard output", io::stdout(), text.as_bytes()).map(|()| 0)
}

fn write(name: &str, mut to: impl io::Write, bytes: &[u8]) -> Result<(), Failure> {
    to.write_all(bytes).map_err(|error| Failure::Write(name.into(), error))
}

// From options to a container.

fn container(options: &Options) -> Result<Container, Failure> {
    let container = command(Container::new(), options).seccomp(policy(options)?);
    let container = files(root(container, options), options);
    Ok(limits(identity(container, options), options))
}

fn command(container: Container, options: &Options) -> Container {
    let container = match options.command.split_first() {
        Some((program, arguments)) => container.command(program).args(arguments),
        None => container,
    };
    let container = container.envs(options.env.iter().map(|(key, value)| (key, value)));
    set(container, options.cwd.as_ref(), Container::current_dir)
}

fn root(container: Container, options: &Options) -> Container {
    let container = set(container, options.rootfs.as_ref(), Container::rootfs);
    set(container, options.overlay.clone(), Container::rootfs_overlay)
}

fn files(container: Container, options: &Options) -> Container {
    let container = set(container, options.tmp_size, Container::tmp_size);
    let container = options.tmpfs.iter().cloned().fold(container, Container::tmpfs);
    options.bind.iter().cloned().fold(container, Container::bind)
}

fn identity(container: Container, options: &Options) -> Container {
    let container = container.share(options.share.iter().copied().fold(Namespaces::empty(), |a, b| a | b));
    let container = set(container, options.hostname.as_ref(), Container::hostname);
    let container = set(container, options.user, |container, (uid, gid)| container.user(uid, gid));
    container.capabilities(options.cap.iter().copied().fold(Capabilities::empty(), |a, b| a | b))
}

fn policy(options: &Options) -> Result<Seccomp, Failure> {
    let policy = profile(options)?.unwrap_or_else(|| match options.seccomp {
        Policy::Default => Seccomp::default(),
        Policy::WithoutSockets => Seccomp::without_sockets(),
        Policy::ComputeOnly => Seccomp::compute_only(),
        Policy::None => Seccomp::unconfined(),
    });
    Ok(if options.seccomp_report { policy.report_only() } else { policy })
}

#[cfg(feature = "seccomp-json")]
fn profile(options: &Options) -> Result<Option<Seccomp>, Failure> {
    let Some(file) = &options.seccomp_profile else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Read(file.to_owned(), error))?;
    Ok(Some(Seccomp::from_oci_json(&text)?))
}

#[cfg(not(feature = "seccomp-json"))]
fn profile(_: &Options) -> Result<Option<Seccomp>, Failure> {
    Ok(None)
}

fn limits(container: Container, options: &Options) -> Container {
    let container = set(container, options.memory, Container::memory_limit);
    let container = set(container, options.pids, Container::pids_limit);
    let container = set(container, options.cpus, Container::cpus);
    let container = set(container, options.cpu_time, Container::cpu_time_limit);
    let container = set(container, options.output, Container::output_limit);
    set(container, options.wall_time, Container::wall_time_limit)
}

/// Calls a setter of the builder if there is a value.
fn set<T>(container: Container, value: Option<T>, setter: impl Fn(Container, T) -> Container) -> Container {
    match value {
        Some(value) => setter(container, value),
        None => container,
    }
}

// The end of a run.

fn exit_code(report: &Report) -> u8 {
    let code = report.code().or_else(|| Some(i32::from(SIGNALLED) + report.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(SET_UP_FAILED)
}

fn report_as_json(report: &Report) -> serde_json::Value {
    let enforced_by = report.enforced_by().iter();
    let enforced_by: Vec<_> =
        enforced_by.map(|one| json!({ "limit": one.limit.name(), "mechanism": one.mechanism })).collect();
    let reached: Vec<_> = report.reached().iter().map(|limit| limit.name()).collect();
    json!({
        "cause": report.cause().to_string(),
        "code": report.code(),
        "signal": report.signal(),
        "wall_time_us": microseconds(report.wall_time()),
        "cpu_time_us": microseconds(report.cpu_time()),
        "memory_peak_bytes": report.memory_peak(),
        "memory_source": report.usage().memory_peak.map(|figure| figure.source),
        "reached": reached,
        "enforced_by": enforced_by,
        "violation": report.violation().map(|call| call.to_string()),
        "would_be_denied": names(report.would_be_denied()),
    })
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Where the report goes.
struct JsonFile<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> JsonFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::Write(path.to_owned(), error))?;
        Ok(JsonFile { path, file })
    }

    fn write(mut self, report: &Report) -> Result<(), Failure> {
        let text = format!("{}\n", report_as_json(report));
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| Failure::Write(self.path.to_owned(), error))
    }
}

// What can go wrong.

/// Why the program was not run, or not reported on.
enum Failure {
    Container(cofferdam::Error),
    #[cfg(feature = "seccomp-json")]
    Read(PathBuf, io::Error),
    Write(PathBuf, io::Error),
}

impl Failure {
    /// Says so, and returns the exit code.
    fn tell(&self) -> u8 {
        eprintln!("run: {self}");
        match self {
            Failure::Container(error) if error.step() == "exec" => exec_code(error),
            _ => SET_UP_FAILED,
        }
    }
}

/// As a shell has it.
fn exec_code(error: &cofferdam::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::PermissionDenied => NOT_EXECUTABLE,
        // A file that may be executed, but is not a program.
        _ if error.raw_os_error() == Some(libc::ENOEXEC) => NOT_EXECUTABLE,
        _ => SET_UP_FAILED,
    }
}

impl From<cofferdam::Error> for Failure {
    fn from(error: cofferdam::Error) -> Self {
        Failure::Container(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Container(error) => error.fmt(f),
            #[cfg(feature = "seccomp-json")]
            Failure::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Failure::Write(path, error) => write!(f, "cannot write to {}: {error}", path.display()),
        }
    }
}

/// Help is no failure; anything else that clap has to say is.
fn tell_usage(usage: &clap::Error) -> u8 {
    let text = usage.render().to_string();
    if usage.use_stderr() {
        eprint!("run: {}", text.trim_start_matches("error: "));
        return SET_UP_FAILED;
    }
    print(&text).unwrap_or_else(|failure| failure.tell())
}

// From text to values: what these functions refuse is a usage error.

fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("expected a number of bytes, or one with K, M or G, such as 64M".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a whole number, such as 64M")?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("expected a number with ms, s or m, such as 500ms or 1.5s".into()),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number with ms, s or m, such as 1.5s")?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

/// `1.5s` is `1.5` and `s`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

fn user(text: &str) -> Result<(u32, u32), String> {
    let (uid, gid) = text.split_once(':').unwrap_or((text, text));
    let id = |text: &str| text.parse().map_err(|_| format!("`{text}` is no numeric id"));
    Ok((id(uid)?, id(gid)?))
}

fn namespace(name: &str) -> Result<Namespaces, String> {
    let all = || Namespaces::all().names().collect::<Vec<_>>().join(" ");
    Namespaces::named(name).ok_or_else(|| format!("expected one of {}", all()))
}

fn capability(name: &str) -> Result<Capabilities, &'static str> {
    Capabilities::named(name).ok_or("no such capability; capabilities(7) has the names")
}

fn variable(text: OsString) -> Result<(OsString, OsString), &'static str> {
    let mut parts = text.as_bytes().splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
    match (parts.next(), parts.next()) {
        (Some(key), Some(value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE"),
    }
}

fn bind(text: OsString) -> Result<Bind, &'static str> {
    match colon_separated(&text).as_slice() {
        [source, target] => Ok(Bind::read_only(source, target)),
        [source, target, mode] if *mode == "rw" => Ok(Bind::writable(source, target)),
        _ => Err("expected SRC:DST (read-only) or SRC:DST:rw"),
    }
}

fn tmpfs(text: OsString) -> Result<Tmpfs, String> {
    match colon_separated(&text).as_slice() {
        [target] => Ok(Tmpfs::new(target)),
        [target, bytes] => Ok(Tmpfs::new(target).size(size(&bytes.to_string_lossy())?)),
        _ => Err("expected DST or DST:SIZE".into()),
    }
}

fn overlay(text: OsString) -> Result<Overlay, &'static str> {
    let layers = colon_separated(&text);
    if layers.iter().any(|layer| layer.is_empty()) {
        return Err("expected DIR or DIR:DIR:..., the topmost first");
    }
    Ok(layers.into_iter().fold(Overlay::new("/"), Overlay::lower))
}

fn colon_separated(text: &OsStr) -> Vec<&OsStr> {
    text.as_bytes().split(|byte| *byte == b':').map(OsStr::from_bytes).collect()
}
