"""Enforces the request timeout and the queue timeout. Written by microservice-flask: changes are lost.

One request per process: an interval timer raises an exception in the main thread, which also interrupts a blocking
system call. With threads: a watcher thread raises an exception in the thread of the request, where it arrives as soon
as that thread runs Python code.
"""

import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from _signal import getsignal, setitimer  # Those of `signal` convert numbers to enums, at ten times the cost.

import microservice_flask_streams as streams
import uwsgi

# The longest line that the launcher's log does not split, less the head.
_RECORD_MAX = 16 * 1024 - 256
# If the deadline interrupts the code of these modules, which takes only a moment, it is postponed by so many seconds,
# so many times at most.
_POSTPONE = 0.01
_MAX_POSTPONES = 5
# Seconds until a worker that does not end by itself is killed.
_KILL_AFTER = 5
_FOLDER = os.path.dirname(__file__)
_OWN_FILES = {
    os.path.join(_FOLDER, "microservice_flask_%s.py" % part) for part in ("entry", "streams", "deadline")
}
_asks_for_json = re.compile(r"application/([a-z0-9.+-]+\+)?json", re.IGNORECASE).search


class RequestTimeout(BaseException):
    """The request has run for longer than request_timeout. Not caught by `except Exception`."""


def error_page(environ, status, reason, headers=()):
    """Status line, headers and body of an error response, the same as nginx sends."""
    identifier = streams.valid_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
    if _asks_for_json(environ.get("HTTP_ACCEPT", "")):
        kind = "application/json"
        text = '{"status":%d,"error":"%s","request_id":"%s"}\n' % (status, reason, identifier)
    else:
        kind = "text/html; charset=utf-8"
        text = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{0} {1}</title></head>\n'
            "<body><h1>{0} {1}</h1><p>Request {2}</p></body></html>\n"
        ).format(status, reason, identifier)
    body = text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))] + list(headers)
    return "%d %s" % (status, reason), headers, [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def waited_too_long(environ, limit):
    """Whether the request has been waiting since nginx received it for longer than `limit` seconds."""
    try:
        return time.time() - float(environ["HTTP_X_REQUEST_START"][2:]) > limit
    except (KeyError, ValueError):
        return False


def record(level, message, **fields):
    """Writes one JSON line to the application's stderr."""
    fields = dict(level=level, message=message, **fields)
    line = json.dumps(fields)
    while len(line) > _RECORD_MAX and len(fields.get("stack", "")) > 100:
        # Keeps both ends: where the request entered, and where it hangs.
        stack = fields["stack"]
        half = min(len(stack) * _RECORD_MAX // len(line), len(stack) - 100) // 2 - 20
        fields["stack"] = stack[:half] + "\n  [...]\n" + stack[-half:]
        line = json.dumps(fields)
    sys.__stderr__.record(line)


class Answer:
    """One request with a deadline: implements start_response for the application and the iterable for uWSGI."""

    # Attributes that guards use, the request, and the state of the response.
    __slots__ = ("deadline", "expired", "postponed") + ("_guard", "_environ", "_start")
    __slots__ += ("_headers", "_sent", "_write", "_result", "_iterator")

    def __init__(self, guard, environ, start_response):
        self._guard = guard
        self._environ = environ
        self._start = start_response
        self._headers = self._result = self._write = None
        self._sent = self.expired = False
        self.postponed = 0

    def run(self, application):
        guard = self._guard
        try:
            guard.begin(self)
            self._result = result = application(self._environ, self.start_response)
            # Unlike WSGI, uWSGI accepts bytes as a response.
            self._iterator = iter((result,) if isinstance(result, bytes) else result)
            return self
        except BaseException:
            guard.end(self)
            if not self.expired:
                raise
            return self._time_out()

    # ---- Interface for the application. Headers are held back until there is a body, so that a 504 is still possible.

    def start_response(self, status, headers, exc_info=None):
        if self._sent:
            if exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            raise RuntimeError("start_response was called after the headers were sent")
        self._headers = (status, headers)
        return self.write

    def write(self, data):
        self._send_headers()
        if self._write is not None:
            self._write(data)

    def _send_headers(self):
        if not self._sent and self._headers is not None:
            self._sent = True
            self._write = self._start(*self._headers)

    # ---- Interface for uWSGI.

    def __iter__(self):
        return self

    def __next__(self):
        try:
            chunk = next(self._iterator)
            if not self._sent and chunk:
                self._send_headers()
            return chunk
        except StopIteration:
            # A response without a body.
            self._send_headers()
            raise
        except BaseException:
            self._guard.end(self)
            if not self.expired:
                raise
            return next(self._time_out())

    def close(self):
        try:
            self._close_result()
        except BaseException:
            # The response has been sent, and the timeout is already logged.
            if not self.expired:
                raise
        finally:
            self._guard.end(self)
            if self.expired:
                self._guard.retire()

    # ---- Timeout.

    def _close_result(self):
        result, self._result = self._result, None
        close = getattr(result, "close", None)
        if close is not None:
            close()

    def _time_out(self):
        """Sends 504 if no header has been sent, else ends the body: the uwsgi protocol cannot signal truncation."""
        try:
            self._close_result()
        except BaseException:
            traceback.print_exc()
        if self._sent:
            self._iterator = iter(())
            return self
        status, headers, body = error_page(self._environ, 504, "Gateway Timeout")
        self._headers = (status, headers)
        self._iterator = iter(body)
        return self

    def report(self, timeout, age, stack):
        """Logs a timeout."""
        environ = self._environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        method = environ.get("REQUEST_METHOD", "")
        identifier = streams.valid_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        # With threads the watcher's thread writes this on behalf of the thread of the request.
        streams.request_id.set(identifier)
        record(
            "error",
            "Request timed out after %.1f s: %s %s%s"
            % (timeout, method, path[:1024], "; its answer had begun and is cut" if self._sent else ""),
            request_id=identifier,
            method=method,
            path=path[:1024],
            age_seconds=round(age, 3),
            worker=uwsgi.worker_id(),
            pid=os.getpid(),
            stack=stack,
        )


class Timer:
    """The deadline with one request per process: SIGALRM in the main thread."""

    def __init__(self, timeout):
        self._timeout = timeout
        self._current = None
        self._warned = False
        # Each access to a bound method creates a new object; this one is kept for comparison with `is`.
        self._handler = self._on_alarm
        self._install = signal.signal
        self._install(signal.SIGALRM, self._handler)

    def check(self):
        """Called after the import: warns if the application uses SIGALRM, and detects it when it does so later."""
        if getsignal(signal.SIGALRM) is not self._handler:
            self._warn_once()
        original = signal.signal

        def checked(number, handler):
            # Must be detected here: if this request hangs, `end` is never called.
            if number == signal.SIGALRM and handler is not self._handler and self._current is not None:
                self._warn_once()
            return original(number, handler)

        self._install = original
        signal.signal = checked

    def begin(self, answer):
        if getsignal(_SIGALRM) is not self._handler:
            self._warn_once()
            return
        answer.deadline = time.monotonic() + self._timeout
        self._current = answer
        setitimer(_ITIMER_REAL, self._timeout)

    def end(self, answer):
        if self._current is not answer:
            return
        self._current = None
        if getsignal(_SIGALRM) is self._handler:
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

    def _on_alarm(self, _signal_number, frame):
        answer = self._current
        if answer is None or answer.expired:
            return
        now = time.monotonic()
        if now < answer.deadline - 0.001:
            # An alarm that the application has set.
            setitimer(_ITIMER_REAL, answer.deadline - now)
            return
        if answer.postponed < _MAX_POSTPONES and _is_own_frame(frame):
            answer.postponed += 1
            setitimer(_ITIMER_REAL, _POSTPONE)
            return
        answer.expired = True
        answer.report(self._timeout, now - answer.deadline + self._timeout, _stack(frame))
        raise RequestTimeout("the request has run for %.1f s" % self._timeout)

    def retire(self):
        """Replaces the worker, because the exception may have left a lock held or a connection half read."""
        self._install(signal.SIGALRM, signal.SIG_DFL)
        setitimer(_ITIMER_REAL, _KILL_AFTER)
        os.kill(os.getpid(), signal.SIGHUP)

    def _warn_once(self):
        if not self._warned:
            self._warned = True
            record(
                "warning",
                "The application uses SIGALRM or its timer itself: request_timeout cannot interrupt a request in this"
                " process; only the hard end (harakiri) remains, which kills the worker. Use threads or timeouts of"
                " sockets and of subprocesses instead of alarms.",
                worker=uwsgi.worker_id(),
                pid=os.getpid(),
            )


_SIGALRM = int(signal.SIGALRM)
_ITIMER_REAL = int(signal.ITIMER_REAL)


def _is_own_frame(frame):
    return frame is not None and frame.f_code.co_filename in _OWN_FILES


def _stack(frame):
    """The stack as in a traceback, innermost frame last, without the frames of these modules."""
    frames = traceback.extract_stack(frame)
    # Frames outside of these modules' first one belong to uWSGI.
    first = next((number for number, entry in enumerate(frames) if entry.filename in _OWN_FILES), 0)
    frames = [entry for entry in frames[first:] if entry.filename not in _OWN_FILES]
    return "".join(traceback.format_list(frames)).rstrip("\n")


class Watcher:
    """The deadline with threads: a thread in each worker that watches the in-flight requests."""

    def __init__(self, timeout):
        import ctypes

        self._timeout = timeout
        self._raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        self._raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
        self._nothing = ctypes.py_object()
        self._lock = threading.Lock()
        self._in_flight = {}
        self._watched_in = 0

    def check(self):
        """Does nothing: the watcher uses no resource that an application could take."""

    def begin(self, answer):
        answer.deadline = time.monotonic() + self._timeout
        # Atomic in the interpreter, so it needs no lock.
        self._in_flight[threading.get_ident()] = answer
        if not self._watched_in:
            self._start_thread()

    def end(self, answer):
        thread = threading.get_ident()
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

    def retire(self):
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
            pause = self._timeout
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
                return self._timeout
            frame = sys._current_frames().get(thread)
            if answer.postponed < _MAX_POSTPONES and _is_own_frame(frame):
                answer.postponed += 1
                return _POSTPONE
            answer.expired = True
            stack = _stack(frame)
            self._raise_in(thread, RequestTimeout)
        answer.report(self._timeout, now - answer.deadline + self._timeout, stack)
        return self._timeout
