//! Root file systems whose content is hostile: no link in them leads a mount, a file or a program of the
//! container to the host.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use cofferdam::{Container, ErrorKind, Overlay, Tmpfs};
use common::{busybox_root, busybox_sh, make_open_dir, set_mode, stdout, temp_dir, tree};
use tempfile::TempDir;

/// A root file system that everybody may write, and beside it on the host a directory that everybody may
/// write and nothing may reach.
struct Hostile {
    root: TempDir,
    host: TempDir,
}

impl Hostile {
    fn new() -> Option<Self> {
        let hostile = Hostile { root: busybox_root()?, host: temp_dir() };
        set_mode(hostile.root.path(), 0o777);
        make_open_dir(&hostile.outside());
        fs::write(hostile.outside().join("file"), "of the host\n").unwrap();
        set_mode(&hostile.outside().join("file"), 0o666);
        Some(hostile)
    }

    /// What links lead to.
    fn outside(&self) -> PathBuf {
        self.host.path().join("outside")
    }

    /// The ways to it: absolute, up and down again, and through links of /proc.
    fn ways(&self) -> Vec<PathBuf> {
        let outside = self.outside();
        let relative = outside.strip_prefix("/").unwrap();
        ["/", "../../../../../../../..", "/..", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../.."]
            .iter()
            .map(|start| Path::new(start).join(relative))
            .collect()
    }

    /// Links a name in the root file system to each of them in turn.
    fn for_each_way(&self, name: &str, mut act: impl FnMut()) {
        let link = self.root.path().join(name);
        for way in self.ways() {
            symlink(&way, &link).unwrap();
            act();
            self.assert_untouched(&way);
            fs::remove_file(&link).unwrap();
        }
    }

    #[track_caller]
    fn assert_untouched(&self, way: &Path) {
        assert_eq!(tree(&self.outside()), [".", "./file"], "through {}", way.display());
        assert_eq!(fs::read_to_string(self.outside().join("file")).unwrap(), "of the host\n");
    }

    /// Runs, or fails to: what matters is what is left on the host.
    fn run(&self, container: Container) {
        let _ = container.rootfs_writable(self.root.path()).output();
    }
}

#[test]
fn the_links_lead_to_the_host_for_who_follows_them_there() {
    let Some(hostile) = Hostile::new() else { return };
    let link = hostile.root.path().join("link");

    for way in hostile.ways().iter().take(4) {
        symlink(way, &link).unwrap();
        assert_eq!(fs::read_to_string(link.join("file")).unwrap(), "of the host\n", "{}", way.display());
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn a_workload_that_follows_them_stays_inside() {
    let Some(hostile) = Hostile::new() else { return };
    let link = hostile.root.path().join("link");

    for way in hostile.ways() {
        symlink(&way, &link).unwrap();
        let script =
            busybox_sh("ls /link || echo nothing; cat /link/file || echo > /link/file || echo nothing");
        assert_eq!(stdout(&script.rootfs(hostile.root.path())), "nothing\nnothing", "{}", way.display());
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn files_directories_and_links_are_made_inside() {
    let Some(hostile) = Hostile::new() else { return };

    hostile.for_each_way("data", || {
        hostile.run(busybox_sh("true").file("/data/planted", "planted"));
        hostile.run(busybox_sh("true").file("/data/file", "planted"));
        hostile.run(busybox_sh("true").directory("/data/planted"));
        hostile.run(busybox_sh("true").directory("/data/planted/below"));
        hostile.run(busybox_sh("true").symlink("target", "/data/planted"));
    });
}

#[test]
fn mount_points_are_made_inside() {
    let Some(hostile) = Hostile::new() else { return };
    let source = hostile.host.path();

    hostile.for_each_way("data", || {
        hostile.run(busybox_sh("true").tmpfs(Tmpfs::new("/data/planted")));
        hostile.run(busybox_sh("true").bind_read_only(source, "/data/planted"));
        hostile.run(busybox_sh("true").bind_read_only("/dev/null", "/data/planted"));
        hostile.run(busybox_sh("true").overlay(Overlay::new("/data/planted").lower(source)));
        hostile.run(busybox_sh("true").overlay(Overlay::new("/data/a/b").lower(source)));
    });
}

#[test]
fn what_is_mounted_on_a_link_lies_inside() {
    let Some(hostile) = Hostile::new() else { return };

    hostile.for_each_way("data", || {
        hostile.run(busybox_sh("echo planted > /data/planted").tmpfs(Tmpfs::new("/data")));
        hostile.run(busybox_sh("echo planted > /data").file("/data", "planted"));
        hostile.run(busybox_sh("true").directory("/data"));
    });
}

#[test]
fn the_defaults_lie_inside() {
    let Some(hostile) = Hostile::new() else { return };

    for name in ["proc", "dev", "tmp"] {
        hostile.for_each_way(name, || {
            hostile.run(busybox_sh(&format!("echo planted > /{name}/planted; echo planted > /{name}/file")));
        });
    }
}

#[test]
fn a_link_at_the_place_of_a_file_is_not_written_through() {
    let Some(hostile) = Hostile::new() else { return };
    let link = hostile.root.path().join("config");

    for way in hostile.ways() {
        symlink(way.join("file"), &link).unwrap();
        hostile.run(busybox_sh("true").file("/config", "planted"));
        hostile.assert_untouched(&way);
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn a_link_that_a_workload_has_planted_does_not_lead_out_in_the_next_run() {
    let Some(hostile) = Hostile::new() else { return };
    let plant = format!("ln -s {0} /data && ln -s {0}/file /config", hostile.outside().display());
    let plant =
        Container::new().command("/bin/busybox").args(["sh", "-c", &plant.replace("ln ", "busybox ln ")]);
    stdout(&plant.env("PATH", "/bin").rootfs_writable(hostile.root.path()));
    assert_eq!(fs::read_link(hostile.root.path().join("data")).unwrap(), hostile.outside());

    hostile.run(busybox_sh("echo planted > /data/file").file("/config", "planted").directory("/data/new"));
    hostile.run(busybox_sh("echo planted > /data/file").tmpfs(Tmpfs::new("/data/tmp")));

    hostile.assert_untouched(&hostile.outside());
}

#[test]
fn an_absolute_link_means_the_same_place_inside() {
    let Some(root) = busybox_root() else { return };
    fs::create_dir(root.path().join("etc")).unwrap();
    symlink("/etc", root.path().join("tmp")).unwrap();
    let before = tree(root.path());
    let marker = format!("cofferdam-{}", std::process::id());

    let seen = stdout(&busybox_sh(&format!("echo > /tmp/{marker}; ls /etc")).rootfs(root.path()));

    assert_eq!(seen, marker);
    assert!(!Path::new("/etc").join(&marker).exists());
    assert_eq!(tree(root.path()), before);
}

/// What is mounted over the root is out of the way of later steps (the masks of /proc among them), and in
/// the way of a workload that enters `/..`.
#[test]
fn nothing_is_mounted_over_the_root() {
    for (name, target) in [("proc", "/"), ("proc", "../.."), ("dev", "/"), ("tmp", "."), ("data", "/")] {
        let Some(root) = busybox_root() else { return };
        symlink(target, root.path().join(name)).unwrap();
        let container = busybox_sh("ls /..").rootfs(root.path()).tmpfs(Tmpfs::new("/data"));

        let error = container.output().map(|output| common::text(&output.stdout)).unwrap_err();

        assert_ne!(error.step(), "exec", "{name} -> {target}: {error}");
        assert_eq!(fs::read_link(root.path().join(name)).unwrap(), Path::new(target));
    }
}

#[test]
fn links_in_circles_are_an_error() {
    let Some(root) = busybox_root() else { return };
    symlink("b", root.path().join("a")).unwrap();
    symlink("a", root.path().join("b")).unwrap();

    set_mode(root.path(), 0o777);

    let container = busybox_sh("true").rootfs_writable(root.path());

    let error = container.clone().tmpfs(Tmpfs::new("/a/x")).spawn().unwrap_err();
    assert_eq!((error.step(), error.raw_os_error()), ("tmpfs", Some(libc::ELOOP)), "{error}");
    stdout(&container.tmpfs(Tmpfs::new("/c/x")));
}

#[test]
fn links_of_a_layer_do_not_lead_out() {
    let Some(hostile) = Hostile::new() else { return };

    hostile.for_each_way("tmp", || {
        let overlay = Overlay::new("/").lower(hostile.root.path());
        let _ = busybox_sh("echo planted > /tmp/file; echo planted > /tmp/planted")
            .rootfs_overlay(overlay)
            .output();
    });
}

#[test]
fn a_program_is_looked_up_inside() {
    let Some(root) = busybox_root() else { return };
    symlink("/usr/bin/true", root.path().join("program")).unwrap();

    let error = Container::new().command("/program").rootfs(root.path()).spawn().unwrap_err();

    assert!(Path::new("/usr/bin/true").exists());
    assert_eq!((error.step(), error.kind()), ("exec", ErrorKind::NotFound));
}

#[test]
fn a_working_directory_is_looked_up_inside() {
    let Some(hostile) = Hostile::new() else { return };
    symlink(hostile.outside(), hostile.root.path().join("work")).unwrap();

    let error = busybox_sh("true").rootfs(hostile.root.path()).current_dir("/work").spawn().unwrap_err();

    assert_eq!((error.step(), error.kind()), ("working-directory", ErrorKind::NotFound));
}

#[test]
fn a_source_may_be_a_link_of_the_host() {
    let directory = temp_dir();
    fs::write(directory.path().join("file"), "through a link\n").unwrap();
    symlink("file", directory.path().join("link")).unwrap();

    let container = common::sh("cat /data").bind_read_only(directory.path().join("link"), "/data");

    assert_eq!(stdout(&container), "through a link");
}
