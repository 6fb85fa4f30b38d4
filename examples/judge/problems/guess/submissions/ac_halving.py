# expect: AC
low, high = 1, int(input())
word = ""
while word != "correct":
    middle = (low + high) // 2
    print(middle, flush=True)
    word = input()
    if word == "higher":
        low = middle + 1
    else:
        high = middle - 1
