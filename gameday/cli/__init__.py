"""The command line, and the processes it starts: here everything is put together.

Most of a short command's time is importing, and part of that is Python's garbage collector, which looks in vain through
what is imported and stays. It is told to wait longer.
"""

import gc

gc.set_threshold(20_000, 20, 20)
