"""The response to one request, between the application and uWSGI. Written by microservice-flask: changes are lost.

A response of unknown length is sent in chunks (RFC 9112, 7.1), the last one only after the application's iterable has
ended: whatever ends it earlier (an exception, a timeout, a killed process) breaks the transfer for the client to see.

An exception that reaches this module is answered with 500 while nothing has been sent, and the process lives on: an
exception that reaches uWSGI would close the connection, and nginx would run the request again.
"""

import os
import select
import time
from threading import get_ident as _get_ident

import microservice_flask_environ as environs
import microservice_flask_headers as header_rules
import microservice_flask_records as records
import uwsgi

_checked, _Input, _worker_id = header_rules.checked, environs.Input, uwsgi.worker_id
# RFC 9110, 15.3.5 and 15.4.5.
_BODILESS = ("204", "304")
# Seconds in which nginx must take notice of a response whose request it is still sending.
_DRAIN = 2
_ENDED = "the response has ended: start_response and write belong to one request"


# Whether this is a process that the application has forked in a request: it has a copy of the request, and must not
# answer it, nor serve others.
_is_child = False


def in_worker():
    """Must be called in each worker: uWSGI forks them, too."""
    global _is_child
    _is_child = False


def _in_child():
    global _is_child
    _is_child = True


os.register_at_fork(after_in_child=_in_child)


def _leave(code):
    """Ends a forked process, without the exit handlers, which are its parent's."""
    records.streams.flush()
    os._exit(code & 0xFF if isinstance(code, int) else 0 if code is None else 1)


class NoGuard:
    """The deadline without a request timeout."""

    def begin(self, _answer):
        """Does nothing, as all of them."""

    end = again = retire = overdue = begin
    timeout = 0.0

    def check(self):
        """Does nothing."""


def _said(waited, cause="-"):
    """A header for nginx's log: the worker, milliseconds of waiting for it, and why the product itself answers."""
    return "Microservice-Answer", f"{_worker_id()} {int(waited * 1000) if waited > 0 else 0} {cause}"


class Answer:
    """One request: implements start_response for the application and the iterable for uWSGI."""

    # For guards: the time of the deadline, whether it has ended the request, whether that is logged, and how often it was
    # postponed. `socket` is the WebSocket of a request that asks for one, `thread` the thread that serves it.
    __slots__ = ("deadline", "expired", "told", "postponed", "environ", "socket", "thread")
    # The request, and the response: what the application has given, and how much of it uWSGI has.
    __slots__ += ("_guard", "_waited", "_start", "_input", "_status", "_headers", "_length")
    __slots__ += ("_result", "_iterator", "_write", "_sent", "_chunked", "_bodiless", "_complete")

    def __init__(self, guard, environ, start_response, waited=0.0):
        self.expired = self.told = self._sent = self._chunked = self._bodiless = self._complete = False
        self.postponed = 0
        self.socket = self._status = self._result = self._write = None
        self.environ = environ
        self._guard = guard
        self._waited = waited
        self._start = start_response
        self.thread = _get_ident()
        self._input = environ["wsgi.input"] = _Input(environ["wsgi.input"], environ["CONTENT_LENGTH"])

    def run(self, application):
        try:
            self._guard.begin(self)
            self._result = result = application(self.environ, self.start_response)
            if _is_child:
                _leave(0)
            # Unlike WSGI, uWSGI accepts bytes as a response.
            self._iterator = iter((result,) if result.__class__ is bytes else result)
        except BaseException as error:
            self._fail(error)
        return self

    def refuse(self, status, reason, cause, headers=()):
        """Answers in place of the application, which is not called."""
        self._send_page(status, reason, cause, headers)
        return self

    # ---- Interface for the application. Headers are held back until there is a body, so that an error can replace them.

    def start_response(self, status, headers, exc_info=None):
        if self._start is None:
            raise RuntimeError(_ENDED)
        if self._sent:
            if exc_info:
                raise exc_info[1].with_traceback(exc_info[2])
            raise RuntimeError("start_response was called after the headers were sent")
        self._headers, self._length = _checked(status, headers)
        self._status = status
        return self.write

    def write(self, data):
        if self._start is None:
            raise RuntimeError(_ENDED)
        if self.thread != _get_ident():
            # uWSGI would write to the request of the calling thread.
            raise RuntimeError("write belongs to the thread of its request")
        if not isinstance(data, bytes):
            raise _wrong_chunk(data)
        if data:
            if not self._sent:
                self._send_headers()
            if not self._bodiless:
                self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def _send_headers(self, empty=False):
        if self.socket is not None and self.socket.taken:
            # The application has answered on the socket itself.
            self._sent = self._bodiless = True
            return
        status = self._status
        if status is None:
            raise RuntimeError("the application gave a response without calling start_response")
        lines = self._headers
        if self.environ.get("REQUEST_METHOD") == "HEAD" or status[:3] in _BODILESS:
            self._bodiless = True
            if status[:3] == "204":
                # RFC 9110, 8.6.
                lines = [line for line in lines if line[0].lower() != "content-length"]
        elif self._length is None:
            if empty:
                lines.append(("Content-Length", "0"))
            else:
                lines.append(("Transfer-Encoding", "chunked"))
                self._chunked = True
        lines.append(_said(self._waited))
        self._sent = True
        self._write = self._start(status, lines)

    # ---- Interface for uWSGI.

    def __iter__(self):
        while True:
            try:
                chunk = next(self._iterator)
                if _is_child:
                    _leave(0)
                if chunk.__class__ is not bytes and not isinstance(chunk, bytes):
                    raise _wrong_chunk(chunk)
                if not chunk:
                    continue
                if not self._sent:
                    self._send_headers()
                if self._bodiless:
                    break
                if self._chunked:
                    chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
            except StopIteration:
                break
            except BaseException as error:
                self._fail(error)
                continue
            # Not in the block above: uWSGI ends the generator when the client has left, which is no failure.
            yield chunk
        if not self._sent:
            try:
                self._send_headers(empty=True)
            except BaseException as error:
                self._fail(error)
                yield from self._iterator
        if self._chunked:
            yield b"0\r\n\r\n"
        self._complete = True

    def close(self):
        """Called once by uWSGI, after the body or instead of its rest."""
        if not self._complete:
            self._guard.overdue(self)
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._log(error, "; its response is complete")
        finally:
            if _is_child:
                _leave(0)
            # The application may have kept what follows, and the next request of this thread is another's. The socket
            # comes first: its watcher may set the deadline anew until then.
            if self.socket is not None:
                self.socket.end()
            self._guard.end(self)
            self._start = None
            unread = self._input.end()
            if unread and self._write is not None:
                _drain(self._write, unread)
            if self.expired:
                self._guard.retire(self)

    # ---- Failures.

    def _fail(self, error):
        """Replaces the response by an error page if nothing has been sent, else cuts it."""
        if _is_child:
            self._log(error, "; it is a process that the application has forked")
            _leave(error.code if isinstance(error, SystemExit) else 1)
        begun = self._sent or (self.socket is not None and self.socket.taken)
        # The deadline still counts: the text of the exception and `close` are code of the application.
        self._log(error, "; its response had begun and is cut" if begun else "")
        result, self._result = self._result, None
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as second:
            self._log(second, "; while its response was closed")
        self._guard.end(self)
        self._chunked = self._bodiless = False
        if begun:
            self._sent, self._write, self._iterator = True, None, iter(())
        elif self.expired:
            self._send_page(504, "Gateway Timeout", "request_timeout")
        elif isinstance(error, header_rules.TooLarge):
            self._send_page(502, "Bad Gateway", "response_headers_too_large")
        else:
            self._send_page(500, "Internal Server Error", "application_failed")

    def _send_page(self, status, reason, cause, extra=()):
        line, lines, body = records.error_page(self.environ, status, reason, extra)
        self._sent = True
        self._iterator = iter(body)
        lines.append(_said(self._waited, cause))
        self._write = self._start(line, lines)

    def _log(self, error, outcome):
        if self.expired:
            # The timeout is logged already.
            return
        try:
            fields = records.about(self.environ)
            records.record(
                "error",
                "%s %s failed: %s%s" % (fields["method"], fields["path"], records.exception(error)[:4096], outcome),
                **fields,
                worker=uwsgi.worker_id(),
                pid=os.getpid(),
                traceback=records.trace(error),
            )
        except BaseException:
            # The exception, or its class, is made so that nothing can be read of it.
            records.record("error", "A request failed, and so did what describes its exception" + outcome)

    def timed_out(self, timeout, age, stack):
        """Logs that the deadline has passed. With threads the watcher calls it on behalf of the thread."""
        fields = records.about(self.environ)
        records.streams.request_id.set(fields["request_id"])
        records.record(
            "error",
            "Request timed out after %.1f s: %s %s%s"
            % (timeout, fields["method"], fields["path"], "; its answer had begun and is cut" if self._sent else ""),
            **fields,
            age_seconds=round(age, 3),
            worker=uwsgi.worker_id(),
            pid=os.getpid(),
            stack=stack,
        )


def _wrong_chunk(chunk):
    return TypeError("a response consists of bytes, not of %s %.100r" % (type(chunk).__name__, chunk))


def _drain(write, unread):
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
