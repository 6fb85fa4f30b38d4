# expect: RE
# It has the right answer, and asks another process to write it: this problem allows computing only.
import subprocess

a, b = map(int, input().split())
subprocess.run(["/bin/echo", str(a + b)], check=True)
