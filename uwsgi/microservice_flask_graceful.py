"""The graceful end of a worker with threads. Written by microservice-flask: changes are lost.

On SIGHUP, uWSGI waits for the other threads in the signal handler of the first one (gracefully_kill in core/uwsgi.c). If
that thread holds Python's lock at this moment, or waits for it, none of the others gets it any more, and all wait until
they are killed. So SIGHUP is blocked; a thread accepts it, waits until the first one runs no Python code, and interrupts
it by another signal with the same handler.

uWSGI before 2.0.25 waits by cancelling the threads, each as soon as its request has been answered, and forgets to note
that the request has ended (uwsgi_close_request in core/utils.c). A process that counts as busy leaves out uwsgi.atexit. So
the graceful end has an exit handler of its own.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from _thread import get_ident  # gevent replaces that of `threading`.
from signal import pthread_sigmask

import microservice_flask_leaving as leaving
import microservice_flask_signals as signals
from microservice_flask_records import is_own_frame

# The interval between two looks at the first thread, in seconds.
_POLL = 0.001

_libc = ctypes.CDLL(None)
# Whether the first thread was interrupted, to end the process.
_interrupted = False
# The exit handler: the C library has only its address.
_handler = None


def in_worker():
    """Must be called in the first thread of each worker, before uWSGI starts the others."""
    pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    at_rest = _at_rest(sys._getframe())
    args = (get_ident(), at_rest)
    threading.Thread(target=_relay, args=args, name="microservice-flask graceful end", daemon=True).start()
    _before_exit(at_rest)


def _before_exit(at_rest):
    """Registers an exit handler, which comes before those of uWSGI because it is younger (atexit(3))."""
    global _handler
    process = os.getpid()

    @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    def handler(_):
        # A fast stop may have interrupted Python code.
        if _interrupted and os.getpid() == process and sys._getframe().f_back is at_rest:
            leaving.leave()

    _handler = handler
    _libc.__cxa_atexit(handler, None, None)


def _at_rest(frame):
    """The frame of a thread that serves no request, from one in which it prepares to: none in the uwsgi program, that
    of the script in which pyuwsgi runs."""
    while frame is not None and (is_own_frame(frame) or "importlib" in frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _relay(first, at_rest):
    global _interrupted
    while True:
        signal.sigwait([signal.SIGHUP])
        signals.set_action(signals.RELAY, signals.action(int(signal.SIGHUP)))
        while sys._current_frames().get(first) is not at_rest:
            time.sleep(_POLL)
        _interrupted = True
        signal.pthread_kill(first, signals.RELAY)
