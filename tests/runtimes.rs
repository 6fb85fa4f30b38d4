//! Language runtimes, a database server and the calls that ordinary programs make, in containers with the
//! defaults: each does what its kind does all day, and says what came of it. The programs are in
//! `tests/runtimes`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam::{Container, Seccomp};
use common::{needs_program, output, sh, stdout, text};

/// The calls of C programs, by file.
const CALLS: [(&str, &str); 9] = [
    ("check.h", include_str!("runtimes/calls/check.h")),
    ("main.c", include_str!("runtimes/calls/main.c")),
    ("processes.c", include_str!("runtimes/calls/processes.c")),
    ("threads.c", include_str!("runtimes/calls/threads.c")),
    ("events.c", include_str!("runtimes/calls/events.c")),
    ("ipc.c", include_str!("runtimes/calls/ipc.c")),
    ("sockets.c", include_str!("runtimes/calls/sockets.c")),
    ("files.c", include_str!("runtimes/calls/files.c")),
    ("memory.c", include_str!("runtimes/calls/memory.c")),
];

/// A shell that ends at the first command that fails, and in any case: a program that misses a call may wait
/// for ever.
fn script(commands: &str) -> Container {
    sh(&format!("set -e; cd /tmp; {commands}")).wall_time_limit(Duration::from_secs(300))
}

/// Whether the host has all of these programs; if not, says that the calling test does nothing.
#[track_caller]
fn needs(programs: &[&str]) -> bool {
    programs.iter().all(|program| needs_program(program))
}

/// Compiles and runs [`CALLS`].
#[track_caller]
fn calls(compiler: &str) -> String {
    let commands =
        format!("{compiler} -O1 -Wall -pthread -I /calls /calls/*.c -o calls -lrt -lutil; ./calls");
    let container = script(&commands);
    let add = |container: Container, (name, source): &(&str, &str)| {
        container.file(Path::new("/calls").join(name), source)
    };
    stdout(&CALLS.iter().fold(container, add))
}

#[test]
fn every_call_of_a_glibc_program_succeeds() {
    if needs(&["/usr/bin/gcc"]) {
        assert_eq!(calls("gcc"), "every call succeeds");
    }
}

#[test]
fn every_call_of_a_static_musl_program_succeeds() {
    if needs(&["/usr/bin/musl-gcc"]) {
        assert_eq!(calls("musl-gcc -static"), "every call succeeds");
    }
}

#[test]
fn cpp_threads_exceptions_and_file_systems_work() {
    if !needs(&["/usr/bin/g++"]) {
        return;
    }
    let container = script("g++ -std=c++17 -O1 -Wall -pthread main.cc -o main; ./main")
        .file("/tmp/main.cc", include_str!("runtimes/main.cc"));

    assert_eq!(stdout(&container), "499500\ncaught in a thread: thrown\n3 files, 12 bytes\nslept");
}

#[test]
fn python_does_what_programs_do() {
    if !needs(&["/usr/bin/python3"]) {
        return;
    }
    let container = script("/usr/bin/python3 main.py").file("/tmp/main.py", include_str!("runtimes/main.py"));

    assert_eq!(
        stdout(&container),
        "1255 [30, 30, 30, 'queued', 7] ['through cat', 'ASKED', None] terces 4950\n\
         imported 2363233923 e3b0c442\n\
         ['lo'] 127.0.0.1\n\
         [3, ['archive.tar.gz', 'copy', 'file'], ['alarm', 1], 'shell', 3]"
    );
}

/// libuv uses io_uring where it may, if asked for it.
#[test]
fn node_does_what_programs_do_with_and_without_io_uring() {
    if !needs(&["/usr/bin/node"]) {
        return;
    }
    let container = || script("/usr/bin/node main.js").file("/tmp/main.js", include_str!("runtimes/main.js"));

    for wanted in ["0", "1"] {
        assert_eq!(
            stdout(&container().env("UV_USE_IO_URING", wanted)),
            "[ 'file', 1048576, 'copy,file,inner' ] [ 'child', 'through cat', 21 ] 10\n\
             echoed local datagram 42 127.0.0.1\n\
             745731af [ 'lo' ] user\n\
             SIGUSR2 true"
        );
    }
}

#[test]
fn java_does_what_programs_do_with_two_collectors() {
    if !needs(&["/usr/bin/java", "/usr/bin/javac"]) {
        return;
    }
    let source = include_str!("runtimes/Main.java");
    let commands = "javac Main.java; for way in G1 Parallel; do java -Xmx128m -XX:+Use${way}GC Main; done";
    let lines = |collector: &str| {
        format!("504450, through cat 3, ping, echoed, 4096 file\n{collector}, 200 true, lo")
    };

    assert_eq!(
        stdout(&script(commands).file("/tmp/Main.java", source)),
        format!("{}\n{}", lines("G1"), lines("PS"))
    );
}

#[test]
fn go_compiles_and_does_what_programs_do() {
    if !needs(&["/usr/bin/go"]) {
        return;
    }
    let container = script("/usr/bin/go build -o main main.go; ./main")
        .file("/tmp/main.go", include_str!("runtimes/main.go"))
        .tmp_size(2 << 30)
        .envs([("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local")]);

    assert_eq!(stdout(&container), "499500 heard go\nsignal: killed, child\nuser defined signal 1\n2000\nlo");
}

#[test]
fn postgresql_keeps_what_was_committed() {
    if !needs(&["/usr/lib/postgresql"]) {
        return;
    }
    let programs = postgresql().expect("a version with a server");
    let commands = "
        initdb --pgdata=base --encoding=UTF8 --locale=C.UTF-8 --auth=trust > log
        start() { pg_ctl start --wait --pgdata=base --log=log --options='-k /tmp' > /dev/null || cat log; }
        start
        psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 postgres < /base.sql
        pgbench --initialize --quiet postgres 2> /dev/null > log
        pgbench --client=4 --jobs=2 --transactions=25 postgres 2>> log | grep processed: || cat log
        pg_ctl stop --mode=fast --pgdata=base > /dev/null
        start
        psql --quiet --tuples-only --no-align --command='select sum(amount) from account' --host=127.0.0.1 postgres
        pg_ctl stop --mode=fast --pgdata=base";
    let container = script(commands)
        .file("/base.sql", include_str!("runtimes/base.sql"))
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("PGHOST", "/tmp");

    assert_eq!(
        stdout(&container),
        "one=6 two=4\n5000050000\nnumber of transactions actually processed: 100/100\n10\n\
         waiting for server to shut down.... done\nserver stopped"
    );
}

/// Where Debian puts the server's programs; of several versions the last.
fn postgresql() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.filter(|programs| programs.join("postgres").exists()).max()
}

#[test]
fn make_builds_a_project_of_several_files_in_parallel() {
    if !needs(&["/usr/bin/gcc", "/usr/bin/make"]) {
        return;
    }
    let makefile = "
main: main.o libstatic.a libshared.so
\tgcc -O2 -flto=2 main.o libstatic.a -L. -lshared -Wl,-rpath,. -o $@
%.o: %.c
\tgcc -O2 -flto -fPIC -MMD -c $< -o $@
libstatic.a: one.o
\tgcc-ar rcs $@ $<
libshared.so: two.o
\tgcc -shared $< -o $@
-include *.d
";
    let container = script("make -s -j2; ./main; touch two.c; make -j2 | grep -c two.c; make -q")
        .file("/tmp/Makefile", makefile)
        .file("/tmp/parts.h", "int one(void); int two(void);")
        .file("/tmp/one.c", "#include \"parts.h\"\nint one(void) { return 40; }")
        .file("/tmp/two.c", "#include \"parts.h\"\nint two(void) { return 2; }")
        .file(
            "/tmp/main.c",
            "#include <stdio.h>\n#include \"parts.h\"\nint main(void) { printf(\"%d\\n\", one() + two()); }",
        );

    assert_eq!(stdout(&container), "42\n1");
}

/// The search for leaks, at the end, stops the program's threads by ptrace(2), which the default policy denies:
/// without the loosening it must be switched off.
#[test]
fn sanitizers_find_errors_and_with_ptrace_leaks() {
    if !needs(&["/usr/bin/gcc"]) {
        return;
    }
    let source = "#include <stdlib.h>
int main(int count, char **arguments) {
    volatile char *bytes = malloc(8);
    bytes[arguments[1][0] == 'o' ? 8 : 7] = 1;
    if (arguments[1][0] == 'f') free((void *)bytes);
    bytes = NULL;
    return 0x7fffffff + (arguments[1][0] == 's' ? count : 0) == 0;
}";
    let run = |argument: &str| {
        let build = "gcc -g -fsanitize=address,undefined main.c -o main";
        script(&format!("{build}; ./main {argument} 2>&1 || echo failed")).file("/tmp/main.c", source)
    };
    let without_leaks = |argument| stdout(&run(argument).env("ASAN_OPTIONS", "detect_leaks=0"));
    let with_ptrace = |argument| stdout(&run(argument).seccomp(Seccomp::default().allow(["ptrace"])));

    assert_eq!(without_leaks("free"), "");
    assert!(without_leaks("overflow").contains("heap-buffer-overflow"));
    assert!(without_leaks("signed").contains("signed integer overflow"));
    assert_eq!(with_ptrace("free"), "");
    assert!(with_ptrace("leak").contains("8 byte(s) leaked in 1 allocation(s)"));
}

#[test]
fn perl_does_what_programs_do() {
    if !needs(&["/usr/bin/perl"]) {
        return;
    }
    let container = script("/usr/bin/perl main.pl").file("/tmp/main.pl", include_str!("runtimes/main.pl"));

    assert_eq!(stdout(&container), "asked\n7\nPIPED\nquoted\nother\nshared 1 user found");
}

#[test]
fn busybox_serves_its_own_pipeline_over_loopback() {
    if !needs(&["/bin/busybox"]) {
        return;
    }
    let commands =
        "busybox mkdir site; busybox sh -c 'busybox seq 1 1000 | busybox grep 7 | busybox sort -rn |
            busybox awk \"{ sum += \\$1 } END { print NR, sum }\" > site/sum'
        busybox tar -c site | busybox gzip | busybox gunzip | busybox tar -t
        busybox httpd -p 127.0.0.1:8080 -h site; busybox wget -q -O - http://127.0.0.1:8080/sum
        busybox nproc > /dev/null; busybox ps -o pid | busybox wc -l > /dev/null
        busybox timeout 0.01 busybox sleep 100 || echo $?";
    let sum: u64 = (1..=1000).filter(|number: &u64| number.to_string().contains('7')).sum();

    assert_eq!(stdout(&script(commands)), format!("site/\nsite/sum\n271 {sum}\n143"));
}

#[test]
fn a_shell_packs_finds_and_edits_files() {
    if !needs(&["/usr/bin/xz"]) {
        return;
    }
    let commands = "mkdir -p from/inner to; seq 1 5 > from/inner/numbers; ln -s inner from/link; cp -a from copy
        for way in gzip xz; do tar -c --use-compress-program=$way -f packed copy; tar -xf packed -C to; rm packed; done
        find to -type f -name 'num*' -newermt 2000-01-01 -print0 | xargs -0 -n1 -P2 sed -i -e 's/3/three/'
        awk '{ \"echo word\" | getline word; print word $1 }' to/copy/inner/numbers | tail -n 3 | head -n 1
        diff -r from to/copy | wc -l; readlink to/copy/link; stat -c %a to/copy/inner/numbers
        seq 1 100000 > all; sort -R --parallel=2 all | sort -n | cmp - all && echo sorted
        split -l 2 from/inner/numbers part; ls part*
        trap 'echo ended; trap - EXIT' EXIT; (kill -TERM $$) & wait || true; sleep 10";

    let ended = output(&script(&format!("trap 'exit 3' TERM; {commands}")));
    assert_eq!(
        text(&ended.stdout),
        "wordthree\n10\ninner\n644\nsorted\npartaa\npartab\npartac\nended",
        "{}",
        text(&ended.stderr)
    );
    assert_eq!(ended.status.code(), Some(3));
}

/// What judges run: a program that reads, computes in several threads, and writes, without any process or socket.
#[test]
fn interpreters_that_only_compute_need_no_more_than_compute_only() {
    const JAVA: &str = "import java.nio.file.*; import java.util.stream.*;
        public class Sum { public static void main(String[] arguments) throws Exception {
            int sum = IntStream.rangeClosed(1, 1000).parallel().sum();
            System.out.println(sum + Files.readString(Path.of(\"/in\")).length());
        } }";
    const PYTHON: &str = "import threading
sums = []
thread = threading.Thread(target=lambda: sums.append(sum(range(1, 1001))))
thread.start(); thread.join()
print(sums[0] + len(open('/in').read()))";
    const NODE: &str = "const { Worker } = require('worker_threads');
        const sum = 'let s = 0; for (let i = 1; i <= 1000; i++) s += i; require(\"worker_threads\").parentPort.postMessage(s)';
        new Worker(sum, { eval: true }).on('message', s => console.log(s + require('fs').readFileSync('/in').length));";
    let programs = [("/usr/bin/java", JAVA), ("/usr/bin/python3", PYTHON), ("/usr/bin/node", NODE)];
    for (interpreter, program) in programs {
        if !needs(&[interpreter]) {
            return;
        }
        let container = Container::new().command(interpreter).arg("/Sum.java").file("/Sum.java", program);
        let container = container.file("/in", "four").seccomp(Seccomp::compute_only());

        assert_eq!(stdout(&container), "500504", "{interpreter}");
    }
}
