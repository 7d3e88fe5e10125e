"""The application's stdout and stderr. Written by microservice-flask; changes are lost.

Before each line goes a head that tells the launcher's log which request and which process wrote it (the grammar is in
src/logs/origin.rs):

    RS nonce ; request_id ; pid ; text            the line is a record, or the last line of one
    RS nonce ; request_id ; pid + ; text          more lines of the same record follow

The launcher believes a head by its nonce, which nobody else is told: not the programs that the application starts, and
not those whose texts it logs.

Text waits in its thread until it ends a line, so threads cannot tear each other's lines and no lock is needed, and
leaves in one write(2), which a pipe takes whole up to 4096 bytes (PIPE_BUF, pipe(7)), so processes cannot either.
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

# What a head begins with: RS, the nonce and a semicolon, once the nonce is known.
_mark = b"\x1e;"
_PIPE_BUF = 4096
# More than this does not wait for the end of its line.
_PENDING_MAX = 65536

# The id of the request that runs here. Threads and tasks that copy the context keep it.
request_id = contextvars.ContextVar("microservice_flask_request_id", default="")
_valid_id = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch

# The worker's pid, once it is one. The master's lines have no head: they belong to no request.
_worker = 0
_streams = []


def believed(identifier):
    """The request id, or nothing where it is not one that needs no escape anywhere."""
    return identifier if _valid_id(identifier) else ""


def in_worker():
    """To be called in each new process."""
    global _worker
    _worker = os.getpid()
    for stream in _streams:
        stream._mine = _Mine(stream)


class _Begun:
    """What a thread has written to a stream and has not ended yet."""

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
        # The thread has ended. What a parent's thread has begun is the parent's to end.
        if self.pending and self.pid == os.getpid():
            self.stream._emit(self, self.pending)


class _Mine(threading.local):
    """Each thread's own."""

    def __init__(self, stream):
        self.begun = _Begun(stream)


def _write(descriptor, data):
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            # Somebody, asyncio for one, has made the pipe non-blocking.
            select.select([], [descriptor], [])
        except OSError:
            # Nobody reads: an answer must not fail for a log line.
            return


class TextStream(io.TextIOBase):
    """A stream such as sys.stdout. A record is what stands between two ends of a line at the end of a write."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    mode = "w"
    line_buffering = True
    write_through = False

    def __init__(self, descriptor, name):
        self._descriptor = descriptor
        self._mine = _Mine(self)
        self.name = name
        self.buffer = _ByteStream(self)
        _streams.append(self)

    def write(self, text):
        try:
            data = text.encode("utf-8", "backslashreplace")
        except AttributeError:
            raise TypeError("write() argument must be str, not %s" % type(text).__name__) from None
        mine = self._mine.begun
        if mine.pending:
            data = mine.pending + data
        if (data.endswith(b"\n") and not mine.held) or len(data) > _PENDING_MAX:
            mine.pending = b""
            # The end of a line that was too long to wait for it has been written.
            if not (mine.cut and data == b"\n"):
                self._emit(mine, data)
            mine.cut = not data.endswith(b"\n")
        else:
            mine.pending = data
        return len(text)

    def write_bytes(self, data):
        """As write, for bytes that need not be text."""
        mine = self._mine.begun
        whole = mine.pending + data
        end = 0 if mine.held and len(whole) <= _PENDING_MAX else whole.rfind(b"\n") + 1
        if len(whole) - end > _PENDING_MAX:
            end = len(whole)
        mine.pending = whole[end:]
        if end:
            self._emit(mine, whole[:end])
        return len(data)

    def flush(self):
        mine = self._mine.begun
        # A line that is flushed before its end ends here: what others write must not stick to it.
        if mine.pending and not mine.held:
            data, mine.pending = mine.pending, b""
            self._emit(mine, data)

    def record(self, text):
        """One line for the launcher, past what the thread has begun to write."""
        self._emit(self._mine.begun, text.encode("utf-8", "backslashreplace"))

    def _emit(self, mine, data):
        head, more = self._heads(mine) if _worker else (b"", b"")
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

    def _heads(self, mine):
        identifier = request_id.get()
        if mine.head_of != (identifier, _worker):
            mine.head_of = (identifier, _worker)
            kept = (_mark, believed(identifier).encode(), _worker)
            mine.head = b"%b%b;%d;" % kept
            mine.more = b"%b%b;%d+;" % kept
        return mine.head, mine.more

    def fileno(self):
        return self._descriptor

    def isatty(self):
        return False

    def writable(self):
        return True

    def reconfigure(self, **_):
        """Encoding and buffering are the launcher's matter; scripts that ask for UTF-8 have it."""
        self.flush()

    def detach(self):
        return self.buffer

    def close(self):
        self.flush()

    def hold(self):
        self._mine.begun.held += 1

    def release(self):
        mine = self._mine.begun
        mine.held -= 1
        if mine.pending.endswith(b"\n"):
            self.flush()


class _ByteStream(io.BufferedIOBase):
    """sys.stdout.buffer: bytes take the same way as text."""

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
    """What this thread has begun and not ended goes out."""
    for stream in _streams:
        if stream._mine.begun.pending:
            stream.flush()


def _in_one_piece(function):
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
    """Makes the descriptors sys.stdout and sys.stderr. Tracebacks leave in one piece from now on."""
    global _mark
    _mark = b"\x1e%b;" % nonce.encode()
    sys.stdout = sys.__stdout__ = TextStream(stdout, "<stdout>")
    sys.stderr = sys.__stderr__ = TextStream(stderr, "<stderr>")
    # Python prints them line by line.
    for module, name in (
        (traceback, "print_exception"),
        (traceback, "print_list"),
        (sys, "excepthook"),
        (sys, "unraisablehook"),
        (threading, "excepthook"),
    ):
        setattr(module, name, _in_one_piece(getattr(module, name)))
    # A child of the application's own is a process of its own.
    os.register_at_fork(after_in_child=lambda: _worker and in_worker())
