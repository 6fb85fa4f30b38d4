//! Real programs run inside as they do outside: compilers, interpreters, a static busybox, a pipeline of a
//! gigabyte.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use cofferdam::{Container, Stdio, Tmpfs};
use common::{
    copy_program, make_open_dir, needs_program, output, set_mode, sh, skip, stdout, temp_dir, text,
};

const CPP: &str = r#"
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>
int main() {
    std::vector<int> numbers(100);
    std::iota(numbers.begin(), numbers.end(), 1);
    int sum = 0;
    std::thread adder([&] { sum = std::accumulate(numbers.begin(), numbers.end(), 0); });
    adder.join();
    try { throw std::runtime_error("caught"); }
    catch (const std::exception &error) { std::cout << error.what() << ' ' << sum << std::endl; }
}
"#;

#[test]
fn a_cpp_program_is_compiled_and_run_in_one_container() {
    if !needs_program("/usr/bin/g++") {
        return;
    }
    let container = sh("cd /tmp && g++ -std=c++17 -O1 -pthread program.cc -o program && ./program");

    assert_eq!(stdout(&container.file("/tmp/program.cc", CPP)), "caught 5050");
}

#[test]
fn what_one_container_compiles_another_runs() {
    if !needs_program("/usr/bin/gcc") {
        return;
    }
    let directory = temp_dir();
    let shared = directory.path().join("shared");
    make_open_dir(&shared);
    let source = "#include <stdio.h>\n#include <math.h>\nint main(int n, char **v) { return printf(\"%.3f\\n\", sqrt(n)) < 0; }\n";
    let compile = sh("cd /box && gcc -Wall -Werror /tmp/main.c -o main -lm && chmod 755 main");
    let run = Container::new().command("/box/main").arg("x");

    stdout(&compile.file("/tmp/main.c", source).bind_writable(&shared, "/box"));

    assert_eq!(stdout(&run.bind_read_only(&shared, "/box")), "1.414");
    let broken = sh("gcc /tmp/main.c -o /tmp/main").file("/tmp/main.c", "int main( {");
    let broken = output(&broken);
    assert!(!broken.status.success() && text(&broken.stderr).contains("error"));
}

#[test]
fn python_runs_threads_subprocesses_and_locks() {
    if !needs_program("/usr/bin/python3") {
        return;
    }
    let script = "
import hashlib, json, multiprocessing, os, socket, sqlite3, subprocess, tempfile, threading
total = []
threads = [threading.Thread(target=lambda n=n: total.append(n)) for n in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
said = subprocess.run(['/bin/sh', '-c', 'echo child; exit 3'], capture_output=True)
with multiprocessing.Pool(2) as pool: squares = pool.map(abs, [-1, -2])
base = sqlite3.connect(os.path.join(tempfile.mkdtemp(), 'base')); base.execute('create table t (n)')
server = socket.create_server(('127.0.0.1', 0)); client = socket.create_connection(server.getsockname())
client.sendall(b'loop'); heard = server.accept()[0].recv(4).decode()
print(json.dumps([sum(total), said.stdout.decode(), said.returncode, squares, heard]))
";

    let inside = stdout(&Container::new().command("/usr/bin/python3").args(["-c", script]));

    assert_eq!(inside, r#"[28, "child\n", 3, [1, 2], "loop"]"#);
}

#[test]
fn an_exception_of_python_ends_with_its_own_exit_code() {
    if !needs_program("/usr/bin/python3") {
        return;
    }
    let output =
        output(&Container::new().command("/usr/bin/python3").args(["-c", "raise ValueError('why')"]));

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("ValueError: why"));
}

#[test]
fn git_makes_a_repository_and_a_commit() {
    if !needs_program("/usr/bin/git") {
        return;
    }
    let script = "set -e; cd /tmp; git init -q -b main repository; cd repository; echo text > file
        git add file; git -c user.name=A -c user.email=a@example.org commit -q -m first
        git clone -q . /tmp/clone; git -C /tmp/clone log --format=%s; git -C /tmp/clone status --porcelain";

    assert_eq!(stdout(&sh(script)), "first");
}

#[test]
fn perl_runs_with_its_modules() {
    if !needs_program("/usr/bin/perl") {
        return;
    }
    let script = "use POSIX qw(floor); use List::Util qw(sum); my $p = open(my $f, '-|', 'echo', 'piped');
        print floor(2.7) + sum(1..4), ' ', <$f>";

    assert_eq!(stdout(&Container::new().command("/usr/bin/perl").args(["-e", script])), "12 piped");
}

#[test]
fn java_starts() {
    if !needs_program("/usr/bin/java") {
        return;
    }
    let output = output(&Container::new().command("/usr/bin/java").args(["-Xshare:auto", "-version"]));

    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("version"), "{}", text(&output.stderr));
}

#[test]
fn java_compiles_and_runs_a_class() {
    if !needs_program("/usr/bin/javac") {
        return;
    }
    let source = "public class Hello {
        public static void main(String[] a) throws Exception {
            Thread t = new Thread(() -> System.out.println(\"hello \" + (6 * 7))); t.start(); t.join();
        }
    }";
    let container = sh("cd /tmp && javac Hello.java && java Hello").file("/tmp/Hello.java", source);

    assert_eq!(stdout(&container), "hello 42");
}

#[test]
fn node_runs_timers_and_child_processes() {
    if !needs_program("/usr/bin/node") {
        return;
    }
    let script = "const { execFileSync } = require('child_process'); const fs = require('fs');
        fs.writeFileSync('/tmp/file', 'written'); setTimeout(() => console.log('later'), 1);
        console.log(execFileSync('/bin/echo', ['child']).toString().trim(), fs.readFileSync('/tmp/file', 'utf8'))";

    assert_eq!(
        stdout(&Container::new().command("/usr/bin/node").args(["-e", script])),
        "child written\nlater"
    );
}

#[test]
fn a_static_busybox_is_all_that_a_root_file_system_needs() {
    let statically_linked = |path: &str| !on_path_needs_interpreter(path);
    if !needs_program("/bin/busybox") {
        return;
    }
    if !statically_linked("/bin/busybox") {
        return skip("/bin/busybox is not static");
    }
    let root = temp_dir();
    fs::create_dir(root.path().join("bin")).expect("a directory");
    set_mode(&root.path().join("bin"), 0o755);
    copy_program("/bin/busybox", &root.path().join("bin/busybox"));
    set_mode(&root.path().join("bin/busybox"), 0o755);
    let script = "busybox ls -a / | busybox tr '\\n' ' '; busybox id -u; echo x > /bin/new || echo read-only";
    let container = || {
        let container =
            Container::new().rootfs(root.path()).command("/bin/busybox").args(["sh", "-c", script]);
        container.env("PATH", "/bin").stderr(Stdio::null())
    };

    let inside = stdout(&container());

    assert!(inside.ends_with("1000\nread-only"), "{inside}");
    for name in ["bin", "dev", "proc", "tmp"] {
        assert!(inside.split_whitespace().any(|known| known == name), "{name}: {inside}");
    }
    assert!(!inside.contains("usr"), "{inside}");
    let left: Vec<_> =
        fs::read_dir(root.path()).expect("the root").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["bin"], "the directory stays as it was");
}

/// Whether an ELF file names a dynamic linker.
fn on_path_needs_interpreter(path: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.windows(7).any(|window| window == b"/ld-lin" || window == b"ld-musl")
}

#[test]
fn a_debian_tree_is_a_root_file_system() {
    let Some(root) = std::env::var_os("COFFERDAM_DEBIAN_ROOTFS") else {
        return common::skip_for_good("COFFERDAM_DEBIAN_ROOTFS does not name a tree made by debootstrap");
    };
    let container = |script| sh(script).rootfs(&root);

    assert!(stdout(&container("cat /etc/os-release")).contains("Debian"));
    assert!(stdout(&container("dpkg --list | tail -1")).starts_with("ii"));
    assert_eq!(stdout(&container("perl -e 'print 6*7'")), "42");
    assert!(!output(&container("echo x > /etc/new")).status.success());
    assert_eq!(stdout(&container("echo y > /tmp/new; cat /tmp/new")), "y");
}

#[test]
fn a_gigabyte_goes_in_and_comes_out() {
    const SIZE: u64 = 1 << 30;
    let container = Container::new().command("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = container.spawn().expect("a container");
    let (mut input, mut answer) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let block = |number: u64| vec![number as u8; 1 << 20];

    let feeder = std::thread::spawn(move || {
        (0..SIZE >> 20).for_each(|number| input.write_all(&block(number)).expect("a reader"));
    });
    let mut buffer = vec![0; 1 << 20];
    for number in 0..SIZE >> 20 {
        answer.read_exact(&mut buffer).expect("a writer");
        assert!(buffer == block(number), "block {number} has changed");
    }
    feeder.join().expect("no panic");

    assert_eq!(answer.read(&mut buffer).expect("the end"), 0);
    let report = child.wait().expect("a report");
    assert!(report.success());
    assert!(report.memory_peak() < 64 << 20, "{report:?}");
    assert!(report.wall_time() > Duration::ZERO);
}

#[test]
fn programs_find_shared_memory_and_semaphores() {
    if !needs_program("/usr/bin/python3") {
        return;
    }
    let script = "
from multiprocessing import shared_memory, Lock
memory = shared_memory.SharedMemory(create=True, size=16); memory.buf[0] = 7
again = shared_memory.SharedMemory(name=memory.name); value = again.buf[0]
again.close(); memory.close(); memory.unlink()
with Lock(): print(value)
";

    assert_eq!(stdout(&Container::new().command("/usr/bin/python3").args(["-c", script])), "7");
}

#[test]
fn a_larger_scratch_file_system_can_be_given_to_a_program() {
    let fill = "dd if=/dev/zero of=/scratch/file bs=1M count=8 2> /dev/null && echo fits || echo full";

    assert_eq!(stdout(&sh(fill).tmpfs(Tmpfs::new("/scratch").size(16 << 20))), "fits");
    assert_eq!(stdout(&sh(fill).tmpfs(Tmpfs::new("/scratch").size(4 << 20))), "full");
}
