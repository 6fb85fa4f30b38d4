# expect: WA
# The interactor fails it first: too many guesses. That it then finds no answer to read does not matter.
n = int(input())
for guess in range(1, n + 1):
    print(guess, flush=True)
    if input() == "correct":
        break
