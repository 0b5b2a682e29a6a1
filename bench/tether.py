"""`python bench/tether.py PARENT COMMAND...`: the command, ended by the kernel when its parent is gone (Linux).

So a run that is killed leaves no server behind. The wish outlives exec (prctl(2)).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == int(sys.argv[1]):
        os.execvp(sys.argv[2], sys.argv[2:])
