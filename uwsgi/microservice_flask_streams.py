"""The application's stdout and stderr. Written by microservice-flask: changes are lost.

Each line is prefixed with a head that tells the launcher which request and which process wrote it
(src/logs/lines/origin.rs defines the grammar):

    RS nonce ; request_id / trace_id ; pid ; text       the line is a record, or the last line of one
    RS nonce ; request_id / trace_id ; pid + ; text     more lines of the same record follow

The nonce authenticates a head. It is secret: programs that the application starts do not get it, and text that the
application logs cannot contain it.

Text is buffered per thread until its line ends, so threads cannot interleave their lines and no lock is needed. It is
written with one write(2), which is atomic for pipes up to 4096 bytes (PIPE_BUF, pipe(7)), so processes cannot either.
"""

import contextvars
import functools
import io
import os
import re
import select
import sys
import threading
import traceback

# Start of a head: RS, the nonce (set by `install`) and a semicolon.
_mark = b"\x1e;"
_PIPE_BUF = 4096
# A longer pending line is written before it ends.
_PENDING_MAX = 65536

# Outside of requests.
NOBODY = ("", "")
# X-Request-ID and traceparent of the current request. Threads and tasks that copy the context inherit them.
origin = contextvars.ContextVar("microservice_flask_origin", default=NOBODY)
_valid_id = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
# nginx has judged it (nginx/nginx.conf): here, only what cannot stand in a head is none.
_valid_traceparent = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?").fullmatch

# The pid in a worker, 0 in the master. The master's lines have no head, because they belong to no request.
_worker = 0
_streams = []


def valid_request_id(identifier):
    """The request id if it consists only of characters that never need escaping, else an empty string."""
    return identifier if _valid_id(identifier) else ""


def origin_of(environ):
    """What `origin` is during a request."""
    return str(environ.get("HTTP_X_REQUEST_ID", "")), str(environ.get("HTTP_TRACEPARENT", ""))


def _ids(identifier, traceparent):
    """Both ids as a head has them: a trace without an id of its own has that of the request."""
    identifier = valid_request_id(identifier)
    traceparent = _valid_traceparent(traceparent)
    if traceparent is None:
        return identifier
    return identifier + "/" + (traceparent[1] if traceparent[1] != identifier else "")


def in_worker():
    """Must be called in each new process."""
    global _worker
    _worker = os.getpid()
    for stream in _streams:
        stream._thread = _ThreadPending(stream)


class _Pending:
    """The pending output of one thread on one stream."""

    __slots__ = ("stream", "pid", "pending", "cut", "held", "head_of", "head", "more")

    def __init__(self, stream):
        self.stream = stream
        self.pid = os.getpid()
        self.pending = b""
        self.cut = False
        self.held = 0
        self.head_of = None
        self.head = self.more = b""

    def __del__(self):
        # The thread has ended. After a fork, the pending output belongs to the parent, which will write it.
        if self.pending and self.pid == os.getpid():
            self.stream._emit(self, self.pending)


class _ThreadPending(threading.local):
    """The pending output of the current thread."""

    def __init__(self, stream):
        self.output = _Pending(stream)


def _write(descriptor, data):
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # The pipe has been made non-blocking, for example by asyncio.
            select.select([], [descriptor], [])
        except OSError:
            # The pipe has no reader. A request must not fail because of a log line.
            return


class TextStream(io.TextIOBase):
    """A stream such as sys.stdout. A record ends where a write ends with a line end."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    mode = "w"
    line_buffering = True
    write_through = False

    def __init__(self, descriptor, name):
        self._descriptor = descriptor
        self._thread = _ThreadPending(self)
        self.name = name
        self.buffer = _ByteStream(self)
        _streams.append(self)

    def write(self, text):
        try:
            data = text.encode("utf-8", "backslashreplace")
        except AttributeError:
            raise TypeError("write() argument must be str, not %s" % type(text).__name__) from None
        output = self._thread.output
        if output.pending:
            data = output.pending + data
        if (data.endswith(b"\n") and not output.held) or len(data) > _PENDING_MAX:
            output.pending = b""
            # The line was written before its end and is already terminated: a lone newline adds nothing.
            if not (output.cut and data == b"\n"):
                self._emit(output, data)
            output.cut = not data.endswith(b"\n")
        else:
            output.pending = data
        return len(text)

    def write_bytes(self, data):
        """Like write, for arbitrary bytes."""
        output = self._thread.output
        whole = output.pending + data
        end = 0 if output.held and len(whole) <= _PENDING_MAX else whole.rfind(b"\n") + 1
        if len(whole) - end > _PENDING_MAX:
            end = len(whole)
        output.pending = whole[end:]
        if end:
            self._emit(output, whole[:end])
        return len(data)

    def flush(self):
        output = self._thread.output
        # An incomplete line is terminated here, so that output of others is not appended to it.
        if output.pending and not output.held:
            data, output.pending = output.pending, b""
            self._emit(output, data)

    def record(self, text):
        """Writes one line for the launcher, ahead of the thread's pending output."""
        self._emit(self._thread.output, text.encode("utf-8", "backslashreplace"))

    def _emit(self, output, data):
        head, more = self._heads(output) if _worker else (b"", b"")
        if data.endswith(b"\n"):
            data = data[:-1]
        if b"\n" not in data:
            _write(self._descriptor, b"%b%b\n" % (head, data))
            return
        lines = data.split(b"\n")
        last = len(lines) - 1
        whole = []
        length = 0
        for number, line in enumerate(lines):
            line = (more if number < last else head) + line
            if whole and length + len(line) + 1 > _PIPE_BUF:
                _write(self._descriptor, b"\n".join(whole) + b"\n")
                whole, length = [], 0
            whole.append(line)
            length += len(line) + 1
        _write(self._descriptor, b"\n".join(whole) + b"\n")

    def _heads(self, output):
        current = origin.get()
        if output.head_of != (current, _worker):
            output.head_of = (current, _worker)
            fields = (_mark, _ids(*current).encode(), _worker)
            output.head = b"%b%b;%d;" % fields
            output.more = b"%b%b;%d+;" % fields
        return output.head, output.more

    def fileno(self):
        return self._descriptor

    def isatty(self):
        return False

    def writable(self):
        return True

    def reconfigure(self, **_):
        """Ignores the arguments: the encoding is always UTF-8, and the buffering is fixed."""
        self.flush()

    def detach(self):
        return self.buffer

    def close(self):
        self.flush()

    def hold(self):
        self._thread.output.held += 1

    def release(self):
        output = self._thread.output
        output.held -= 1
        if output.pending.endswith(b"\n"):
            self.flush()


class _ByteStream(io.BufferedIOBase):
    """The `buffer` of a stream: bytes are handled like text."""

    mode = "wb"

    def __init__(self, text):
        self._text = text
        self.raw = self

    @property
    def name(self):
        return self._text.name

    def write(self, data):
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        return self._text.write_bytes(bytes(data))

    def flush(self):
        self._text.flush()

    def fileno(self):
        return self._text.fileno()

    def isatty(self):
        return False

    def writable(self):
        return True

    def detach(self):
        return self

    def close(self):
        self.flush()


def flush():
    """Writes the pending output of the current thread."""
    for stream in _streams:
        if stream._thread.output.pending:
            stream.flush()


def _as_one_record(function):
    @functools.wraps(function)
    def whole(*args, **kwargs):
        for stream in _streams:
            stream.hold()
        try:
            return function(*args, **kwargs)
        finally:
            for stream in _streams:
                stream.release()

    return whole


def install(stdout, stderr, nonce):
    """Replaces sys.stdout and sys.stderr by streams on the descriptors, and writes each traceback as one record."""
    global _mark
    _mark = b"\x1e%b;" % nonce.encode()
    sys.stdout = sys.__stdout__ = TextStream(stdout, "<stdout>")
    sys.stderr = sys.__stderr__ = TextStream(stderr, "<stderr>")
    # Python prints tracebacks line by line.
    for module, name in (
        (traceback, "print_exception"),
        (traceback, "print_list"),
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        setattr(module, name, _as_one_record(getattr(module, name)))
    # A process that the application forks has its own pid and pending output.
    os.register_at_fork(after_in_child=lambda: _worker and in_worker())
