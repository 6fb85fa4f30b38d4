# expect: WA
# Ends well, but too early.
input()
