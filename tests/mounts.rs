//! Binds, file systems in memory, files made from bytes, links: what they show, what they refuse, and in
//! which order they lie.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cofferdam::{Bind, Container, ErrorKind, Seccomp, Stdio, Tmpfs};
use common::helper::{is_helper, printed_by, this_test_through};
use common::{
    busybox_root, busybox_sh, copy_program, make_open_dir, needs_program, needs_root, on_host, output,
    set_mode, sh, stdout, succeeds, temp_dir, text, tree,
};
use tempfile::TempDir;

/// A directory that everybody may write, with a file `note` in it that everybody may write.
fn shared_directory() -> (TempDir, PathBuf) {
    let directory = temp_dir();
    let shared = directory.path().join("shared");
    make_open_dir(&shared);
    fs::write(shared.join("note"), "from the host\n").unwrap();
    set_mode(&shared.join("note"), 0o666);
    (directory, shared)
}

#[track_caller]
fn fails_with(container: &Container, reason: &str) {
    let output = output(container);
    assert!(!output.status.success(), "{container:?}");
    assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
}

// Binds

#[test]
fn a_read_only_bind_can_be_read_and_not_written() {
    let (_directory, shared) = shared_directory();
    let run = |script: &str| sh(script).bind_read_only(&shared, "/data");

    assert_eq!(stdout(&run("cat /data/note")), "from the host");
    for act in ["echo > /data/note", "touch /data/new", "rm /data/note", "mkdir /data/new"] {
        fails_with(&run(act), "Read-only file system");
    }
    assert_eq!(tree(&shared), [".", "./note"]);
}

#[test]
fn a_writable_bind_writes_to_the_host() {
    let (_directory, shared) = shared_directory();
    let run = sh("echo inside > /data/note && touch /data/new").bind_writable(&shared, "/data");

    stdout(&run);

    assert_eq!(fs::read_to_string(shared.join("note")).unwrap(), "inside\n");
    assert_eq!(tree(&shared), [".", "./new", "./note"]);
}

#[test]
fn a_writable_bind_gives_no_more_rights_than_the_host_does() {
    if !needs_root("the files of an ordinary user are its workload's") {
        return;
    }
    let (_directory, shared) = shared_directory();
    set_mode(&shared.join("note"), 0o600);
    let run = |script: &str| sh(script).bind_writable(&shared, "/data");

    fails_with(&run("cat /data/note"), "Permission denied");
    fails_with(&run("echo > /data/note"), "Permission denied");
}

#[test]
fn a_read_only_bind_covers_the_mounts_below_it() {
    let file = format!("/host-dev/shm/cofferdam-{}", std::process::id());
    let act = format!("touch {file} && rm {file}");

    fails_with(&sh(&act).bind_read_only("/dev", "/host-dev"), "Read-only file system");
    assert!(succeeds(&sh(&act).bind_writable("/dev", "/host-dev")));
}

#[test]
fn a_single_file_is_bound() {
    let (_directory, shared) = shared_directory();
    let note = shared.join("note");

    assert_eq!(
        stdout(&sh("cat /etc/note; ls /etc/note").bind_read_only(&note, "/etc/note")),
        "from the host\n/etc/note"
    );
    fails_with(&sh("echo > /note").bind_read_only(&note, "/note"), "Read-only file system");
    stdout(&sh("echo inside > /note").bind_writable(&note, "/note"));
    assert_eq!(fs::read_to_string(&note).unwrap(), "inside\n");
}

#[test]
fn a_directory_is_bound_by_descriptor_wherever_it_has_gone() {
    let (directory, shared) = shared_directory();
    let open = || OwnedFd::from(fs::File::open(&shared).unwrap());
    let read_only = sh("cat /data/note && echo > /data/note").bind(Bind::read_only_fd(open(), "/data"));
    let writable = sh("cat /data/note && touch /data/new").bind(Bind::writable_fd(open(), "/data"));
    fs::rename(&shared, directory.path().join("moved")).unwrap();
    make_open_dir(&shared);

    fails_with(&read_only, "Read-only file system");
    assert_eq!(stdout(&writable), "from the host");
    assert_eq!(tree(directory.path()), [".", "./moved", "./moved/new", "./moved/note", "./shared"]);
}

#[test]
fn a_file_is_bound_by_descriptor() {
    let (_directory, shared) = shared_directory();
    let file = fs::File::open(shared.join("note")).unwrap();

    assert_eq!(stdout(&sh("cat /note").bind(Bind::read_only_fd(file, "/note"))), "from the host");
}

#[test]
fn a_missing_source_is_an_error_unless_it_is_optional() {
    let strict = sh("test ! -e /data").bind_read_only("/no/such/source", "/data");
    let optional = sh("test ! -e /data").bind(Bind::read_only("/no/such/source", "/data").optional());

    let error = strict.spawn().unwrap_err();
    assert_eq!((error.step(), error.kind()), ("bind", ErrorKind::NotFound));
    assert!(error.remedy().unwrap().contains("optional"), "{error}");
    assert!(succeeds(&optional));
}

#[test]
fn an_optional_source_that_exists_is_bound() {
    let (_directory, shared) = shared_directory();
    let bind = Bind::read_only(&shared, "/data").optional();

    assert_eq!(stdout(&sh("cat /data/note").bind(bind)), "from the host");
}

#[test]
fn device_nodes_of_a_bind_do_not_work_unless_allowed() {
    let read = |bind: Bind| sh("head -c 1 /node/zero | wc -c").bind(bind);
    let error = |bind: Bind| sh("head -c 1 /node/zero").bind(bind);

    fails_with(&error(Bind::read_only("/dev", "/node")), "Permission denied");
    assert_eq!(stdout(&read(Bind::read_only("/dev", "/node").allow_devices())), "1");
}

#[test]
fn set_user_id_files_of_a_bind_give_nothing() {
    if !needs_root("set-user-ID files of root") {
        return;
    }
    let (_directory, shared) = shared_directory();
    let program = shared.join("id");
    copy_program("/usr/bin/id", &program);
    set_mode(&program, 0o4755);
    // So that the owner of the file exists inside.
    let range = cofferdam::IdMap { inside: 0, outside: 0, count: 65_536 };
    let mapping = cofferdam::IdMapping::Ranges { uids: vec![range], gids: vec![range] };
    let container = sh("/data/id -u").no_new_privs(false).seccomp(Seccomp::unconfined());
    let container = container.id_mapping(mapping).bind_writable(&shared, "/data");

    assert_eq!(stdout(&container), "1000");
    let outside = on_host(&format!("setpriv --reuid 1000 --clear-groups {} -u", program.display()));
    assert_eq!(outside, "0");
}

// In memory

#[test]
fn a_file_system_in_memory_is_writable_and_new_in_each_run() {
    let container =
        sh("test ! -e /work/file && echo here > /work/file && cat /work/file").tmpfs(Tmpfs::new("/work"));

    for _ in 0..2 {
        assert_eq!(stdout(&container), "here");
    }
    assert!(!succeeds(&sh("test -e /work")));
}

#[test]
fn a_file_system_in_memory_is_bounded_in_bytes() {
    let write = |kib: u32| {
        sh(&format!("head -c {kib}K /dev/zero > /work/file")).tmpfs(Tmpfs::new("/work").size(1 << 20))
    };

    assert!(succeeds(&write(1024)));
    fails_with(&write(1025), "No space left on device");
}

#[test]
fn a_file_system_in_memory_is_bounded_in_inodes() {
    // The root of the file system is one of them.
    let make = |files: &str| sh(&format!("cd /work && mkdir {files}")).tmpfs(Tmpfs::new("/work").inodes(3));

    assert!(succeeds(&make("a b")));
    fails_with(&make("a b c"), "No space left on device");
}

#[test]
fn a_file_system_in_memory_has_the_mode_that_was_asked_for() {
    let mode = "stat -c %a /work";

    assert_eq!(stdout(&sh(mode).tmpfs(Tmpfs::new("/work"))), "1777");
    assert_eq!(stdout(&sh(mode).tmpfs(Tmpfs::new("/work").mode(0o750))), "750");
}

// Files, directories, links

#[test]
fn a_file_has_its_content_and_mode() {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let container = sh("cat /data/bytes").file("/data/bytes", &bytes);

    assert_eq!(output(&container).stdout, bytes);
    let modes = sh("umask; stat -c %a /a /b /c /d")
        .file("/a", "")
        .file_with_mode("/b", "", 0o600)
        .file_with_mode("/c", "", 0o777)
        .file_with_mode("/d", "earlier", 0o600)
        .file_with_mode("/d", "later", 0o755)
        .umask(0o077);
    assert_eq!(stdout(&modes), "0077\n644\n600\n777\n755");
}

#[test]
fn a_file_can_be_a_program() {
    let container =
        Container::new().command("/app/run").file_with_mode("/app/run", "#!/bin/sh\necho ran\n", 0o755);

    assert_eq!(stdout(&container), "ran");
}

#[test]
fn a_file_of_the_view_cannot_be_written_by_the_workload() {
    fails_with(&sh("echo > /data/file").file("/data/file", "x"), "Read-only file system");
}

#[test]
fn a_file_lies_over_that_of_a_directory_root_which_stays_as_it_is() {
    let Some(root) = busybox_root() else { return };
    fs::write(root.path().join("config"), "of the host\n").unwrap();
    let container = busybox_sh("cat /config /etc/new").rootfs(root.path());
    let container = container.file("/config", "of the call\n").file("/etc/new", "new\n");

    assert_eq!(stdout(&container), "of the call\nnew");
    assert_eq!(fs::read_to_string(root.path().join("config")).unwrap(), "of the host\n");
    assert_eq!(tree(root.path()), [".", "./bin", "./bin/busybox", "./config"]);
}

#[test]
fn a_file_lies_over_that_of_a_writable_bind_which_stays_as_it_is() {
    let (_directory, shared) = shared_directory();
    let container = sh("cat /data/note").bind_writable(&shared, "/data").file("/data/note", "of the call\n");

    assert_eq!(stdout(&container), "of the call");
    assert_eq!(fs::read_to_string(shared.join("note")).unwrap(), "from the host\n");
}

#[test]
fn a_file_lies_over_that_of_a_read_only_bind() {
    let (_directory, shared) = shared_directory();
    let container = sh("cat /data/note").bind_read_only(&shared, "/data").file("/data/note", "of the call\n");

    assert_eq!(stdout(&container), "of the call");
}

#[test]
fn directories_are_made_with_their_parents() {
    let container =
        sh("stat -c '%F %a' /one /one/two /tmp/three").directory("/one/two").directory("/tmp/three");

    assert_eq!(stdout(&container), "directory 755\ndirectory 755\ndirectory 755");
    assert!(succeeds(&sh("true").directory("/usr").directory("/")));
}

#[test]
fn links_lead_where_they_should() {
    let container =
        sh("readlink /work/link && cat /work/link").file("/work/file", "found").symlink("file", "/work/link");

    assert_eq!(stdout(&container), "file\nfound");
}

#[test]
fn a_place_that_is_taken_by_another_kind_of_file_is_an_error() {
    let (_directory, shared) = shared_directory();
    let taken = [
        sh("true").symlink("/tmp", "/dev/null"),
        sh("true").directory("/dev/null"),
        sh("true").tmpfs(Tmpfs::new("/dev/null")),
        sh("true").bind_read_only(&shared, "/dev/null"),
        sh("true").bind_read_only(shared.join("note"), "/usr"),
    ];

    for container in taken {
        let error = container.spawn().unwrap_err();
        assert_ne!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.subject().contains("/dev/null") || error.subject().contains("/usr"), "{error}");
    }
}

#[test]
fn a_place_that_cannot_be_made_is_an_error_with_a_remedy() {
    let (_directory, shared) = shared_directory();

    let error = sh("true").bind_read_only(&shared, "/usr/no-such-place").spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("bind", ErrorKind::PermissionDenied));
    assert!(error.remedy().is_some(), "{error}");
}

// Order

#[test]
fn later_calls_lie_over_earlier_ones() {
    let (_directory, shared) = shared_directory();
    let hidden = sh("ls /data").bind_read_only(&shared, "/data").tmpfs(Tmpfs::new("/data"));
    let shown = sh("ls /data").tmpfs(Tmpfs::new("/data")).bind_read_only(&shared, "/data");
    let inner = sh("ls /data /data/in").tmpfs(Tmpfs::new("/data")).bind_read_only(&shared, "/data/in");

    assert_eq!(stdout(&hidden), "");
    assert_eq!(stdout(&shown), "note");
    assert_eq!(stdout(&inner), "/data:\nin\n\n/data/in:\nnote");
}

#[test]
fn a_later_file_replaces_an_earlier_one() {
    let container = sh("cat /data").file("/data", "a long earlier one").file("/data", "later");

    assert_eq!(stdout(&container), "later");
}

#[test]
fn calls_take_the_place_of_the_defaults() {
    let (_directory, shared) = shared_directory();
    let own_tmp = sh("cat /tmp/note && touch /tmp/new").bind_writable(&shared, "/tmp");
    let own_shm = sh("stat -f -c %c /dev/shm").tmpfs(Tmpfs::new("/dev/shm").inodes(7));

    assert_eq!(stdout(&own_tmp), "from the host");
    assert!(shared.join("new").exists());
    assert_eq!(stdout(&own_shm), "7");
}

#[test]
fn calls_take_the_place_of_the_defaults_in_a_directory_root() {
    let Some(root) = busybox_root() else { return };
    let own_shm = busybox_sh("stat -f -c %c /dev/shm").tmpfs(Tmpfs::new("/dev/shm").inodes(7));

    assert_eq!(stdout(&own_shm.rootfs(root.path())), "7");
}

#[test]
fn calls_add_to_the_default_dev() {
    let Some(root) = busybox_root() else { return };
    let (_directory, shared) = shared_directory();
    let of_view = sh("cat /dev/data/note").bind_read_only(&shared, "/dev/data");
    let of_directory =
        busybox_sh("cat /dev/data/note").rootfs(root.path()).bind_read_only(&shared, "/dev/data");

    assert_eq!(stdout(&of_view), "from the host");
    assert_eq!(stdout(&of_directory), "from the host");
}

// Propagation

/// Run in a mount namespace of its own, in which mounts are shared, so that they would spread.
#[test]
fn helper_mounts_on_the_host_beside_a_running_container() {
    if !is_helper("helper_mounts_on_the_host_beside_a_running_container") {
        return;
    }
    let directory = temp_dir();
    let path = directory.path();
    make_open_dir(&path.join("before"));
    make_open_dir(&path.join("after"));
    let mount = |place: &Path| on_host(&format!("mount -t tmpfs test {0} && touch {0}/new", place.display()));
    mount(&path.join("before"));
    let mut child =
        sh("echo ready; read -r line; cd /data; for file in before/new after/new /usr/local/new; do \
        test -e $file && echo $file; done; true")
        .bind_read_only(path, "/data")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some("ready"));

    mount(&path.join("after"));
    mount(Path::new("/usr/local"));
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();

    assert_eq!(lines.collect::<Vec<_>>(), ["before/new"]);
    assert_eq!(tree(path), [".", "./after", "./after/new", "./before", "./before/new"]);
    on_host(&format!("umount {0}/before {0}/after", path.display()));
}

#[test]
fn later_mounts_of_the_host_do_not_spread_into_a_container() {
    if !needs_root("mounts on the host") || !needs_program("/usr/bin/unshare") {
        return;
    }
    const HELPER: &str = "helper_mounts_on_the_host_beside_a_running_container";
    // Private first: what was shared with the host would stay so.
    let share = r#"mount --make-rshared / && exec "$0" "$@""#;
    let arguments = ["--mount", "--propagation", "private", "/bin/sh", "-c", share];

    printed_by(&mut this_test_through("/usr/bin/unshare", &arguments, HELPER), HELPER);
}

#[test]
fn mounts_of_a_container_do_not_spread_to_the_host() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let (_directory, shared) = shared_directory();
    let mut child = sh("exec cat")
        .bind_writable(&shared, "/data")
        .tmpfs(Tmpfs::new("/data/inner"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();

    assert!(!mounts().contains(&shared.display().to_string()));
    let inside = fs::read_to_string(format!("/proc/{}/mountinfo", child.id())).unwrap();
    assert!(inside.contains(" /data/inner "), "{inside}");
    assert!(child.wait().unwrap().success());
}

// Refusals

#[test]
fn what_cannot_work_anywhere_is_refused_before_anything_is_made() {
    let (_directory, shared) = shared_directory();
    let base = || sh("true").bind_writable(&shared, "/tmp").directory("/tmp/made");
    let refused = [
        base().bind_read_only(&shared, "relative"),
        base().bind_read_only(&shared, ""),
        base().bind_read_only(&shared, "/"),
        base().bind_read_only(&shared, "/data/../etc"),
        base().bind_read_only(&shared, "/a\0b"),
        base().bind_read_only(&shared, Path::new("/").join("x".repeat(5000))),
        base().bind_read_only("", "/data"),
        base().bind_read_only("/a\0b", "/data"),
        base().tmpfs(Tmpfs::new("relative")),
        base().tmpfs(Tmpfs::new("/")),
        base().tmpfs(Tmpfs::new("/work").size(0)),
        base().tmpfs(Tmpfs::new("/work").size(u64::MAX)),
        base().tmpfs(Tmpfs::new("/work").inodes(0)),
        base().tmpfs(Tmpfs::new("/work").inodes(u64::MAX)),
        base().tmpfs(Tmpfs::new("/work").mode(0o10000)),
        base().tmp_size(u64::MAX),
        base().directory("relative"),
        base().directory("/data/../etc"),
        base().file("relative", ""),
        base().file("/", ""),
        base().file("/a\0b", ""),
        base().file_with_mode("/file", "", 0o10000),
        base().symlink("", "/link"),
        base().symlink("a\0b", "/link"),
        base().symlink("/tmp", "../link"),
        base().current_dir("relative"),
        base().current_dir("/tmp/.."),
        base().rootfs(""),
        base().rootfs("/a\0b"),
    ];

    for (index, container) in refused.iter().enumerate() {
        let error = container.spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "number {index}: {error}");
    }
    assert_eq!(tree(&shared), [".", "./note"]);
    assert!(succeeds(&base()));
    assert_eq!(tree(&shared), [".", "./made", "./note"]);
}
