"""The end of a process of uWSGI. Written by microservice-flask: changes are lost.

When uWSGI ends a process, it calls uwsgi.atexit and then ends Python, which writes to every object: memory that the
processes have shared until then becomes their own. The option skip-atexit-teardown leaves that out, and the exit
handlers with it. So they run here, with all that Python would have waited for: threads, executors, atexit.

A process that leaves while the service goes on (recycled, or after a timeout) holds a slot: it has
worker_exit_timeout. When the whole uWSGI ends, the launcher watches over the time.
"""

import atexit
import os
import signal
import sys
import threading
import weakref
from _thread import allocate_lock, get_ident, start_new_thread  # gevent replaces those of `threading` and `time`.
from time import monotonic, sleep

import microservice_flask_records as records
import microservice_flask_signals as signals
import microservice_flask_streams as streams
import uwsgi
from microservice_flask_websocket import LEAVING_FILE

# The launcher reads this name in /proc (src/programs/uwsgi/worker.rs).
_NAME = "uwsgi-ending"
# Seconds from the limit until the kernel ends a process that runs no Python code.
_HARD_END = 0.5
# They cannot do anything in the first thread any more: exit(3) has freed what greenlet keeps for it in C++, and to ask for
# it is a crash. So exit handlers run in another thread.
_GREEN = {"gevent", "eventlet"}

_timeout = 5.0
_theirs = None
# What weakref.finalize is to do at exit for objects that were made at import, such as to remove a temporary folder.
_finalizers = []
_left_at = 0.0


def install(timeout):
    """Called after the import. `timeout`: seconds."""
    global _timeout, _theirs
    _timeout = timeout
    _finalizers.extend(info for info in weakref.finalize._registry.values() if info.atexit)
    theirs = getattr(uwsgi, "atexit", None)
    _theirs = theirs if callable(theirs) else None
    uwsgi.atexit = leave


def leave():
    """Runs the exit handlers of the process, once."""
    global _left_at
    if _left_at:
        return
    _left_at = monotonic()
    signals.disarm_ends()
    _show()
    limit = None if os.path.exists(LEAVING_FILE) else _timeout
    if limit is not None:
        # The other processes still use what was made for all of them.
        for info in _finalizers:
            info.atexit = False
        signals.set_default(signal.SIGALRM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    # Otherwise the launcher watches over the time; the deadline of a request may have set one that is shorter.
    signal.setitimer(signal.ITIMER_REAL, 0 if limit is None else limit + _HARD_END)
    if _GREEN.isdisjoint(sys.modules):
        _end(limit)
        return
    done = allocate_lock()
    done.acquire()
    if _start(_end, limit, done):
        done.acquire()


def _end(limit, done=None):
    """What Python does at its end, as far as the application has a part in it."""
    _start(_watch, limit, get_ident())
    handler = signals.term_handler()
    if handler:
        _call(handler, signal.SIGTERM, sys._getframe())
    if _theirs:
        _call(_theirs)
    # Waits for threads that are no daemons, and for the jobs of executors. Those of gevent cannot run here any more.
    if not threading._shutdown.__module__.startswith("gevent"):
        _call(threading._shutdown)
    _call(atexit._run_exitfuncs)
    streams.flush()
    if done:
        done.release()


def _start(function, *args):
    try:
        start_new_thread(function, args)
    except RuntimeError:
        # The system allows no more threads. What ends the process in time is not in need of one.
        return False
    return True


def _call(function, *args):
    try:
        function(*args)
    except SystemExit:
        # The process is about to end anyway.
        pass
    except BaseException:
        sys.excepthook(*sys.exc_info())


def _show():
    """Names the process after what it does, for the launcher and for ps(1)."""
    try:
        with open("/proc/self/task/%d/comm" % os.getpid(), "w") as name:
            name.write(_NAME)
    except OSError:
        # /proc is read-only: at a stop the launcher takes the process for one that has missed its signal.
        pass


def _watch(limit, leaving):
    sleep(_timeout)
    hint = "make such a thread a daemon, give what exit handlers do a time limit, or raise worker_exit_timeout"
    fields = dict(worker=uwsgi.worker_id(), pid=os.getpid(), hint=hint)
    held, stack = _held_by(leaving)
    if stack:
        fields["stack"] = stack
    if limit is None:
        records.record("warning", "This process was asked to end %g s ago, and %s." % (_timeout, held), **fields)
        return
    message = "This process has been leaving for %g s (worker_exit_timeout) and is ended, although %s."
    records.record("warning", message % (_timeout, held), **fields)
    streams.flush()
    os._exit(0)


def _held_by(leaving):
    """What the process waits for, and the stack of that."""
    frames = sys._current_frames()
    for thread in threading.enumerate():
        own = thread.ident == leaving or thread is threading.main_thread()
        if not thread.daemon and not own and thread.is_alive():
            return "the thread %s still runs" % thread.name, records.stack(frames.get(thread.ident))
    return "its exit handlers still run", records.stack(frames.get(leaving))
