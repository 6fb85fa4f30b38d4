# expect: RE
# A right answer does not help a program that says itself that it failed.
import sys

a, b = map(int, input().split())
print(a + b)
sys.exit(3)
