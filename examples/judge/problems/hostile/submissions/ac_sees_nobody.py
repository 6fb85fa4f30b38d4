# expect: AC
# There is init, which it cannot touch, and itself.
import os, signal

processes = {int(name) for name in os.listdir("/proc") if name.isdigit()}
assert processes == {1, os.getpid()}, processes
for forbidden in (lambda: os.kill(1, signal.SIGKILL), lambda: os.listdir("/proc/1/fd"), lambda: os.setuid(0)):
    try:
        forbidden()
    except OSError:
        continue
    assert os.path.exists("/proc/1"), "init is gone"
print(input())
