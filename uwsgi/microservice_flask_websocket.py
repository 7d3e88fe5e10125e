"""WebSockets: the connection as a socket of the application. Written by microservice-flask: changes are lost.

Servers in threads offer the socket of a request as environ["werkzeug.socket"]; simple-websocket (below flask-sock and
Flask-SocketIO) answers the upgrade on it. From the first byte that the application sends there, the connection is its
own: the request timeout ends, and an idle limit begins. When the service stops or reloads, each open connection gets a
close frame (RFC 6455, 5.5.1), and is closed soon after. A closed connection holds its slot until the application
notices: from then on the request timeout counts again.
"""

import os
import select
import signal
import socket
import threading
import time

import uwsgi
from microservice_flask_records import about, record, streams

# Seconds without a byte in either direction, then the connection is closed. Not set: no limit.
IDLE_LIMIT = float(os.environ.pop("MICROSERVICE_WEBSOCKET_IDLE", "") or "inf")
# This file exists as soon as uWSGI is to end.
LEAVING_FILE = os.environ.pop("MICROSERVICE_LEAVING_FILE", "")
# Seconds from the close frame to the end of the connection.
_CLOSING = 3
_POLL = 0.25
# Milliseconds in which nginx must take notice of the end.
_FINISHING = 1000
# Seconds from the end of the deadline until the worker is killed, as the launcher does it with other requests.
_HARD_END = 3
# So much is sent at a time: each piece that goes shows that the other side reads.
_PIECE = 65536
# A close frame with status 1001, going away (RFC 6455, 7.4.1).
_GOING_AWAY = b"\x88\x02\x03\xe9"

_open = set()
_lock = threading.Lock()
_watcher_of = 0


def wanted(environ):
    """Whether the request asks for a WebSocket (RFC 6455, 4.1)."""
    return (
        environ["HTTP_UPGRADE"].strip().lower() == "websocket"
        and environ["REQUEST_METHOD"] == "GET"
        and environ["CONTENT_LENGTH"] in ("", "0")
    )


class Connection(socket.socket):
    """The socket of one request. `taken`: the application has answered on it."""

    def __init__(self, answer, guard):
        super().__init__(fileno=os.dup(uwsgi.connection_fd()))
        self.taken = False
        self._answer, self._guard = answer, guard
        self._sending = threading.Lock()
        self._upgraded = False
        # When each was done, by the monotonic clock; 0: not yet.
        self._asked = self._closing = self._ended = 0.0
        self._last = time.monotonic()

    def send(self, data, flags=0):
        """Sends all of the data: a close frame of another thread may come only between two frames."""
        self._take(data)
        with self._sending:
            # After the close frame nothing may follow (RFC 6455, 5.5.1).
            rest = memoryview(data).cast("B") if not self._closing else b""
            while rest:
                sent = super().send(rest[:_PIECE], flags)
                rest = rest[sent:]
                self._last = time.monotonic()
            if self._asked and not self._closing:
                self._say_goodbye(self._last)
        return len(data)

    def sendall(self, data, flags=0):
        self.send(data, flags)

    def recv(self, size, flags=0):
        data = super().recv(size, flags)
        self._last = time.monotonic()
        return data

    def recv_into(self, buffer, size=0, flags=0):
        size = super().recv_into(buffer, size, flags)
        self._last = time.monotonic()
        return size

    def close(self):
        """Ends the connection, also for a thread that waits for data."""
        self._hang_up()
        super().close()

    def _take(self, data):
        if self.taken:
            return
        answer = self._answer
        if answer is None:
            raise RuntimeError("the request has ended, and its socket with it")
        self.taken = True
        # uWSGI's sockets do not block.
        self.setblocking(True)
        if answer.thread == threading.get_ident():
            self._guard.end(answer)
            # The launcher sees it in the statistics: this request has no deadline.
            uwsgi.add_var("MICROSERVICE_WEBSOCKET", "open")
        self._upgraded = bytes(data[:12]) == b"HTTP/1.1 101"
        with _lock:
            _open.add(self)
        _watch()

    def end(self):
        """Ends it with its request."""
        with _lock:
            _open.discard(self)
            self._answer = self._guard = None
        if self.taken:
            self._finish()
        super().close()

    def _finish(self):
        """Says that nothing more comes, and waits for nginx to close: else it logs an error when the client's own close
        frame comes at this moment."""
        try:
            self.shutdown(socket.SHUT_WR)
            poll = select.poll()
            poll.register(self, select.POLLRDHUP)
            poll.poll(_FINISHING)
        except (OSError, ValueError):
            # Another thread of the application has closed it.
            pass

    def _hang_up(self):
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It is closed already.
            pass

    def _say_goodbye(self, now):
        self._closing = now
        if self._upgraded:
            try:
                super().send(_GOING_AWAY, socket.MSG_DONTWAIT)
            except OSError:
                self._hang_up()

    def check(self, now, leaving):
        """Asks it to end when it is time, and ends it when it does not. Called regularly, by one thread, with the lock
        of this module."""
        if self._ended:
            self._end_request(now)
        elif self._is_gone() or (self._asked and now > (self._closing or max(self._asked, self._last)) + _CLOSING):
            self._hang_up()
            self._ended = now
            # The application has as long as any other request to notice.
            self._guard.again(self._answer)
        elif self._asked or leaving or now > self._last + IDLE_LIMIT:
            self._asked = self._asked or now
            # A thread that is sending sends the close frame after its own.
            if not self._closing and self._sending.acquire(blocking=False):
                try:
                    self._say_goodbye(now)
                finally:
                    self._sending.release()

    def _is_gone(self):
        """Whether the other side or the application has closed the connection."""
        if self.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self, select.POLLRDHUP)
        return bool(poll.poll(0))

    def _end_request(self, now):
        timeout = self._guard.timeout
        if not timeout or now < self._ended + timeout + _HARD_END:
            return
        fields = about(self._answer.environ)
        streams.origin.set(streams.origin_of(self._answer.environ))
        record(
            "error",
            "The WebSocket %s has been closed for %d s and its request could not be interrupted; its worker is killed."
            % (fields["path"], now - self._ended),
            **fields,
            worker=uwsgi.worker_id(),
            pid=os.getpid(),
        )
        os.kill(os.getpid(), signal.SIGKILL)


def _watch():
    global _watcher_of
    with _lock:
        if _watcher_of == os.getpid():
            return
        _watcher_of = os.getpid()
    threading.Thread(target=_run, name="microservice-flask websockets", daemon=True).start()


def _run():
    global _watcher_of
    while True:
        time.sleep(_POLL)
        leaving = bool(LEAVING_FILE) and os.path.exists(LEAVING_FILE)
        with _lock:
            if not _open:
                _watcher_of = 0
                return
            for connection in list(_open):
                try:
                    connection.check(time.monotonic(), leaving)
                except (OSError, ValueError):
                    # The application has closed it at this moment.
                    pass
