import asyncio, concurrent.futures, ctypes, ctypes.util, hashlib, mmap, multiprocessing, os, pathlib, random
import resource, select, selectors, shutil, signal, socket, socketserver, sqlite3, ssl, subprocess, sys
import tempfile, threading, time, zipfile, zlib
from multiprocessing import shared_memory


def square(number):
    return number * number


def threads():
    lock, total = threading.Lock(), []

    def add(number):
        with lock:
            total.append(number)

    all = [threading.Thread(target=add, args=(number,)) for number in range(50)]
    [each.start() for each in all]
    [each.join() for each in all]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return sum(total) + sum(pool.map(square, range(5)))


def processes():
    found = []
    for method in ["fork", "spawn", "forkserver"]:
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            found.append(sum(pool.map(square, range(5))))
    queue = multiprocessing.Queue()
    child = multiprocessing.Process(target=queue.put, args=("queued",))
    child.start()
    found.append(queue.get(timeout=60))
    child.join()
    memory = shared_memory.SharedMemory(create=True, size=16)
    memory.buf[0] = 7
    again = shared_memory.SharedMemory(name=memory.name)
    found.append(again.buf[0])
    again.close(), memory.close(), memory.unlink()
    return found


async def asynchronous():
    child = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    said, _ = await child.communicate(b"through cat")

    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(answer, "localhost", 0, family=socket.AF_INET)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"asked\n")
    heard = await asyncio.wait_for(reader.readline(), 60)
    writer.close()
    later = await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.01)
    return [said.decode(), heard.decode().strip(), later]


# A connection without certificates.
def encrypted():
    def context(side):
        made = ssl.SSLContext(side)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("AECDH-AES256-SHA@SECLEVEL=0")
        return made

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            with context(ssl.PROTOCOL_TLS_SERVER).wrap_socket(self.request, server_side=True) as inner:
                inner.sendall(inner.recv(6)[::-1])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.create_connection(server.server_address) as outer:
            with context(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(outer) as inner:
                inner.sendall(b"secret")
                heard = inner.recv(6).decode()
        server.shutdown()
    ssl.create_default_context()
    return heard


def database(directory):
    with sqlite3.connect(directory / "base") as base:
        base.execute("pragma journal_mode = wal")
        base.execute("create table numbers (n integer)")
        base.executemany("insert into numbers values (?)", [(number,) for number in range(100)])
    return base.execute("select sum(n) from numbers").fetchone()[0]


def module(directory):
    with zipfile.ZipFile(directory / "packed.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("packed_module.py", "value = 'imported'")
    sys.path.insert(0, str(directory / "packed.zip"))
    import packed_module
    return packed_module.value


def system(directory):
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6")
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    library.qsort((ctypes.c_int * 2)(2, 1), 2, 4, callback(lambda one, two: 0))
    (directory / "file").write_bytes(random.randbytes(1000))
    shutil.copy2(directory / "file", directory / "copy")
    shutil.make_archive(str(directory / "archive"), "gztar", directory, "copy")
    heard = []
    signal.signal(signal.SIGALRM, lambda *_: heard.append("alarm"))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    os.posix_spawn("/bin/true", ["true"], {})
    os.wait()
    said = subprocess.run("echo shell; exit 3", shell=True, stdout=-1, text=True, preexec_fn=os.setsid)
    with open(directory / "file", "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = 0
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with selectors.DefaultSelector() as selector, open("/dev/null"):
        selector.register(os.eventfd(1), select.EPOLLIN)
        heard.append(len(selector.select()))
    return [library.abs(-3), sorted(os.listdir(directory)), heard, said.stdout.strip(), said.returncode]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        print(threads(), processes(), asyncio.run(asynchronous()), encrypted(), database(directory))
        print(module(directory), zlib.crc32(b"x"), hashlib.sha256(b"").hexdigest()[:8])
        print([each for _, each in socket.if_nameindex()], socket.getaddrinfo("localhost", 80)[0][4][0])
    with tempfile.TemporaryDirectory() as name:
        print(system(pathlib.Path(name)))
