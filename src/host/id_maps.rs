//! Writing the id maps of a new user namespace: directly, or through newuidmap(1) and newgidmap(1).

use std::fs;
use std::process::{Command, Stdio};

use crate::config::IdMap;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{IdMaps, MapWriter};

const STEP: &str = "id-maps";

/// Writes the maps for the user namespace of a process.
pub(super) fn write(maps: &IdMaps, pid: libc::pid_t) -> Result<()> {
    match maps.writer {
        MapWriter::Helpers => {
            run_helper("newuidmap", "/etc/subuid", "uid_map", pid, &maps.uids)?;
            run_helper("newgidmap", "/etc/subgid", "gid_map", pid, &maps.gids)
        }
        writer => {
            if writer == MapWriter::Own {
                write_file(pid, "setgroups", "deny")?;
            }
            let offset = if writer == MapWriter::RootPerRun { pid as u32 } else { 0 };
            write_file(pid, "uid_map", &lines(&maps.uids, offset))?;
            write_file(pid, "gid_map", &lines(&maps.gids, offset))
        }
    }
}

fn lines(maps: &[IdMap], offset: u32) -> String {
    maps.iter().map(|map| format!("{} {} {}\n", map.inside, map.outside + offset, map.count)).collect()
}

fn write_file(pid: libc::pid_t, file: &str, content: &str) -> Result<()> {
    fs::write(format!("/proc/{pid}/{file}"), content).map_err(|error| {
        let what = content.trim().replace('\n', ", ");
        let error = Error::io(STEP, format!("cannot write {what:?} to {file}"), &error);
        super::diagnose::explain_id_maps(error)
    })
}

/// The helpers are set-user-ID programs that write what the files of subordinate ids grant.
fn run_helper(helper: &str, granted_by: &str, file: &str, pid: libc::pid_t, maps: &[IdMap]) -> Result<()> {
    let mut command = Command::new(helper);
    command.arg(pid.to_string()).stdin(Stdio::null());
    for map in maps {
        command.args([map.inside, map.outside, map.count].map(|number| number.to_string()));
    }
    let message = match command.output() {
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = Error::io(STEP, format!("the program {helper}"), &error);
            return Err(error.with_remedy("install it (package `uidmap` or `shadow-utils`)"));
        }
        // A host that ignores SIGCHLD, or reaps all children, takes the status away. The map tells.
        Err(error) => error.to_string(),
    };
    let written = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    if !written.trim().is_empty() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::PermissionDenied, STEP, format!("{helper} wrote no map: {message}"));
    Err(error.with_remedy(format!("grant these ids to the caller in {granted_by}")))
}
