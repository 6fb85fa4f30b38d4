# expect: AC
# What it reads is not the file of the judge: opened once more, for writing, it cannot be changed.
import os

try:
    again = os.open("/proc/self/fd/0", os.O_RDWR)
    os.write(again, b"changed\n")
except OSError:
    pass
else:
    raise SystemExit("the input was changed")
print(input())
