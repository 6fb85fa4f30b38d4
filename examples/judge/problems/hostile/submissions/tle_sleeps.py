# expect: TLE
# Uses no CPU time: the wall clock ends it.
import time

time.sleep(1000)
