# expect: OLE
# Standard error counts too.
import sys

while True:
    print("and on and on", file=sys.stderr)
