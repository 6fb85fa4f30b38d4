# expect: AC
# White space between words and at the end does not count.
a, b = map(int, input().split())
print("\n ", a + b, " \n\n", end="")
