//! What stands ready on the host in several classes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tempfile::TempDir;

use crate::check::{Place, Scene};
use crate::stay::HostProcess;

/// What a probe looks for; nobody else has it.
pub const SECRET: &str = "cofferdam-secret-5f3a9c";

/// A name that nobody else on the machine has.
pub fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("cofferdam-{}-{}", std::process::id(), COUNTER.fetch_add(1, Relaxed))
}

/// A process of the host: its id, and the address of the secret in its memory.
pub fn host_process(_: &Place) -> Result<Scene, String> {
    let process = HostProcess::start("idle", &[SECRET.into()])?;
    Ok(Scene::new().arg(process.id()).arg(&process.said).keep(process))
}

/// A directory of the host that everybody may enter and write.
pub fn open_directory() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    set_mode(directory.path(), 0o777);
    directory
}

/// A file of the host that everybody may read and write, with the secret.
pub fn write_secret(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, SECRET).expect("a file");
    set_mode(&path, 0o666);
    path
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
}

/// The path of a file of the host with the secret.
pub fn secret_file(_: &Place) -> Result<Scene, String> {
    let directory = open_directory();
    let path = write_secret(directory.path(), "secret");
    Ok(Scene::new().arg(path.display()).keep(directory))
}

/// A directory of the host, where everybody may write, read-only at `/box`; outside, where it is. Its path,
/// and of a file and a directory in it.
pub fn read_only_box(place: &Place) -> Result<Scene, String> {
    let directory = open_directory();
    write_secret(directory.path(), "file");
    let inner = directory.path().join("directory");
    fs::create_dir(&inner).expect("a directory");
    set_mode(&inner, 0o777);
    let path = directory.path().to_owned();
    let seen = if place.is_control() { path.clone() } else { PathBuf::from("/box") };
    let scene = Scene::new().arg(seen.display()).arg(seen.join("file").display());
    let scene = scene.arg(seen.join("directory").display());
    Ok(scene.container(move |container| container.bind_read_only(&path, "/box")).keep(directory))
}
