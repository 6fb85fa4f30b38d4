# expect: WA
input()
