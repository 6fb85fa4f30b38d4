# expect: AC
# Nothing but /tmp and the like can be written, and nothing of the host that matters can be read.
import os

for place in ("/", "/box", "/usr", "/usr/bin", "/etc", "/bin", "/proc", "/proc/sys/kernel"):
    try:
        open(os.path.join(place, "mark"), "w")
    except OSError:
        continue
    raise SystemExit(f"wrote to {place}")
for path in ("/box/main.py", "/etc/passwd", "/usr/bin/env"):
    try:
        open(path, "r+")
    except OSError:
        continue
    raise SystemExit(f"may write {path}")
for path in ("/etc/shadow", "/root", "/home", "/var/lib", "/sys"):
    assert not os.path.exists(path), path
print(input())
