"""What the application gets of a request: an environ and an input of its own. Written by microservice-flask: changes
are lost.

uWSGI hands the same dictionary and the same input to every request of a thread. A thread or a saved context that
outlives its request would read the headers and take the body of the next one, so each request gets copies, and its
input ends with it.

nginx passes what it knows of the connection in one header (nginx/proxy.conf). It stands before the client's headers and
ends with a field that absorbs what a client might append: a client can neither set nor change it.
"""

import os
import re
import select
import threading
import time

import uwsgi

import microservice_flask_identity as identity

# The CGI variables that nginx knows, in the header Microservice-Request.
_PASSED = "HTTP_MICROSERVICE_REQUEST"
# What says something of host or scheme. X-Forwarded-For is read by nginx itself, for REMOTE_ADDR.
_FORWARDED = frozenset(
    ["HTTP_FORWARDED"]
    + ["HTTP_X_FORWARDED_" + part for part in "BY FOR HOST PATH PORT PREFIX PROTO PROTOCOL SCHEME SERVER SSL".split()]
)
# As nginx accepts it from clients (nginx.conf).
_is_host = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?").fullmatch
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
# Seconds in which nginx must take notice of a response whose request it is still sending.
_DRAIN = 2
_PIECE = 256 * 1024
# nginx keeps a body of this size in memory (client_body_buffer_size) and sends it with its headers.
_AT_ONCE = 16 * 1024


def own(raw):
    """The application's environ, made from uWSGI's, and whether a WebSocket is asked for."""
    environ = raw.copy()
    scheme = "http"
    trusted = "0"
    try:
        (
            environ["REMOTE_ADDR"],
            environ["REMOTE_PORT"],
            environ["SERVER_PORT"],
            scheme,
            trusted,
            environ["HTTP_X_REQUEST_START"],
            environ["SERVER_PROTOCOL"],
            environ["HTTP_X_REQUEST_ID"],
            environ["SERVER_NAME"],
            environ["REQUEST_URI"],
            _,
        ) = environ.pop(_PASSED).split(" ", 10)
    except (KeyError, ValueError):
        # Not from nginx: the launcher's health check, or an operator who asks the socket.
        environ.pop(_PASSED, None)
        environ["REMOTE_ADDR"] = "127.0.0.1"
        # A client's, if the service's own configuration of nginx has passed the request without proxy.conf.
        environ.pop("HTTP_TRACEPARENT", None)
        environ.pop("HTTP_TRACESTATE", None)
    # "1", or "0" and the headers that the service's own configuration of nginx keeps.
    if trusted != "1":
        identity.drop(environ, trusted[1:])
    elif not environ.keys().isdisjoint(_FORWARDED):
        scheme = _forwarded(environ, scheme)
    environ["REQUEST_SCHEME"] = environ["wsgi.url_scheme"] = scheme
    if scheme == "https":
        environ["HTTPS"] = "on"
    if "CONTENT_LENGTH" not in environ:
        environ["CONTENT_LENGTH"] = ""
    if "CONTENT_TYPE" not in environ:
        environ["CONTENT_TYPE"] = ""
    return environ


def _forwarded(environ, scheme):
    """Applies what the nearest proxy has said, which is trusted; returns the scheme.

    Proxies append to what they got, and lines of the same name are joined in their order: the last entry is the
    nearest proxy's, all before it may be the client's.
    """
    said = environ.get("HTTP_X_FORWARDED_PROTO")
    if said is not None:
        scheme = _SCHEMES.get(_last(said).lower(), scheme)
    elif environ.get("HTTP_X_FORWARDED_SSL", "").lower() == "on":
        scheme = "https"
    environ["HTTP_X_FORWARDED_PROTO"] = scheme
    host = environ.pop("HTTP_X_FORWARDED_HOST", None)
    if host is not None and _is_host(_last(host)):
        environ["HTTP_HOST"] = environ["HTTP_X_FORWARDED_HOST"] = _last(host)
    return scheme


def _last(entries):
    return entries.rpartition(",")[2].strip()


def input_of(environ):
    """The application's input, in place of uWSGI's."""
    length = environ["CONTENT_LENGTH"]
    if length and length.isdigit() and int(length):
        return Input(environ["wsgi.input"], int(length))
    return NO_BODY


class NoBody:
    """wsgi.input of a request without a body: the same object for all, because there is nothing to read."""

    __slots__ = ()

    def read(self, _size=-1):
        return b""

    readline = read

    def readlines(self, _hint=-1):
        return []

    def __iter__(self):
        return iter(())

    def close(self):
        """Does nothing."""


NO_BODY = NoBody()


class Input:
    """wsgi.input: the body of one request, as PEP 3333 wants it. Ends with the request."""

    __slots__ = ("_raw", "_left", "_lock", "_ahead", "_at")

    def __init__(self, raw, length):
        self._raw = raw
        # Read from nginx already, but not by the application: everything from position `_at` on.
        self._ahead = b""
        self._at = 0
        # Bytes that have not been read from nginx yet.
        self._left = length
        # uWSGI reads without the interpreter's lock: the request must not end in the middle of that.
        self._lock = threading.Lock()

    def read(self, size=-1):
        if size is None or size < 0:
            size = len(self._ahead) - self._at + self._left
        pieces = [self._take(size)]
        size -= len(pieces[0])
        while size > 0:
            piece = self._more(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readline(self, size=-1):
        limit = None if size is None or size < 0 else size
        pieces = []
        length = 0
        while limit is None or length < limit:
            if self._at == len(self._ahead):
                self._ahead, self._at = self._more(_PIECE), 0
                if not self._ahead:
                    break
            end = self._ahead.find(b"\n", self._at) + 1 or len(self._ahead)
            piece = self._take(end - self._at if limit is None else min(end - self._at, limit - length))
            pieces.append(piece)
            length += len(piece)
            if piece.endswith(b"\n"):
                break
        else:
            self._check()
        return b"".join(pieces)

    def readlines(self, hint=-1):
        lines = []
        length = 0
        for line in self:
            lines.append(line)
            length += len(line)
            if hint is not None and 0 < hint <= length:
                break
        return lines

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def close(self):
        """Does nothing: the input ends with the request."""

    def _take(self, size):
        """At most `size` bytes of those that were read ahead."""
        if size <= 0 or self._at == len(self._ahead):
            self._check()
            return b""
        piece = self._ahead[self._at : self._at + size]
        self._at += len(piece)
        if self._at == len(self._ahead):
            self._ahead, self._at = b"", 0
        return piece

    def _more(self, size):
        """Some of the bytes that nginx has, empty at the end."""
        if not self._left:
            self._check()
            return b""
        with self._lock:
            self._check()
            if not self._left:
                return b""
            piece = self._raw.read(min(size, self._left, _PIECE))
            self._left = self._left - len(piece) if piece else 0
            return piece

    def _check(self):
        if self._raw is None:
            raise RuntimeError(
                "the request has ended, so its body cannot be read any more: read it before the response is complete,"
                " for example before a thread is started that needs it"
            )

    def end(self):
        """Ends the input; returns how many bytes of the body nobody has read, 0 for few: nginx has sent those at once."""
        with self._lock:
            raw, self._raw = self._raw, None
            self._ahead, self._at = b"", 0
            if 0 < self._left <= _AT_ONCE:
                try:
                    raw.read(self._left)
                except OSError:
                    # nginx has left.
                    pass
                return 0
            return self._left


def drain(write, unread):
    """Reads what nginx still sends of a body that nobody has read, so that closing the connection does not reset it.

    nginx stops sending, and closes, as soon as it has the whole response.
    """
    # Headers alone are sent only now (uwsgi_response_write_headers_do in core/writer.c).
    write(b"")
    connection = uwsgi.connection_fd()
    end = time.monotonic() + _DRAIN
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    try:
        while unread > 0 and time.monotonic() < end and poll.poll(_DRAIN * 1000):
            data = os.read(connection, 65536)
            if not data:
                break
            unread -= len(data)
    except OSError:
        # nginx has closed the connection.
        pass
