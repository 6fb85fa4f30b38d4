//! OCI runtimes, with the files, the namespaces and the limits of our container: a bundle, run again and again.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::contenders::{Runner, each, run};
use super::setting::{MEMORY_LIMIT, PIDS_LIMIT, Setting};
use crate::support::run::PLACE;
use crate::support::steps::{self, Step};

/// Containers of these runtimes have names.
static NAMES: AtomicU64 = AtomicU64::new(0);

pub fn runner(runtime: &'static str, setting: &Setting) -> Result<Runner<'static>, String> {
    crate::support::peers::installed(runtime).ok_or("it is not installed")?;
    let bundle = bundle(runtime, setting).map_err(|error| error.to_string())?;
    crate::support::peers::works(&mut command(runtime, &bundle))?;
    Ok(each(move || run(&mut command(runtime, &bundle))))
}

fn command(runtime: &str, bundle: &Path) -> Command {
    let name = format!("cofferdam-bench-{}-{}", id(), NAMES.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new(runtime);
    command.arg("run").arg("--bundle").arg(bundle).arg(name);
    command
}

fn bundle(runtime: &str, setting: &Setting) -> Result<PathBuf, Box<dyn Error>> {
    let bundle = setting.directory.path().join(runtime);
    fs::create_dir_all(bundle.join("rootfs"))?;
    fs::write(bundle.join("config.json"), configuration(&setting.explained).to_string())?;
    Ok(bundle)
}

fn configuration(explained: &str) -> Value {
    let kinds = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    let namespaces: Vec<_> = kinds.iter().map(|kind| json!({ "type": kind })).collect();
    json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": { "uid": 1000, "gid": 1000 },
            "args": [PLACE],
            "env": ["PATH=/usr/bin:/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "bench",
        "mounts": mounts(explained),
        "linux": {
            "namespaces": namespaces,
            "resources": { "memory": { "limit": MEMORY_LIMIT }, "pids": { "limit": PIDS_LIMIT } },
            "maskedPaths": details(explained, "mask"),
            "readonlyPaths": details(explained, "read-only"),
        },
    })
}

fn mounts(explained: &str) -> Vec<Value> {
    let own = |kind, place| json!({ "destination": place, "type": kind, "source": kind });
    let own = [("proc", "/proc"), ("tmpfs", "/dev"), ("devpts", "/dev/pts"), ("tmpfs", "/dev/shm")]
        .into_iter()
        .chain([("mqueue", "/dev/mqueue"), ("tmpfs", "/tmp")])
        .map(|(kind, place)| own(kind, place));
    steps::read(explained).iter().filter_map(bind).chain(own).collect()
}

/// A part of the view of the host. The devices are the runtime's own.
fn bind(step: &Step) -> Option<Value> {
    let (source, target) = step.halves(" at ");
    let wanted = step.name == "bind" && !target.starts_with("/dev/");
    let options = ["rbind", "ro", "nosuid", "nodev"];
    wanted.then(|| json!({ "destination": target, "type": "bind", "source": source, "options": options }))
}

fn details(explained: &str, name: &str) -> Vec<String> {
    steps::read(explained).into_iter().filter(|step| step.name == name).map(|step| step.detail).collect()
}
