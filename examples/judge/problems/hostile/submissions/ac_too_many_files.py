# expect: AC
# Empty files take no room, but their number is limited too.
import errno

count = 0
try:
    while count < 1000:
        open(f"/tmp/{count}", "w").close()
        count += 1
except OSError as error:
    assert error.errno == errno.ENOSPC and 50 < count < 110, (error, count)
else:
    raise SystemExit("no end of files")
print(input())
