# expect: RE
# A good first guess, and then the submission fails first: the interactor sees only the end.
n = int(input())
print((n + 1) // 2, flush=True)
if input() != "correct":
    raise SystemExit("no idea")
raise SystemExit(1)
