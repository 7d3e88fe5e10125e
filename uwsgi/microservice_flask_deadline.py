"""How long a request may wait and run. Written by microservice-flask; changes are lost.

One request per process: an interval timer raises in the main thread, where it also interrupts a blocking system call.
With threads: a watcher raises in the guilty thread, where the exception arrives as soon as Python code runs there.
"""

import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from _signal import getsignal, setitimer  # Those of `signal` make enums of numbers, at ten times the cost.

import microservice_flask_streams as streams
import uwsgi

# The longest line that the launcher's log keeps whole, less its head.
_RECORD_MAX = 16 * 1024 - 256
# When it would hit our own code, which is about to be done, the deadline comes again this much later, this often.
_AGAIN = 0.01
_AGAIN_MAX = 5
# A worker that shall end and does not is ended.
_END_WITHIN = 5
_FOLDER = os.path.dirname(__file__)
_OWN_FILES = {
    os.path.join(_FOLDER, "microservice_flask_%s.py" % part) for part in ("entry", "streams", "deadline")
}
_asks_for_json = re.compile(r"application/([a-z0-9.+-]+\+)?json", re.IGNORECASE).search


class RequestTimeout(BaseException):
    """The request has run for longer than request_timeout. A BaseException: `except Exception` lets it pass."""


def error_page(environ, status, reason, headers=()):
    """Status line, headers and body of an error, as nginx answers it."""
    identifier = streams.believed(environ.get("HTTP_X_REQUEST_ID", ""))
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
    """Whether nginx has had the request for longer than this: its client has most likely left."""
    try:
        return time.time() - float(environ["HTTP_X_REQUEST_START"][2:]) > limit
    except (KeyError, ValueError):
        return False


def record(level, message, **fields):
    """One JSON line on the application's stderr."""
    fields = dict(level=level, message=message, **fields)
    line = json.dumps(fields)
    while len(line) > _RECORD_MAX and len(fields.get("stack", "")) > 100:
        # The two ends tell most: where the request came in, and where it hangs.
        stack = fields["stack"]
        half = min(len(stack) * _RECORD_MAX // len(line), len(stack) - 100) // 2 - 20
        fields["stack"] = stack[:half] + "\n  [...]\n" + stack[-half:]
        line = json.dumps(fields)
    sys.__stderr__.record(line)


class Answer:
    """One request under a deadline: the application's start_response and the iterable that uWSGI gets."""

    # What guards use, what the request came with, and the state of the answer.
    __slots__ = ("deadline", "expired", "again") + ("_guard", "_environ", "_start")
    __slots__ += ("_kept", "_sent", "_write", "_result", "_iterator")

    def __init__(self, guard, environ, start_response):
        self._guard = guard
        self._environ = environ
        self._start = start_response
        self._kept = self._result = self._write = None
        self._sent = self.expired = False
        self.again = 0

    def run(self, application):
        guard = self._guard
        try:
            guard.begin(self)
            self._result = result = application(self._environ, self.start_response)
            # uWSGI takes bytes as they are, against the letter of WSGI.
            self._iterator = iter((result,) if isinstance(result, bytes) else result)
            return self
        except BaseException:
            guard.end(self)
            if not self.expired:
                raise
            return self._time_out()

    # ---- What the application sees. Headers are kept until there is a body: until then the answer can become a 504.

    def start_response(self, status, headers, exc_info=None):
        if self._sent:
            if exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            raise RuntimeError("start_response was called after the headers were sent")
        self._kept = (status, headers)
        return self.write

    def write(self, data):
        self._send_headers()
        if self._write is not None:
            self._write(data)

    def _send_headers(self):
        if not self._sent and self._kept is not None:
            self._sent = True
            self._write = self._start(*self._kept)

    # ---- What uWSGI sees.

    def __iter__(self):
        return self

    def __next__(self):
        try:
            chunk = next(self._iterator)
            if not self._sent and chunk:
                self._send_headers()
            return chunk
        except StopIteration:
            # An answer without a body.
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
            # The answer is out, and the record of the timeout too.
            if not self.expired:
                raise
        finally:
            self._guard.end(self)
            if self.expired:
                self._guard.retire()

    # ---- The end.

    def _close_result(self):
        result, self._result = self._result, None
        close = getattr(result, "close", None)
        if close is not None:
            close()

    def _time_out(self):
        """The 504 where it can still be given, else an end: the uwsgi protocol has no word for an answer that is cut."""
        try:
            self._close_result()
        except BaseException:
            traceback.print_exc()
        if self._sent:
            self._iterator = iter(())
            return self
        status, headers, body = error_page(self._environ, 504, "Gateway Timeout")
        self._kept = (status, headers)
        self._iterator = iter(body)
        return self

    def report(self, timeout, age, stack):
        """The record of a timeout."""
        environ = self._environ
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        method = environ.get("REQUEST_METHOD", "")
        identifier = streams.believed(environ.get("HTTP_X_REQUEST_ID", ""))
        # The watcher's thread writes for the one that it watches.
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
        self._told = False
        # A bound method is made anew each time it is asked for: this one is compared by `is`.
        self._handler = self._ring
        self._install = signal.signal
        self._install(signal.SIGALRM, self._handler)

    def check(self):
        """After the import: whether the application has taken SIGALRM."""
        if getsignal(signal.SIGALRM) is not self._handler:
            self._tell()
        original = signal.signal

        def told(number, handler):
            # Noticed at once: a request that then hangs would never come to its end to be looked at.
            if number == signal.SIGALRM and handler is not self._handler and self._current is not None:
                self._tell()
            return original(number, handler)

        self._install = original
        signal.signal = told

    def begin(self, answer):
        if getsignal(_SIGALRM) is not self._handler:
            self._tell()
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
                # Somebody has turned our timer off: alarm(2) and setitimer(2) share one.
                self._tell()
            return
        self._tell()
        # The service's own alarm stays; what is left of ours would call its handler.
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        if left and abs(time.monotonic() + left - answer.deadline) < 0.01:
            setitimer(_ITIMER_REAL, 0)

    def _ring(self, _signal_number, frame):
        answer = self._current
        if answer is None or answer.expired:
            return
        now = time.monotonic()
        if now < answer.deadline - 0.001:
            # Somebody else's alarm.
            setitimer(_ITIMER_REAL, answer.deadline - now)
            return
        if answer.again < _AGAIN_MAX and _is_ours(frame):
            answer.again += 1
            setitimer(_ITIMER_REAL, _AGAIN)
            return
        answer.expired = True
        answer.report(self._timeout, now - answer.deadline + self._timeout, _stack(frame))
        raise RequestTimeout("the request has run for %.1f s" % self._timeout)

    def retire(self):
        """The exception may have left a lock held or a connection half read: uWSGI makes a new worker."""
        self._install(signal.SIGALRM, signal.SIG_DFL)
        setitimer(_ITIMER_REAL, _END_WITHIN)
        os.kill(os.getpid(), signal.SIGHUP)

    def _tell(self):
        if not self._told:
            self._told = True
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


def _is_ours(frame):
    return frame is not None and frame.f_code.co_filename in _OWN_FILES


def _stack(frame):
    """As in a traceback, innermost last, without our own."""
    frames = traceback.extract_stack(frame)
    # What calls us is uWSGI's.
    first = next((number for number, entry in enumerate(frames) if entry.filename in _OWN_FILES), 0)
    frames = [entry for entry in frames[first:] if entry.filename not in _OWN_FILES]
    return "".join(traceback.format_list(frames)).rstrip("\n")


class Watcher:
    """The deadline with threads: a thread of each worker that looks after the requests in flight."""

    def __init__(self, timeout):
        import ctypes

        self._timeout = timeout
        self._raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        self._raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
        self._nothing = ctypes.py_object()
        self._lock = threading.Lock()
        self._flights = {}
        self._watched_in = 0

    def check(self):
        """Nothing that an application could have taken."""

    def begin(self, answer):
        answer.deadline = time.monotonic() + self._timeout
        # One operation for the interpreter, so it needs no lock.
        self._flights[threading.get_ident()] = answer
        if not self._watched_in:
            self._watch()

    def end(self, answer):
        thread = threading.get_ident()
        while True:
            try:
                # Once the lock is had, nothing more is raised for this request; what was and has not arrived is taken
                # back, so the thread's next request does not get it.
                with self._lock:
                    if self._flights.get(thread) is answer:
                        del self._flights[thread]
                    if answer.expired:
                        self._raise_in(thread, self._nothing)
                return
            except RequestTimeout:
                # It arrived here, and there is one for each request.
                continue

    def retire(self):
        """The neighbours are well: the worker stays."""

    def _watch(self):
        with self._lock:
            if self._watched_in:
                return
            self._watched_in = os.getpid()
        threading.Thread(target=self._look, name="microservice-flask deadline", daemon=True).start()

    def _look(self):
        while True:
            now = time.monotonic()
            pause = self._timeout
            for thread, answer in list(self._flights.items()):
                if answer.expired:
                    continue
                left = answer.deadline - now
                if left <= 0:
                    left = self._expire(thread, answer, now)
                pause = min(pause, left)
            # A request that begins now has its whole time before it, so there is no need to look earlier.
            time.sleep(max(pause, _AGAIN))

    def _expire(self, thread, answer, now):
        with self._lock:
            if self._flights.get(thread) is not answer:
                return self._timeout
            frame = sys._current_frames().get(thread)
            if answer.again < _AGAIN_MAX and _is_ours(frame):
                answer.again += 1
                return _AGAIN
            answer.expired = True
            stack = _stack(frame)
            self._raise_in(thread, RequestTimeout)
        answer.report(self._timeout, now - answer.deadline + self._timeout, stack)
        return self._timeout
