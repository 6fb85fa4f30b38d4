//! Overlays: which layer wins, where writes go, and what stays as it is.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use cofferdam::{Container, ErrorKind, IdMapping, Overlay, Proc};
use common::{
    busybox_root, busybox_sh, make_open_dir, needs_root, on_host, output, set_mode, sh, stdout, succeeds,
    temp_dir, text, tree,
};
use tempfile::TempDir;

/// A directory on the host that holds these files, each with this content. Everybody may write it.
fn layer(parent: &TempDir, name: &str, files: &[&str], content: &str) -> PathBuf {
    let directory = parent.path().join(name);
    make_open_dir(&directory);
    for file in files {
        fs::write(directory.join(file), content).unwrap();
    }
    directory
}

fn overlaid(script: &str, overlay: Overlay) -> Container {
    sh(&format!("cd /data && {script}")).overlay(overlay)
}

// Layers

#[test]
fn the_layer_that_was_added_first_lies_on_top() {
    let directory = temp_dir();
    let top = layer(&directory, "top", &["a"], "top\n");
    let middle = layer(&directory, "middle", &["a", "b"], "middle\n");
    let base = layer(&directory, "base", &["a", "b", "c"], "base\n");
    let read = |overlay: Overlay| stdout(&overlaid("cat a b c", overlay));

    let sorted = Overlay::new("/data").lower(&top).lower(&middle).lower(&base);
    let reversed = Overlay::new("/data").lower(&base).lower(&middle).lower(&top);

    assert_eq!(read(sorted), "top\nmiddle\nbase");
    assert_eq!(read(reversed), "base\nbase\nbase");
}

#[test]
fn one_read_only_layer_is_enough() {
    let directory = temp_dir();
    let only = layer(&directory, "only", &["a"], "only\n");
    let read = |script: &str| overlaid(script, Overlay::new("/data").lower(&only).read_only());

    let output = output(&read("cat a; touch new"));

    assert_eq!(text(&output.stdout), "only");
    assert!(text(&output.stderr).contains("Read-only file system"), "{}", text(&output.stderr));
}

#[test]
fn names_may_contain_what_separates_options() {
    let directory = temp_dir();
    let one = layer(&directory, r"a:b,c\d e=f", &["a"], "one\n");
    let two = layer(&directory, r":,\", &["b"], "two\n");

    let overlay = Overlay::new("/data").lower(&one).lower(&two);

    assert_eq!(stdout(&overlaid("cat a b", overlay)), "one\ntwo");
}

#[test]
fn long_names_and_many_layers_fit() {
    let directory = temp_dir();
    let long = directory.path().join("x".repeat(200));
    fs::create_dir(&long).unwrap();
    let mut overlay = Overlay::new("/data");
    for number in 0..12 {
        let lower = long.join(number.to_string());
        fs::create_dir(&lower).unwrap();
        fs::write(lower.join(format!("file{number}")), "").unwrap();
        overlay = overlay.lower(lower);
    }

    assert_eq!(stdout(&overlaid("ls | wc -l", overlay)), "12");
}

// Writes

#[test]
fn writes_go_to_memory_and_are_gone_in_the_next_run() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["old", "removed"], "lower\n");
    for file in ["old", "removed"] {
        set_mode(&lower.join(file), 0o666);
    }
    let script = "cat old && echo changed > old && touch new && rm removed && mkdir -p sub/sub && ls";
    let container = overlaid(script, Overlay::new("/data").lower(&lower));

    for _ in 0..2 {
        assert_eq!(stdout(&own_upper(container.clone())), "lower\nnew\nold\nsub");
    }
    assert_eq!(tree(&lower), [".", "./old", "./removed"]);
    assert_eq!(fs::read_to_string(lower.join("old")).unwrap(), "lower\n");
}

/// Maps the owner of the layers, so that the workload may change them as far as the container lets it.
fn own_upper(container: Container) -> Container {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    container.id_mapping(IdMapping::Host { uid, gid })
}

#[test]
fn an_unmapped_owner_does_not_keep_the_workload_from_writing_new_files() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["old"], "lower\n");

    let container = overlaid("touch new && ls && cat old", Overlay::new("/data").lower(&lower));

    assert_eq!(stdout(&container), "new\nold\nlower");
}

#[test]
fn memory_for_writes_is_bounded() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &[], "");
    let overlay = || Overlay::new("/data").lower(&lower).upper_in_memory(1 << 20, 10);

    assert!(succeeds(&overlaid("head -c 900K /dev/zero > file && touch 1 2", overlay())));
    for act in ["head -c 1100K /dev/zero > file", "touch 1 2 3 4 5 6 7 8 9 10"] {
        let output = output(&overlaid(act, overlay()));
        assert!(text(&output.stderr).contains("No space left on device"), "{act}");
    }
}

/// Directories for writes that belong to the user who runs the tests.
struct Writes {
    upper: PathBuf,
    work: PathBuf,
}

impl Writes {
    fn new(parent: &TempDir, upper: &str, work: &str) -> Self {
        let writes = Writes { upper: parent.path().join(upper), work: parent.path().join(work) };
        for directory in [&writes.upper, &writes.work] {
            fs::create_dir(directory).unwrap();
            set_mode(directory, 0o755);
        }
        writes
    }

    fn of(&self, overlay: Overlay) -> Overlay {
        overlay.upper_directory(&self.upper, &self.work)
    }
}

impl Drop for Writes {
    /// The kernel leaves a directory that only root can remove as it is.
    fn drop(&mut self) {
        let left = self.work.join("work");
        if left.exists() {
            set_mode(&left, 0o700);
        }
    }
}

#[test]
fn a_directory_for_writes_keeps_them() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["old", "removed"], "lower\n");
    let writes = Writes::new(&directory, "upper", "work");
    let run = |script: &str| {
        let overlay = writes.of(Overlay::new("/data").lower(&lower));
        own_upper(overlaid(script, overlay))
    };

    stdout(&run("echo changed > old && touch new && rm removed"));

    assert_eq!(stdout(&run("ls && cat old")), "new\nold\nchanged");
    assert_eq!(tree(&lower), [".", "./old", "./removed"]);
    assert_eq!(fs::read_to_string(writes.upper.join("old")).unwrap(), "changed\n");
}

#[test]
fn root_keeps_writes_for_a_user_of_its_choice() {
    if !needs_root("maps the id of another user") {
        return;
    }
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["old"], "lower\n");
    let writes = Writes::new(&directory, "upper", "work");
    for path in [&writes.upper, &writes.work] {
        chown(path, Some(12_345), Some(12_346)).unwrap();
    }
    let overlay = writes.of(Overlay::new("/data").lower(&lower));
    let mapping = IdMapping::Host { uid: 12_345, gid: 12_346 };

    stdout(&overlaid("touch new && cat old", overlay).id_mapping(mapping));

    let new = fs::metadata(writes.upper.join("new")).unwrap();
    assert_eq!((new.uid(), new.gid()), (12_345, 12_346));
}

#[test]
fn the_directories_for_writes_may_contain_what_separates_options() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &[], "");
    let writes = Writes::new(&directory, r"up:p,er\", "wo:r,k");
    let overlay = writes.of(Overlay::new("/data").lower(&lower));

    stdout(&own_upper(overlaid("echo kept > new", overlay)));

    assert_eq!(fs::read_to_string(writes.upper.join("new")).unwrap(), "kept\n");
}

#[test]
fn a_file_that_a_lower_layer_whites_out_is_not_there() {
    if !needs_root("makes a whiteout, a device node") {
        return;
    }
    let directory = temp_dir();
    let top = layer(&directory, "top", &["here"], "");
    let base = layer(&directory, "base", &["here", "gone", "kept"], "");
    on_host(&format!("mknod '{}' c 0 0", top.join("gone").display()));
    let list = |overlay: Overlay| stdout(&overlaid("ls", overlay));

    assert_eq!(list(Overlay::new("/data").lower(&top).lower(&base)), "here\nkept");
    assert_eq!(list(Overlay::new("/data").lower(&base)), "gone\nhere\nkept");
}

#[test]
fn a_directory_for_writes_that_is_not_the_workloads_is_an_error() {
    if !needs_root("the directories of an ordinary user are its workload's") {
        return;
    }
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &[], "");
    let writes = Writes::new(&directory, "upper", "work");
    let overlay = writes.of(Overlay::new("/data").lower(&lower));

    let error = overlaid("true", overlay).spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("overlay", ErrorKind::PermissionDenied), "{error}");
    assert!(error.remedy().is_some(), "{error}");
}

// As root file system

#[test]
fn layers_are_a_root_file_system() {
    let Some(base) = busybox_root() else { return };
    let directory = temp_dir();
    let app = layer(&directory, "app", &["app"], "of the app\n");
    let overlay = Overlay::new("/").lower(&app).lower(base.path());

    let seen = stdout(&busybox_sh("cat /app && echo x > /new && ls / && ls /..").rootfs_overlay(overlay));

    assert_eq!(seen, "of the app\napp\nbin\ndev\nnew\nproc\ntmp\napp\nbin\ndev\nnew\nproc\ntmp");
    assert_eq!(tree(&app), [".", "./app"]);
    assert_eq!(tree(base.path()), [".", "./bin", "./bin/busybox"]);
}

#[test]
fn a_root_of_layers_can_be_read_only() {
    let Some(base) = busybox_root() else { return };
    let overlay = Overlay::new("/").lower(base.path()).read_only();

    let output = output(&busybox_sh("ls / && touch /new").rootfs_overlay(overlay));

    assert_eq!(text(&output.stdout), "bin\ndev\nproc\ntmp");
    assert!(text(&output.stderr).contains("Read-only file system"), "{}", text(&output.stderr));
    assert_eq!(tree(base.path()), [".", "./bin", "./bin/busybox"]);
}

#[test]
fn a_read_only_root_of_layers_needs_no_mount_points() {
    let Some(base) = busybox_root() else { return };
    let overlay = Overlay::new("/").lower(base.path()).read_only();
    let container = busybox_sh("ls /").proc(Proc::None).dev(false).tmp_size(0);

    assert_eq!(stdout(&container.rootfs_overlay(overlay)), "bin");
}

#[test]
fn a_root_of_layers_keeps_writes_in_a_directory() {
    let Some(base) = busybox_root() else { return };
    let directory = temp_dir();
    let writes = Writes::new(&directory, "upper", "work");
    let overlay = writes.of(Overlay::new("/").lower(base.path()));
    let run = |script: &str| own_upper(busybox_sh(script).rootfs_overlay(overlay.clone()));

    stdout(&run("echo kept > /note"));

    assert_eq!(stdout(&run("cat /note")), "kept");
    assert_eq!(tree(base.path()), [".", "./bin", "./bin/busybox"]);
}

#[test]
fn two_overlays_do_not_disturb_each_other() {
    let directory = temp_dir();
    let one = layer(&directory, "one", &["one"], "");
    let two = layer(&directory, "two", &["two"], "");

    let container = sh("touch /one/new && ls /one /two")
        .overlay(Overlay::new("/one").lower(&one))
        .overlay(Overlay::new("/two").lower(&two));

    assert_eq!(stdout(&container), "/one:\nnew\none\n\n/two:\ntwo");
}

// Errors

#[test]
fn missing_layers_are_an_error() {
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["file"], "");
    let missing = Path::new("/no/such/layer");
    let wrong = [
        Overlay::new("/data").lower(missing),
        Overlay::new("/data").lower(&lower).lower(missing),
        Overlay::new("/data").lower(&lower).upper_directory(missing, &lower),
        Overlay::new("/data").lower(&lower).upper_directory(&lower, missing),
    ];

    for overlay in wrong {
        let error = sh("true").overlay(overlay).spawn().unwrap_err();
        assert_eq!((error.step(), error.kind()), ("overlay", ErrorKind::NotFound));
        assert!(error.subject().contains("/no/such/layer"), "{error}");
    }
    let error = sh("true").overlay(Overlay::new("/data").lower(lower.join("file"))).spawn().unwrap_err();
    assert_eq!((error.step(), error.kind()), ("overlay", ErrorKind::InvalidInput));
}

#[test]
fn what_cannot_work_anywhere_is_refused() {
    let wrong = [
        Overlay::new("/data"),
        Overlay::new("relative").lower("/usr"),
        Overlay::new("/").lower("/usr"),
        Overlay::new("/data/../x").lower("/usr"),
        Overlay::new("/data").lower(""),
        Overlay::new("/data").lower("/a\0b"),
        Overlay::new("/data").lower("/usr").upper_in_memory(0, 1),
        Overlay::new("/data").lower("/usr").upper_in_memory(1, 0),
        Overlay::new("/data").lower("/usr").upper_in_memory(u64::MAX, 1),
        Overlay::new("/data").lower("/usr").upper_directory("", "/tmp"),
    ];

    for (index, overlay) in wrong.into_iter().enumerate() {
        let error = sh("true").overlay(overlay).spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "number {index}: {error}");
    }
}

#[test]
fn permissions_of_a_layer_count() {
    if !needs_root("the files of an ordinary user are its workload's") {
        return;
    }
    let directory = temp_dir();
    let lower = layer(&directory, "lower", &["secret"], "secret\n");
    set_mode(&lower.join("secret"), 0o600);

    let container = overlaid("cat secret", Overlay::new("/data").lower(&lower));

    assert!(!succeeds(&container));
    assert_eq!(stdout(&own_upper(container)), "secret");
}
