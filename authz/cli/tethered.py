"""`python -m authz.cli.tethered <arguments of scopegate>`: the same command, ended when its parent is gone.

So even `kill -9` of the demo leaves nothing running (Linux; Envoy does the same by itself).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2). The signal comes when the thread that started this process ends: the demo starts it from its main one."""


def tether(parent: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before the kernel knew of our wish
        sys.exit(0)


if __name__ == "__main__":
    tether(int(os.environ["SCOPEGATE_DEMO_PARENT"]))
    from authz.cli.main import main

    main()
