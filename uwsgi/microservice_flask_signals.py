"""Signals that the application sets at import. Written by microservice-flask: changes are lost.

The application is imported in uWSGI's master, which lives by signals: with SIGCHLD ignored it sees no process end. So
the master gets back what it had before the import, and each process that serves gets what the application has set,
but for SIGHUP and SIGINT, by which uWSGI ends a process.

Dispositions are read and set by sigaction(2), as faulthandler and C libraries do, not by Python's own table.
"""

import ctypes
import functools
import signal
import sys
import threading
from _signal import SIG_DFL, getsignal, signal as set_handler  # The application may replace those of `signal`.
from signal import pthread_sigmask  # The application gets one that keeps ours.
from time import monotonic, sleep  # gevent replaces those of `time`.

from microservice_flask_records import record

# struct sigaction is smaller (sigaction(2)); it begins with the handler.
_SIZE = 256
_POINTER = ctypes.sizeof(ctypes.c_void_p)
# SIG_DFL and SIG_IGN (signal.h).
_DEFAULT, _IGNORED = (number.to_bytes(_POINTER, sys.byteorder) for number in (0, 1))
_NUMBERS = sorted(int(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
# uWSGI ends a process by these.
_ENDING = {int(signal.SIGHUP), int(signal.SIGINT)}
# A signal that nothing else uses, for the graceful end of a process with threads.
RELAY = int(signal.SIGRTMIN) + 5
# Whether they are blocked is not the application's business in a process that serves.
_KEPT = _ENDING | {RELAY}
# The application cannot block these in a process that serves.
_UNBLOCKED = _ENDING | {int(signal.SIGTERM), int(signal.SIGALRM)}
# uWSGI sets these in a process that serves, and does not need them there.
_TAKEN = {int(signal.SIGTERM), int(signal.SIGUSR1), int(signal.SIGUSR2)}
# uWSGI ignores these until its processes serve (uwsgi_setup in core/uwsgi.c).
_IGNORED_BY_UWSGI = {int(signal.SIGHUP), int(signal.SIGTERM)}
# The last signal that uWSGI sets in a process that serves (uwsgi_worker_run in core/uwsgi.c).
_LAST = int(signal.SIGUSR2)
# The interval between two looks, and for how long uWSGI's handlers are waited for, in seconds.
_POLL, _WAIT = 0.002, 60
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

_libc = ctypes.CDLL(None)
# uWSGI's own, from before the import.
_actions_before, _mask_before = {}, set()
# What the import began with: raw actions and Python's handlers.
_before = {}
# Whether this process serves: the application may then not take SIGHUP and SIGINT from uWSGI.
_serving = False
# What the application has set at import: raw actions, Python's handlers, and signals that it has blocked.
_set_at_import, _handlers, _blocked = {}, {}, set()


def action(number):
    """The struct sigaction of a signal, as bytes."""
    buffer = ctypes.create_string_buffer(_SIZE)
    _libc.sigaction(number, None, buffer)
    return buffer.raw


def set_action(number, raw):
    _libc.sigaction(number, ctypes.create_string_buffer(raw, _SIZE), None)


def set_default(number):
    """SIG_DFL from any thread: signal.signal works in the main one only."""
    set_action(number, bytes(_SIZE))


def disarm(number):
    """Lets a signal do nothing. SIG_IGN would be inherited by programs (execve(2)); abs(3) takes a number and returns."""
    handler = ctypes.cast(_libc.abs, ctypes.c_void_p).value
    set_action(number, handler.to_bytes(_POINTER, sys.byteorder).ljust(_SIZE, b"\0"))


def disarm_ends():
    """For a process that is about to end: a second signal would end its exit handlers in the middle, in whichever thread
    it arrives."""
    for number in _ENDING | {int(signal.SIGTERM)}:
        disarm(number)


def _handler(raw):
    return raw[:_POINTER]


def before_import(in_master):
    _actions_before.update((number, action(number)) for number in _NUMBERS)
    # uWSGI ignores them, and programs would inherit that (execve(2)).
    for number in _IGNORED_BY_UWSGI:
        set_handler(number, SIG_DFL)
    if not in_master:
        # A process that replaces another one still has a handler of uWSGI's main process.
        set_default(signal.SIGINT)
    _before.update((number, (action(number), getsignal(number))) for number in _NUMBERS)
    signal.signal, signal.pthread_sigmask = _keeping_ours(signal.signal), _leaving_ours(signal.pthread_sigmask)
    _mask_before.update(pthread_sigmask(signal.SIG_BLOCK, []))


def after_import(in_master):
    """Remembers what the application has set, and undoes it in uWSGI's master."""
    for number, (before, handler_before) in _before.items():
        # Only the handler is compared: the kernel fills in a part of the mask, and the rest is left to chance.
        now, handler = action(number), getsignal(number)
        if _handler(now) != _handler(before) or handler is not handler_before:
            _set_at_import[number], _handlers[number] = now, handler
    _blocked.update(pthread_sigmask(signal.SIG_BLOCK, []) - _mask_before)
    if in_master:
        for number in _IGNORED_BY_UWSGI.union(_set_at_import):
            set_action(number, _actions_before[number])
        pthread_sigmask(signal.SIG_SETMASK, _mask_before)
    _warn(_end_timers() if in_master else [])


def _end_timers():
    """A timer would signal the master, and no process that is forked inherits it (fork(2))."""
    running = [which for which in _TIMERS if signal.getitimer(which)[0]]
    for which in running:
        signal.setitimer(which, 0)
    return running


def _warn(timers):
    # A handler of a C library (gevent has one) is none of the application's doing.
    own = [number for number, handler in _handlers.items() if callable(handler) or handler == signal.SIG_IGN]
    if signal.SIGCHLD in own:
        record(
            "warning",
            "The application has changed what SIGCHLD does when it was imported. This holds in the processes that serve,"
            " not in uWSGI's master: it would not notice any more that a process has ended.",
        )
    blocked = sorted(signal.Signals(number).name for number in _blocked & _UNBLOCKED)
    if blocked:
        record(
            "warning",
            "The application has blocked %s when it was imported. In the processes that serve they are not blocked:"
            " uWSGI and the request timeout need them." % " and ".join(blocked),
        )
    ending = [signal.Signals(number).name for number in own if number in _ENDING and callable(_handlers[number])]
    if _handlers.get(int(signal.SIGPIPE)) == signal.SIG_DFL:
        record(
            "warning",
            "The application has set SIGPIPE to its default when it was imported: a client that leaves early ends the process"
            " that serves it.",
        )
    if ending:
        record(
            "warning",
            "The application has set %s when it was imported. This has no effect in production: uWSGI ends a process by"
            " these signals. What has to be done at the end belongs into atexit, or into a handler of SIGTERM."
            % " and ".join(ending),
        )
    if timers:
        record(
            "warning",
            "The application has started a timer (alarm or setitimer) when it was imported. No process that serves has"
            " it: start it in a request.",
        )


def _keeping_ours(original):
    @functools.wraps(original)
    def set_python_handler(number, handler):
        """In a process that serves, SIGHUP and SIGINT stay uWSGI's: asyncio.run, for instance, sets SIGINT and restores
        what Python knows of."""
        if not (_serving and number in _ENDING):
            return original(number, handler)
        ours = action(int(number))
        try:
            return original(number, handler)
        finally:
            set_action(int(number), ours)

    return set_python_handler


def _leaving_ours(original):
    @functools.wraps(original)
    def set_signal_mask(how, numbers):
        if _serving:
            numbers = set(numbers) - _KEPT
            if how == signal.SIG_SETMASK:
                numbers |= mask() & _KEPT
        return original(how, numbers)

    return set_signal_mask


def in_worker(serves=True):
    """Applies what the application has set. Must be called in each process that uWSGI has forked. `serves`: uWSGI sets
    signals of its own after this call."""
    global _serving
    _serving = serves
    for number, raw in _set_at_import.items():
        if number not in _ENDING and (serves or number != signal.SIGTERM):
            set_action(number, raw)
    pthread_sigmask(signal.SIG_BLOCK, _blocked - _UNBLOCKED)
    if serves and _TAKEN & set(_set_at_import):
        last = _handler(action(_LAST))
        threading.Thread(target=_take_back, args=(last,), name="microservice-flask signals", daemon=True).start()


def _take_back(last):
    """Waits until uWSGI has set its own handlers, and replaces them by those of the application."""
    end = monotonic() + _WAIT
    while _handler(action(_LAST)) == last and monotonic() < end:
        sleep(_POLL)
    for number in _TAKEN & set(_set_at_import):
        # The application may have set another one since.
        if getsignal(number) is _handlers[number]:
            set_action(number, _set_at_import[number])


def term_handler():
    """The handler of SIGTERM that the application has set at import; None if it has none."""
    handler = _handlers.get(int(signal.SIGTERM))
    return handler if callable(handler) else None


def in_child(own_alarm):
    """In a process that the application has forked: signals as a new Python has them, and as the application has set
    them. `own_alarm` is the handler of the request's deadline. All signals are blocked meanwhile."""
    global _serving
    _serving = False
    for number in _NUMBERS:
        handler = getsignal(number)
        if number in _set_at_import and handler is _handlers[number]:
            set_action(number, _set_at_import[number])
        elif callable(handler) and handler is not own_alarm:
            # The application has set it since, or Python has (SIGINT). uWSGI may have put its own in place.
            set_handler(number, handler)
        elif number in _IGNORED_BY_UWSGI or _handler(action(number)) not in (_DEFAULT, _IGNORED):
            set_handler(number, SIG_DFL)


def mask():
    return pthread_sigmask(signal.SIG_BLOCK, [])


def block():
    """Blocks all signals in this thread."""
    pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


def without_ours(blocked):
    """The mask without the signals that are blocked for uWSGI: all of them in its threads, SIGHUP in the first one."""
    return _blocked if len(blocked) >= len(_NUMBERS) - 2 else blocked - {signal.SIGHUP}


def set_mask(blocked):
    pthread_sigmask(signal.SIG_SETMASK, blocked)
