"""A request, from uWSGI's environ to the end of the response. Written by microservice-flask: changes are lost.

A response of unknown length is sent in chunks (RFC 9112, 7.1), the last one only after the application's iterable has
ended: whatever ends it earlier (an exception, a timeout, a killed process) breaks the transfer for the client to see.

An exception that reaches this module is answered with 500 while nothing has been sent, and the process lives on: an
exception that reaches uWSGI would close the connection, and nginx would run the request again.

Few calls and few attributes: what runs here runs with cold caches, at several times the cost that bench/entry shows.
"""

import os
import sys
import time
from threading import get_ident as _get_ident

import microservice_flask_environ as environs
import microservice_flask_headers as header_rules
import microservice_flask_records as records
import microservice_flask_websocket as websocket
import uwsgi

_checked, _worker_id, _clock, _exists = header_rules.checked, uwsgi.worker_id, time.time, os.path.exists
# RFC 9110, 15.3.5 and 15.4.5.
_BODILESS = ("204", "304")
# Variables of a request: nginx limits their bytes to 32 KiB, this their number. Each takes room in uWSGI's buffer.
_MAX_ENVIRON = 1000
# Bytes of a response that nginx keeps in memory for a slow client: proxy_buffers of nginx/proxy.conf.
_IN_MEMORY = 4 * 64 * 1024
# While it exists, slow clients have filled the disk space for the rest of such responses.
_DISK_FULL = os.environ.get("MICROSERVICE_DISK_FULL_FILE", "")
_ENDED = "the response has ended: start_response and write belong to one request"

# Whether this is a process that the application has forked in a request: it has a copy of the request, and must not
# answer it, nor serve others.
_is_child = False


def in_child():
    """Must be called in each process that the application forks."""
    global _is_child
    _is_child = True


def exit_code(end):
    """Of a SystemExit, as Python does it: a text is printed."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def leave(error=None):
    """Ends a forked process, without the exit handlers, which are its parent's."""
    code = 0 if error is None else exit_code(error) if isinstance(error, SystemExit) else 1
    records.streams.flush()
    os._exit(code)


class NoGuard:
    """The deadline without a request timeout."""

    timeout = 0.0
    handler = None

    def begin(self, _answer):
        """Does nothing, as all of them."""

    end = again = retire = overdue = begin

    def check(self):
        """Does nothing."""


def server(application, guard, errors):
    """What uWSGI calls for each request, and iterates. `errors` is the stream wsgi.errors."""
    streams = records.streams
    own, set_origin, flush, nobody = environs.own, streams.origin.set, streams.flush, streams.NOBODY

    def serve(raw, start):
        environ = own(raw)
        environ["wsgi.errors"] = errors
        set_origin((environ.get("HTTP_X_REQUEST_ID", ""), environ.get("HTTP_TRACEPARENT", "")))
        answer = Answer(guard, environ, start)
        page = ()
        try:
            try:
                if len(environ) > _MAX_ENVIRON:
                    page = answer.refuse_headers()
                else:
                    if "HTTP_UPGRADE" in environ and websocket.wanted(environ):
                        answer.socket = environ["werkzeug.socket"] = websocket.Connection(answer, guard)
                    guard.begin(answer)
                    answer.result = result = application(environ, answer.start_response)
                    # Unlike WSGI, uWSGI accepts bytes as a response.
                    for chunk in (result,) if result.__class__ is bytes else result:
                        if chunk.__class__ is not bytes and not isinstance(chunk, bytes):
                            raise _wrong_chunk(chunk)
                        if _is_child:
                            break
                        if chunk:
                            if not answer.sent:
                                if answer.holds(chunk):
                                    continue
                                answer.send_headers()
                            if answer.bodiless:
                                break
                            yield b"%x\r\n%b\r\n" % (len(chunk), chunk) if answer.chunked else chunk
                    if _is_child:
                        leave()
                    if not answer.sent:
                        answer.send_headers(empty=True)
                        if answer.held and not answer.bodiless:
                            yield bytes(answer.held)
                    if answer.chunked:
                        yield b"0\r\n\r\n"
                    answer.complete = True
            except GeneratorExit as error:
                # From uWSGI, when the client has left; from the application, if nothing has been sent.
                page = () if answer.sent else answer.fail(error)
            except BaseException as error:
                page = answer.fail(error)
            for chunk in page:
                yield chunk
        finally:
            answer.finish()
            flush()
            set_origin(nobody)

    return serve


class Answer:
    """The response to one request. The application has `start_response` and `write`, the deadline the attributes."""

    # The time of the deadline, whether it has ended the request, whether that is logged, and how often it was postponed.
    __slots__ = ("deadline", "expired", "told", "postponed")
    # The request. `socket` is its WebSocket, if it asks for one.
    __slots__ += ("environ", "thread", "socket", "result", "_guard", "_start", "_begun", "_input")
    # The response: what the application has given, and how much of it uWSGI has.
    __slots__ += ("_status", "_headers", "_length", "_write", "held", "sent", "chunked", "bodiless", "complete")

    def __init__(self, guard, environ, start):
        self.expired = self.told = self.sent = self.chunked = self.bodiless = self.complete = False
        self.postponed = 0
        self.socket = self.result = self._status = self._length = self._write = self.held = None
        self.environ = environ
        self.thread = _get_ident()
        self._guard = guard
        self._start = start
        self._begun = _clock()
        self._input = environ["wsgi.input"] = environs.input_of(environ)

    # ---- Interface for the application. Headers are held back until there is a body, so that an error can replace them.

    def start_response(self, status, headers, exc_info=None):
        if self._start is None:
            raise RuntimeError(_ENDED)
        if self.sent:
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
            if not self.sent:
                self.send_headers()
            if not self.bodiless:
                self._write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    # ---- The response.

    def waited(self):
        """Seconds from when nginx had the whole request to its begin here; 0 if unknown."""
        try:
            return max(self._begun - float(self.environ["HTTP_X_REQUEST_START"][2:]), 0.0)
        except (KeyError, TypeError, ValueError):
            return 0.0

    def holds(self, chunk):
        """Keeps back a chunk of a response of unknown length while the disk is full: it begins when all of it is small."""
        if self.held is None:
            whole = self._length is not None or self._status is None or self.environ.get("REQUEST_METHOD") == "HEAD"
            if whole or not _exists(_DISK_FULL) or header_rules.is_unbuffered(self._headers):
                return False
            self.held = bytearray()
        if len(self.held) + len(chunk) > _IN_MEMORY:
            raise header_rules.NoRoom
        self.held += chunk
        return True

    def send_headers(self, empty=False):
        """Gives uWSGI the headers, which it sends with the first chunk, or at the end."""
        if self.socket is not None and self.socket.taken:
            # The application has answered on the socket itself.
            self.sent = self.bodiless = True
            return
        status = self._status
        if status is None:
            raise RuntimeError("the application gave a response without calling start_response")
        lines = self._headers
        if status[:3] in _BODILESS or self.environ.get("REQUEST_METHOD") == "HEAD":
            self.bodiless = True
            if status[:3] == "204":
                # RFC 9110, 8.6.
                lines = [line for line in lines if line[0].lower() != "content-length"]
        elif self._length is None:
            if empty:
                lines.append(("Content-Length", str(len(self.held or ""))))
            else:
                lines.append(("Transfer-Encoding", "chunked"))
                self.chunked = True
        elif self._length > _IN_MEMORY and _exists(_DISK_FULL) and not header_rules.is_unbuffered(lines):
            raise header_rules.NoRoom
        lines.append(self._account("-"))
        self.sent = True
        self._write = self._start(status, lines)

    def _account(self, cause):
        """A header for nginx's log: the worker, milliseconds of waiting for it, and why the product itself answers."""
        return "Microservice-Answer", f"{_worker_id()} {int(self.waited() * 1000)} {cause}"

    def page(self, status, reason, cause, extra=()):
        """An error page as the body of the response, in place of the application's."""
        line, lines, body = records.error_page(self.environ, status, reason, extra)
        lines.append(self._account(cause))
        self.sent = True
        self._write = self._start(line, lines)
        return body

    def refuse_headers(self):
        """The page for a request with so many headers that uWSGI may have dropped some (http_parse in proto/http.c)."""
        fields = records.about(self.environ)
        message = "%s %s refused: it has more than %d headers" % (fields["method"], fields["path"], _MAX_ENVIRON)
        records.record("warning", message, **fields)
        return self.page(431, "Request Header Fields Too Large", "request_headers_too_many")

    def finish(self):
        """Ends the request. The application may have kept parts of it, and the next one is another's."""
        try:
            if not self.complete:
                self._guard.overdue(self)
            close = getattr(self.result, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._log(error, "; its response is complete")
        finally:
            if _is_child:
                leave()
            # The socket comes first: its watcher may set the deadline anew until then.
            if self.socket is not None:
                self.socket.end()
            self._guard.end(self)
            self._start = None
            if self._input is not environs.NO_BODY:
                unread = self._input.end()
                if unread and self._write is not None:
                    environs.drain(self._write, unread)
            if self.expired:
                self._guard.retire(self)

    # ---- Failures.

    def fail(self, error):
        """Replaces the response by an error page if nothing has been sent, else cuts it. Returns the page."""
        if _is_child:
            if not isinstance(error, SystemExit):
                self._log(error, "; it is a process that the application has forked")
            leave(error)
        begun = self.sent or (self.socket is not None and self.socket.taken)
        # The deadline still counts: the text of the exception and `close` are code of the application.
        self._log(error, "; its response had begun and is cut" if begun else "")
        result, self.result = self.result, None
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        except BaseException as second:
            self._log(second, "; while its response was closed")
        self._guard.end(self)
        if begun:
            self._write = None
            return ()
        if self.expired:
            return self.page(504, "Gateway Timeout", "request_timeout")
        if isinstance(error, header_rules.NoRoom):
            return self.page(503, "Service Unavailable", "disk_full", [("Retry-After", "10")])
        if isinstance(error, header_rules.TooLarge):
            return self.page(502, "Bad Gateway", "response_headers_too_large")
        return self.page(500, "Internal Server Error", "application_failed")

    def _log(self, error, outcome):
        if self.expired or isinstance(error, header_rules.NoRoom):
            # The timeout is logged already; a full disk is the access record's reason.
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
        records.streams.origin.set(records.streams.origin_of(self.environ))
        records.record(
            "error",
            "Request timed out after %.1f s: %s %s%s"
            % (timeout, fields["method"], fields["path"], "; its response had begun and is cut" if self.sent else ""),
            **fields,
            age_seconds=round(age, 3),
            worker=uwsgi.worker_id(),
            pid=os.getpid(),
            stack=stack,
        )


def _wrong_chunk(chunk):
    return TypeError("a response consists of bytes, not of %s %.100r" % (type(chunk).__name__, chunk))
