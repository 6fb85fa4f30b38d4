//! The root file system: the view of the host, a directory of the host, and what cannot be reached or
//! written from inside.

mod common;

use std::fs;
use std::path::Path;

use cofferdam::{Container, ErrorKind, Overlay};
use common::{
    busybox_root, busybox_sh, make_open_dir, needs_root, on_host, output, set_mode, sh, stdout, succeeds,
    temp_dir, text, tree,
};

// The host view

#[test]
fn the_programs_of_the_host_are_there() {
    let list = "ls /usr /usr/bin; readlink /bin; readlink /lib";

    assert_eq!(stdout(&sh(list)), on_host(list));
}

#[test]
fn nothing_else_of_the_host_is_there() {
    let paths = ["/etc/shadow", "/home", "/root", "/var/log", "/boot", "/sys", "/etc/hostname", "/var/lib"];

    for path in paths {
        assert!(Path::new(path).exists(), "the host has no {path}: this shows nothing");
        assert!(!succeeds(&sh(&format!("test -e {path}"))), "{path}");
    }
}

#[test]
fn the_root_holds_a_documented_few() {
    let allowed = "bin dev etc lib lib32 lib64 libx32 proc run sbin tmp usr var";

    for name in stdout(&sh("ls -A /")).lines() {
        assert!(allowed.split(' ').any(|allowed| allowed == name), "{name}");
    }
}

#[test]
fn of_etc_only_what_programs_need_is_there() {
    let made_up = ["passwd", "group", "hosts", "resolv.conf"];
    let of_host =
        ["alternatives", "ca-certificates", "crypto-policies", "ld.so.cache", "localtime", "pki", "ssl"];

    for name in stdout(&sh("ls -A /etc | grep -v '^java-.*-openjdk$'")).lines() {
        assert!(made_up.contains(&name) || of_host.contains(&name), "{name}");
    }
}

#[test]
fn accounts_and_addresses_are_made_up() {
    assert_eq!(stdout(&sh("cut -d: -f1,3 /etc/passwd")), "root:0\nuser:1000\nnobody:65534");
    assert_eq!(stdout(&sh("cut -d: -f1,3 /etc/group")), "root:0\nuser:1000\nnogroup:65534");
    assert_eq!(stdout(&sh("id -un; id -gn").user(7, 8)), "user\nuser");
    let hosts = stdout(&sh("cat /etc/hosts").hostname("judge"));
    assert_eq!(hosts, "127.0.0.1 localhost judge\n::1 localhost");
    assert!(!stdout(&sh("cat /etc/resolv.conf")).contains("nameserver"));
}

#[test]
fn a_made_up_file_can_be_replaced() {
    let container = sh("cat /etc/passwd").file("/etc/passwd", "root:x:0:0::/:/bin/sh\n");

    assert_eq!(stdout(&container), "root:x:0:0::/:/bin/sh");
}

#[test]
fn the_root_is_read_only() {
    let acts = [
        "mkdir /new",
        "touch /usr/new",
        "touch /etc/new",
        "touch /dev/new",
        "touch /run/new",
        "rm /etc/passwd",
        "echo >> /etc/hosts",
        "rmdir /var/tmp",
        "chmod 777 /etc",
        "ln -s / /link",
        "mv /etc/passwd /etc/shadow",
    ];

    for act in acts {
        let output = output(&sh(&format!("exec 2>&1; {act}")));
        assert!(!output.status.success(), "{act}");
        assert!(text(&output.stdout).contains("Read-only file system"), "{act}: {}", text(&output.stdout));
    }
    assert!(succeeds(&sh("mkdir /tmp/new && touch /tmp/file /var/tmp/file && ln -s / /tmp/link")));
}

#[test]
fn no_mount_honours_set_user_id_files_or_unasked_devices() {
    let without = |flag: &str| format!("awk '$6 !~ /{flag}/ {{ print $5 }}' /proc/self/mountinfo");

    assert_eq!(stdout(&sh(&without("nosuid"))), "");
    let devices = stdout(&sh(&without("nodev")));
    for mount in devices.lines() {
        assert!(mount.starts_with("/dev/") || mount.starts_with("/proc/"), "{mount}");
    }
    assert_ne!(on_host(&without("nosuid")), "");
}

// What lies around the root

/// Prints `/` and `/..` as device and inode, then the place of each mount.
const SURROUNDINGS: &str = "stat -c %d:%i / /..; \
    while read -r _ _ _ _ place _; do echo $place; done < /proc/self/mountinfo";

/// Nothing is above the root, one mount is at it, and below it only what was asked for.
#[track_caller]
fn assert_surrounded_by_nothing(name: &str, container: &Container, asked_for: &[&str]) {
    let seen = stdout(container);
    let mut lines = seen.lines();
    assert_eq!(lines.next(), lines.next(), "{name}: /.. is not /\n{seen}");
    let places: Vec<&str> = lines.collect();
    assert_eq!(places.iter().filter(|place| **place == "/").count(), 1, "{name}\n{seen}");
    for place in places {
        let of_defaults = ["/proc/", "/dev/"].iter().any(|prefix| place.starts_with(prefix));
        let expected = ["/", "/proc", "/dev", "/tmp"].contains(&place) || asked_for.contains(&place);
        assert!(of_defaults || expected, "{name}: {place}\n{seen}");
    }
}

#[test]
fn nothing_lies_around_the_view_of_the_host() {
    let layer = temp_dir();
    let of_host = on_host("ls -d /usr /bin /sbin /lib* /etc/* /etc/*/*");
    let overlay = || Overlay::new("/tmp/layer").lower(layer.path());
    let file = |container: Container| container.file("/tmp/file", "").file("/etc/passwd", "");
    let mut asked_for: Vec<&str> = of_host.lines().collect();
    asked_for.push("/tmp/layer");

    for (name, container) in [
        ("alone", sh(SURROUNDINGS)),
        ("file", file(sh(SURROUNDINGS))),
        ("overlay", sh(SURROUNDINGS).overlay(overlay())),
        ("file and overlay", file(sh(SURROUNDINGS)).overlay(overlay())),
    ] {
        assert_surrounded_by_nothing(name, &container, &asked_for);
    }
}

#[test]
fn nothing_lies_around_a_root_of_any_other_kind() {
    let (Some(bare), Some(complete), Some(writable)) = (busybox_root(), busybox_root(), busybox_root())
    else {
        return;
    };
    tree_of_mount_points(complete.path());
    set_mode(writable.path(), 0o777);
    let layer = temp_dir();
    let lower = || Overlay::new("/").lower(bare.path());
    let script = || busybox_sh(SURROUNDINGS);

    for (kind, container) in [
        ("a directory that lacks mount points", script().rootfs(bare.path())),
        ("a directory that has its mount points", script().rootfs(complete.path())),
        ("a writable directory", script().rootfs_writable(writable.path())),
        ("layers", script().rootfs_overlay(lower())),
        ("read-only layers", script().rootfs_overlay(lower().read_only())),
    ] {
        let overlay = || Overlay::new("/layer").lower(layer.path());
        let with_file = container.clone().file("/file", "");
        let with_both = with_file.clone().overlay(overlay());
        assert_surrounded_by_nothing(kind, &container, &[]);
        assert_surrounded_by_nothing(&format!("{kind}, file"), &with_file, &["/file"]);
        let with_overlay = container.overlay(overlay());
        assert_surrounded_by_nothing(&format!("{kind}, overlay"), &with_overlay, &["/layer"]);
        assert_surrounded_by_nothing(&format!("{kind}, both"), &with_both, &["/file", "/layer"]);
    }
}

/// Every place that something is mounted on in the test above.
fn tree_of_mount_points(root: &Path) {
    for name in ["dev", "proc", "tmp", "layer"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(root.join("file"), "").unwrap();
}

#[test]
fn init_is_no_way_to_the_host() {
    let ways = [
        "ls /proc/PID/root/",
        "ls /proc/PID/cwd/",
        "readlink /proc/PID/exe",
        "cat /proc/PID/environ",
        "cat /proc/PID/maps",
    ];

    for way in ways {
        assert!(!succeeds(&sh(&way.replace("PID", "1"))), "{way}");
        assert!(succeeds(&sh(&way.replace("PID", "self"))), "{way}");
    }
}

// /tmp

#[test]
fn tmp_is_private_and_new_in_each_run() {
    let name = format!("/tmp/cofferdam-private-{}", std::process::id());
    let container = sh(&format!("test ! -e {name} && touch {name} && ls -A /tmp"));

    for _ in 0..2 {
        assert_eq!(format!("/tmp/{}", stdout(&container)), name);
    }
    assert!(!Path::new(&name).exists());
}

#[test]
fn tmp_does_not_show_the_hosts() {
    let file = tempfile::NamedTempFile::new_in("/tmp").unwrap();

    assert!(!succeeds(&sh(&format!("test -e {}", file.path().display()))));
    assert_eq!(stdout(&sh("ls -A /tmp")), "");
}

#[test]
fn tmp_is_bounded_in_bytes() {
    let write = |kib: u32| sh(&format!("head -c {kib}K /dev/zero > /tmp/file")).tmp_size(1 << 20);

    assert!(succeeds(&write(1000)));
    let full = output(&write(1100));
    assert!(!full.status.success());
    assert!(text(&full.stderr).contains("No space left on device"), "{}", text(&full.stderr));
}

#[test]
fn tmp_has_256_mib_and_65536_inodes_unless_set() {
    // Blocks, size of a block, inodes: statfs(2).
    let bounds = stdout(&sh("stat -f -c '%b %S %c' /tmp"));

    assert_eq!(bounds, "65536 4096 65536");
}

#[test]
fn tmp_can_be_left_out() {
    assert!(!succeeds(&sh("test -e /tmp").tmp_size(0)));
    assert!(succeeds(&sh("test -d /tmp && test -w /tmp")));
}

// A directory of the host

#[test]
fn one_static_program_is_a_root_file_system() {
    let Some(root) = busybox_root() else { return };
    let before = tree(root.path());

    let names = stdout(&busybox_sh("ls -A / && cat /proc/self/comm && echo > /tmp/x").rootfs(root.path()));

    assert_eq!(names, "bin\ndev\nproc\ntmp\nbusybox");
    assert_eq!(tree(root.path()), before);
}

#[test]
fn a_directory_that_has_its_mount_points_needs_no_overlay() {
    let Some(root) = busybox_root() else { return };
    for name in ["dev", "proc", "tmp"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let container = busybox_sh(
        "while read -r _ _ _ _ place _ _ _ kind _; do \
        test $place = / && echo $kind; done < /proc/self/mountinfo; true",
    );

    assert_ne!(stdout(&container.rootfs(root.path())), "overlay");
    assert_eq!(tree(root.path()), [".", "./bin", "./bin/busybox", "./dev", "./proc", "./tmp"]);
}

#[test]
fn nothing_of_the_host_is_reachable_from_a_directory() {
    let Some(root) = busybox_root() else { return };
    let ways = "cd /; cd ../../../..; pwd; ls -A .; ls -A /..; cd /tmp/../..; pwd; ls -d /usr /etc; true";

    let seen = stdout(&busybox_sh(ways).rootfs(root.path()));

    assert_eq!(seen, "/\nbin\ndev\nproc\ntmp\nbin\ndev\nproc\ntmp\n/");
}

#[test]
fn a_directory_is_read_only() {
    let Some(root) = busybox_root() else { return };
    make_open_dir(&root.path().join("open"));
    set_mode(root.path(), 0o777);

    for act in ["touch /new", "touch /open/new", "mkdir /new", "rm /bin/busybox", "touch /dev/new"] {
        let output = output(&busybox_sh(&format!("exec 2>&1; {act}")).rootfs(root.path()));
        assert!(!output.status.success(), "{act}");
        assert!(text(&output.stdout).contains("Read-only file system"), "{act}: {}", text(&output.stdout));
    }
    assert_eq!(tree(root.path()), [".", "./bin", "./bin/busybox", "./open"]);
}

#[test]
fn a_writable_directory_keeps_what_is_written() {
    let Some(root) = busybox_root() else { return };
    set_mode(root.path(), 0o777);

    stdout(&busybox_sh("echo kept > /note; echo gone > /tmp/note").rootfs_writable(root.path()));

    assert_eq!(fs::read_to_string(root.path().join("note")).unwrap(), "kept\n");
    assert_eq!(tree(root.path()), [".", "./bin", "./bin/busybox", "./dev", "./note", "./proc", "./tmp"]);
    assert_eq!(stdout(&busybox_sh("cat /note").rootfs(root.path())), "kept");
}

#[test]
fn a_writable_directory_that_the_workload_cannot_write_lacks_mount_points() {
    if !needs_root("an ordinary user has all powers over directories of its own") {
        return;
    }
    let Some(root) = busybox_root() else { return };

    let error = busybox_sh("true").rootfs_writable(root.path()).spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("proc", ErrorKind::PermissionDenied), "{error}");
    assert!(error.remedy().is_some(), "{error}");
}

#[test]
fn a_directory_serves_many_containers_at_once() {
    let Some(root) = busybox_root() else { return };
    let container = busybox_sh("echo $$ > /tmp/id && cat /tmp/id").rootfs(root.path());

    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| stdout(&container))).collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), "2");
        }
    });
}

#[test]
fn a_missing_directory_is_an_error() {
    let error = sh("true").rootfs("/no/such/directory").spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("rootfs", ErrorKind::NotFound));
    assert!(error.to_string().contains("/no/such/directory"), "{error}");
}

#[test]
fn a_file_is_no_root_file_system() {
    let directory = temp_dir();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();

    let error = sh("true").rootfs(&file).spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("rootfs", ErrorKind::InvalidInput));
}

#[test]
fn a_program_that_the_root_lacks_is_an_error() {
    let root = temp_dir();

    let error = sh("true").rootfs(root.path()).spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("exec", ErrorKind::NotFound));
    assert!(error.to_string().contains("/bin/sh"), "{error}");
    assert_eq!(tree(root.path()), ["."]);
}

#[test]
fn the_minimum_has_neither_proc_nor_dev_nor_tmp() {
    let Some(root) = busybox_root() else { return };
    let container = busybox_sh("ls -A /").proc(cofferdam::Proc::None).dev(false).tmp_size(0);

    assert_eq!(stdout(&container.rootfs(root.path())), "bin");
}

#[test]
fn a_relative_directory_is_looked_up_on_the_host() {
    let error = Container::new().command("/x").rootfs("no-such-directory").spawn().unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NotFound);
}
