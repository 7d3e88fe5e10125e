"""Enforces the request timeout. Written by microservice-flask: changes are lost.

One request per process: an interval timer raises an exception in the main thread, which also interrupts a blocking
system call. With threads: a watcher thread raises an exception in the thread of the request, where it arrives as soon
as that thread runs Python code.
"""

import os
import signal
import sys
import threading
import time
from _signal import getsignal, setitimer  # Those of `signal` convert numbers to enums, at ten times the cost.

import uwsgi
from microservice_flask_records import is_own_frame, record, stack
from microservice_flask_signals import disarm_ends

# If the deadline interrupts the code of these modules, which takes only a moment, it is postponed by so many seconds,
# so many times at most.
_POSTPONE = 0.01
_MAX_POSTPONES = 5
# Seconds until a worker that does not end by itself is killed.
_KILL_AFTER = 5
# In place of the stack of a request whose response uWSGI is sending.
_SENDING = "  The response was being sent, to a client that takes it slowly."
_SIGALRM = int(signal.SIGALRM)
_ITIMER_REAL = int(signal.ITIMER_REAL)


class RequestTimeout(BaseException):
    """The request has run for longer than request_timeout. Not caught by `except Exception`."""


class Timer:
    """The deadline with one request per process: SIGALRM in the main thread."""

    def __init__(self, timeout):
        self.timeout = timeout
        self._current = None
        self._warned = False
        # Each access to a bound method creates a new object; this one is kept for comparison with `is`.
        self.handler = self._on_alarm
        self._install = signal.signal
        self._install(signal.SIGALRM, self.handler)

    def check(self):
        """Called after the import: warns if the application uses SIGALRM, and detects it when it does so later."""
        if getsignal(signal.SIGALRM) is not self.handler:
            self._warn_once()
        original = signal.signal

        def checked(number, handler):
            # Must be detected here: if this request hangs, `end` is never called.
            if number == signal.SIGALRM and handler is not self.handler and self._current is not None:
                self._warn_once()
            return original(number, handler)

        self._install = original
        signal.signal = checked

    def begin(self, answer):
        if getsignal(_SIGALRM) is not self.handler:
            self._warn_once()
            return
        answer.deadline = time.monotonic() + self.timeout
        self._current = answer
        setitimer(_ITIMER_REAL, self.timeout)

    def again(self, answer):
        """Begins the deadline of a request anew, after `end`, from another thread of the process."""
        answer.deadline = time.monotonic() + self.timeout
        self._current = answer
        setitimer(_ITIMER_REAL, self.timeout)

    def end(self, answer):
        if self._current is not answer:
            return
        self._current = None
        if getsignal(_SIGALRM) is self.handler:
            left = setitimer(_ITIMER_REAL, 0)[0]
            if not left and not answer.expired and time.monotonic() < answer.deadline:
                # The application has disarmed the timer: alarm(2) and setitimer(2) share one.
                self._warn_once()
            return
        self._warn_once()
        # Keeps an alarm of the service. Disarms the timer of this request, which would call the service's handler.
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        if left and abs(time.monotonic() + left - answer.deadline) < 0.01:
            setitimer(_ITIMER_REAL, 0)

    def overdue(self, answer):
        """Logs a timeout that has ended uWSGI's wait for nginx to take more of the response: no Python code ran then."""
        now = time.monotonic()
        if self._current is answer and not answer.expired and now >= answer.deadline - 0.001:
            self.end(answer)
            answer.timed_out(self.timeout, now - answer.deadline + self.timeout, _SENDING)

    def _on_alarm(self, _signal_number, frame):
        answer = self._current
        if answer is None or answer.expired:
            return
        now = time.monotonic()
        if now < answer.deadline - 0.001:
            # An alarm that the application has set.
            setitimer(_ITIMER_REAL, answer.deadline - now)
            return
        if answer.postponed < _MAX_POSTPONES and is_own_frame(frame):
            answer.postponed += 1
            setitimer(_ITIMER_REAL, _POSTPONE)
            return
        answer.expired = True
        answer.timed_out(self.timeout, now - answer.deadline + self.timeout, stack(frame))
        raise RequestTimeout("the request has run for %.1f s" % self.timeout)

    def retire(self, _answer):
        """Replaces the worker, because the exception may have left a lock held or a connection half read."""
        self._install(signal.SIGALRM, signal.SIG_DFL)
        setitimer(_ITIMER_REAL, _KILL_AFTER)
        # Unlike kill(2), this returns when uWSGI's handler has run: the process ends after this request.
        signal.raise_signal(signal.SIGHUP)
        disarm_ends()

    def _warn_once(self):
        if not self._warned:
            self._warned = True
            record(
                "warning",
                "The application uses SIGALRM or its timer itself: request_timeout cannot interrupt a request in this"
                " process; only the hard end remains, which kills the worker. Use threads or timeouts of"
                " sockets and of subprocesses instead of alarms.",
                worker=uwsgi.worker_id(),
                pid=os.getpid(),
            )


class Watcher:
    """The deadline with threads: a thread in each worker that watches the in-flight requests."""

    def __init__(self, timeout):
        import ctypes

        self.timeout = timeout
        # Of a signal: it needs none.
        self.handler = None
        self._raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        self._raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
        self._nothing = ctypes.py_object()
        self._lock = threading.Lock()
        self._in_flight = {}
        self._watched_in = 0

    def check(self):
        """Does nothing: the watcher uses no resource that an application could take."""

    def begin(self, answer):
        answer.deadline = time.monotonic() + self.timeout
        # Atomic in the interpreter, so it needs no lock.
        self._in_flight[answer.thread] = answer
        if not self._watched_in:
            self._start_thread()

    # Begins the deadline of a request anew, after `end`, from another thread of the process.
    again = begin

    def end(self, answer):
        thread = answer.thread
        while True:
            try:
                # While the lock is held, no exception is raised for this request. One that was raised and has not
                # arrived yet is cancelled, so that it does not hit the thread's next request.
                with self._lock:
                    if self._in_flight.get(thread) is answer:
                        del self._in_flight[thread]
                    if answer.expired:
                        self._raise_in(thread, self._nothing)
                return
            except RequestTimeout:
                # The exception arrived here. There is only one for each request.
                continue

    def overdue(self, _answer):
        """Does nothing: the watcher's thread sees every timeout."""

    def retire(self, _answer):
        """Does nothing: the worker stays, because its other threads are not affected."""

    def _start_thread(self):
        with self._lock:
            if self._watched_in:
                return
            self._watched_in = os.getpid()
        threading.Thread(target=self._run, name="microservice-flask deadline", daemon=True).start()

    def _run(self):
        while True:
            now = time.monotonic()
            pause = self.timeout
            for thread, answer in list(self._in_flight.items()):
                if answer.expired:
                    continue
                left = answer.deadline - now
                if left <= 0:
                    left = self._expire(thread, answer, now)
                pause = min(pause, left)
            # A request that starts now has its whole time left, so no earlier check is needed.
            time.sleep(max(pause, _POSTPONE))

    def _expire(self, thread, answer, now):
        with self._lock:
            if self._in_flight.get(thread) is not answer:
                return self.timeout
            frame = sys._current_frames().get(thread)
            if frame is None:
                # The thread is in uWSGI's code, which sends the response: the exception would arrive outside of the
                # blocks that handle it. If that takes too long, the launcher ends the worker.
                told, answer.told = answer.told, True
                where = _SENDING
            elif answer.postponed < _MAX_POSTPONES and is_own_frame(frame):
                answer.postponed += 1
                return _POSTPONE
            else:
                answer.expired = True
                told, answer.told = answer.told, True
                where = stack(frame)
                self._raise_in(thread, RequestTimeout)
        if not told:
            answer.timed_out(self.timeout, now - answer.deadline + self.timeout, where)
        return self.timeout if answer.expired else _POSTPONE
