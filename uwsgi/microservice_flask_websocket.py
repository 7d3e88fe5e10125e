"""WebSockets: the connection as a socket of the application. Written by microservice-flask: changes are lost.

Servers in threads offer the socket of a request as environ["werkzeug.socket"]; simple-websocket (below flask-sock and
Flask-SocketIO) answers the upgrade on it. From the first byte that the application sends there, the connection is its
own: the request timeout ends, and an idle limit begins. When the service stops or reloads, each open connection gets a
close frame (RFC 6455, 5.5.1), and is closed soon after.
"""

import os
import socket
import threading
import time

import uwsgi

# Seconds without a byte in either direction, then the connection is closed.
IDLE_LIMIT = float(os.environ.pop("MICROSERVICE_WEBSOCKET_IDLE", "") or 60)
# This file exists as soon as uWSGI is to end.
_LEAVING = os.environ.pop("MICROSERVICE_LEAVING_FILE", "")
# Seconds from the close frame to the end of the connection.
_CLOSING = 3
_POLL = 0.25
# A close frame with status 1001, going away (RFC 6455, 7.4.1).
_GOING_AWAY = b"\x88\x02\x03\xe9"

_open = set()
_lock = threading.Lock()
_watcher_of = 0


def wanted(environ):
    """Whether the request asks for a WebSocket (RFC 6455, 4.1)."""
    return environ["HTTP_UPGRADE"].strip().lower() == "websocket" and environ["REQUEST_METHOD"] == "GET"


class Connection(socket.socket):
    """The socket of one request. `taken`: the application has answered on it."""

    def __init__(self, answer, guard):
        super().__init__(fileno=os.dup(uwsgi.connection_fd()))
        self.taken = False
        self._answer, self._guard = answer, guard
        self._thread = threading.get_ident()
        self._sending = threading.Lock()
        self._upgraded = False
        self._closing = 0.0
        self._last = time.monotonic()

    def send(self, data, flags=0):
        """Sends all of the data: another thread may send a close frame only between two frames."""
        self._take(data)
        with self._sending:
            # After the close frame nothing may follow (RFC 6455, 5.5.1).
            if not self._closing:
                super().sendall(data, flags)
        self._last = time.monotonic()
        return len(data)

    def sendall(self, data, flags=0):
        self.send(data, flags)

    def recv(self, size, flags=0):
        self._take()
        data = super().recv(size, flags)
        self._last = time.monotonic()
        return data

    def recv_into(self, buffer, size=0, flags=0):
        self._take()
        size = super().recv_into(buffer, size, flags)
        self._last = time.monotonic()
        return size

    def close(self):
        """Ends the connection, also for a thread that waits for data."""
        self._hang_up()
        super().close()

    def _take(self, data=b""):
        if self.taken:
            return
        if self._answer is None:
            raise RuntimeError("the request has ended, and its socket with it")
        self.taken = True
        # uWSGI's sockets do not block.
        self.setblocking(True)
        if self._thread == threading.get_ident():
            self._guard.end(self._answer)
            # The launcher sees it in the statistics: this request has no deadline.
            uwsgi.add_var("MICROSERVICE_WEBSOCKET", "open")
        self._upgraded = bytes(data[:12]) == b"HTTP/1.1 101"
        with _lock:
            _open.add(self)
        _watch()

    def end(self):
        """Ends it with its request."""
        self._answer = self._guard = None
        with _lock:
            _open.discard(self)
        if self.taken:
            self._hang_up()
        super().close()

    def _hang_up(self):
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It is closed already.
            pass

    def _check(self, now, leaving):
        """Sends the close frame when it is time, and ends the connection when the other side does not."""
        if self._closing:
            if now > self._closing + _CLOSING:
                self._hang_up()
        elif leaving or now > self._last + IDLE_LIMIT:
            # A thread that is stuck in sending holds the lock: the other side does not read.
            if self._sending.acquire(blocking=False):
                try:
                    self._closing = now
                    if self._upgraded:
                        super().send(_GOING_AWAY, socket.MSG_DONTWAIT)
                except OSError:
                    self._hang_up()
                finally:
                    self._sending.release()
            else:
                self._hang_up()


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
        leaving = bool(_LEAVING) and os.path.exists(_LEAVING)
        with _lock:
            if not _open:
                _watcher_of = 0
                return
            connections = list(_open)
        for connection in connections:
            connection._check(time.monotonic(), leaving)
