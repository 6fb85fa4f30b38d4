# expect: RE
# Children that stay until there can be no more; the exception of the last one ends it.
import os, signal

while True:
    if os.fork() == 0:
        signal.pause()
