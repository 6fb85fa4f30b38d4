# expect: CE
print(1 +
