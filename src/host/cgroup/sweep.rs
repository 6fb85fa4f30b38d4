//! What host programs that were killed have left: empty groups. The next one to make a group at the same place
//! removes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::group::{is_unpopulated, remove_tree};
use super::name::{Maker, start_of};

/// Sweeps a place, once for each process. Nobody waits for the lock, for the reason given at [`Maker::this`]: who
/// finds it taken leaves the sweeping to another time.
pub(super) fn sweep_once(base: &Path, this: &Maker) {
    static SWEPT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let Ok(mut swept) = SWEPT.try_lock() else { return };
    if swept.iter().any(|known| known == base) {
        return;
    }
    swept.push(base.to_owned());
    drop(swept);
    sweep(base, this);
}

/// A group in which something runs, that of a container which was detached, stays.
fn sweep(base: &Path, this: &Maker) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let maker = entry.file_name().to_str().and_then(Maker::of);
        let path = entry.path();
        if maker.is_some_and(|maker| is_gone(&maker, this)) && is_unpopulated(&path) {
            let _ = remove_tree(&path);
        }
    }
}

/// Only what is certain counts: of a maker in other namespaces nothing is known.
fn is_gone(maker: &Maker, this: &Maker) -> bool {
    if maker.namespaces != this.namespaces {
        return false;
    }
    let Ok(pid) = i32::try_from(maker.pid) else { return false };
    match kill(Pid::from_raw(pid), None) {
        Err(Errno::ESRCH) => true,
        // The number may have been given again.
        _ => start_of(maker.pid).is_some_and(|start| start != maker.start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_that_runs_is_not_gone() {
        assert!(!is_gone(&Maker::this(), &Maker::this()));
    }

    #[test]
    fn one_whose_number_another_process_has_is_gone() {
        let earlier = Maker { start: 1, ..Maker::this() };
        assert!(is_gone(&earlier, &Maker::this()));
    }

    #[test]
    fn of_one_in_other_namespaces_nothing_is_known() {
        let elsewhere = Maker { start: 1, namespaces: 1, ..Maker::this() };
        assert!(!is_gone(&elsewhere, &Maker::this()));
    }
}
