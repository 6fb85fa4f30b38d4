# expect: TLE
n = int(input())
count = 0
for i in range(2, n + 1):
    divisor = 2
    while i % divisor:
        divisor += 1
    count += divisor == i
print(count)
