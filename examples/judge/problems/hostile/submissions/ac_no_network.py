# expect: AC
# No way out: an address of the Internet, by TCP and by UDP, and a name.
import errno, socket

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as out:
        error = out.connect_ex(("192.0.2.1", 53))
        assert error == errno.ENETUNREACH, errno.errorcode.get(error)
try:
    socket.getaddrinfo("example.org", 80)
except OSError:
    pass
else:
    raise SystemExit("a name was resolved")
print(input())
