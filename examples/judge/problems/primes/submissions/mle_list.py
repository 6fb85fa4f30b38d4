# expect: MLE; best effort: RE
# A list of numbers that are objects of their own.
n = int(input())
numbers = [i + 0.5 for i in range(n + 1)]
prime = [True] * (n + 1)
for i in range(2, int(n**0.5) + 1):
    if prime[i]:
        for j in range(i * i, n + 1, i):
            prime[j] = False
print(sum(1 for i in range(2, n + 1) if prime[i] and numbers[i] > 0))
