"""The graceful end of a worker with threads. Written by microservice-flask: changes are lost.

On SIGHUP, uWSGI waits for the other threads in the signal handler of the first one (gracefully_kill in core/uwsgi.c). If
that thread holds Python's lock at this moment, or waits for it, none of the others gets it any more, and all wait until
they are killed. So SIGHUP is blocked; a thread accepts it, waits until the first one runs no Python code, and interrupts
it by another signal with the same handler.
"""

import signal
import sys
import threading
import time
from signal import pthread_sigmask

import microservice_flask_signals as signals

# The interval between two looks at the first thread, in seconds.
_POLL = 0.001


def in_worker():
    """Must be called in the first thread of each worker, before uWSGI starts the others."""
    pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    first = threading.get_ident()
    threading.Thread(target=_relay, args=(first,), name="microservice-flask graceful end", daemon=True).start()


def _relay(first):
    while True:
        signal.sigwait([signal.SIGHUP])
        signals.set_action(signals.RELAY, signals.action(int(signal.SIGHUP)))
        while sys._current_frames().get(first) is not None:
            time.sleep(_POLL)
        signal.pthread_kill(first, signals.RELAY)
