# expect: MLE; best effort: RE
memory = []
while True:
    memory.append(bytearray(1 << 20))
