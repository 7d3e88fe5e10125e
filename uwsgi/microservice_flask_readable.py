"""Lets the launcher look into this process. Written by microservice-flask: changes are lost.

`status --stacks` and `profile` read the memory of workers, in a child of the launcher that has the workers' user and no
other right (src/stacks). Where the kernel has Yama (kernel.yama.ptrace_scope 1, as on Ubuntu), only ancestors of a process
may read its memory, and whom it names: that process and its descendants (prctl(2), PR_SET_PTRACER).
"""

import ctypes
import os

_PR_SET_PTRACER = 0x59616D61
_launcher = int(os.environ.pop("MICROSERVICE_LAUNCHER_PID", "0"))


def in_worker():
    """Must be called in each process that serves: it counts for this process alone."""
    if _launcher:
        # Without Yama the kernel does not know this call, and forbids nothing.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_launcher), 0, 0, 0)
