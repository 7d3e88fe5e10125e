"""Runs the entry module with a real uWSGI and connects to it as nginx does."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MODULES = pathlib.Path(__file__).resolve().parents[2] / "uwsgi"
# Another build: MICROSERVICE_TEST_UWSGI=/venv/bin/uwsgi
PROGRAM = os.environ.get("MICROSERVICE_TEST_UWSGI", "uwsgi")
_OPTIONS = """\
--strict --master --enable-threads --py-call-uwsgi-fork-hooks --single-interpreter --need-app --buffer-size=65535
--max-vars=4096 --socket-timeout=30 --close-on-exec --ignore-sigpipe --ignore-write-errors
--disable-write-exception --wsgi-disable-file-wrapper --die-on-term --no-orphans --forkbomb-delay=0
--disable-logging --module=microservice_flask_entry:application
""".split()
NONCE = "nonce-of-a-test_"
_HEAD = re.compile(rb"\x1e" + NONCE.encode() + rb";([A-Za-z0-9._-]{0,128})(?:/([0-9a-f]{32})?)?;(\d{1,10})(\+?);")


def wait_for(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("waited for " + what)
        time.sleep(0.005)


def _without_locale():
    """As the launcher's base image has none, no test may need one."""
    return {name: value for name, value in os.environ.items() if name != "LANG" and not name.startswith("LC_")}


class Reply:
    def __init__(self, raw, seconds):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1]) if lines[0] else 0
        self.headers = dict(line.split(": ", 1) for line in lines[1:])
        self.seconds = seconds
        # Whether the response says where it ends, and whether it ends there.
        self.whole, self.body = True, body
        self.ends = False
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.whole, self.body = _unchunked(body)
            self.ends = self.whole
        elif "Content-Length" in self.headers:
            self.ends = self.whole = len(body) == int(self.headers["Content-Length"])


def _is_complete(raw, method):
    head, end, _ = raw.partition(b"\r\n\r\n")
    if not end:
        return False
    return method == "HEAD" or head.split()[1] in (b"204", b"304") or Reply(raw, 0).ends


def _unchunked(data):
    chunks = []
    while True:
        size, _, data = data.partition(b"\r\n")
        if not size:
            return False, b"".join(chunks)
        size = int(size, 16)
        if not size:
            return data == b"\r\n", b"".join(chunks)
        chunks.append(data[:size])
        data = data[size + 2 :]


class Line:
    """A line of the application, split into its head and text."""

    def __init__(self, raw):
        match = _HEAD.match(raw)
        self.id = match and match[1].decode()
        self.trace = match and (match[2] or (match[1] if b"/;" in match[0] else b"")).decode()
        self.pid = int(match[3]) if match else None
        self.more = bool(match and match[4])
        self.text = raw[match.end() if match else 0 :].decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text) if self.text.startswith("{") else {}


class Uwsgi:
    def __init__(self, source, processes=1, threads=1, modules=MODULES, options=(), **environment):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="entry-test-"))
        (self.folder / "src").mkdir()
        (self.folder / "src" / "main.py").write_text(source)
        self.path = str(self.folder / "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(200)
        listener.setblocking(False)
        plugins = ["--plugins=python3"] if os.path.realpath(shutil.which(PROGRAM)).startswith("/usr/bin/") else []
        with open(self.folder / "out", "ab") as out, open(self.folder / "err", "ab") as err, open(
            self.folder / "uwsgi", "ab"
        ) as own:
            os.set_inheritable(err.fileno(), True)
            os.set_inheritable(listener.fileno(), True)
            self.process = subprocess.Popen(
                [PROGRAM, *plugins, *_OPTIONS, *options]
                + ["--processes=%d" % processes, "--threads=%d" % threads, "--http-socket=fd://%d" % listener.fileno()]
                + ["--pythonpath=%s" % modules, "--stats=%s" % (self.folder / "stats")],
                cwd=self.folder / "src",
                env=dict(
                    _without_locale(),
                    MICROSERVICE_APP_STDERR_FD=str(err.fileno()),
                    MICROSERVICE_LOG_NONCE=NONCE,
                    MICROSERVICE_APP_SOCKET_FD=str(listener.fileno()),
                    **environment,
                ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=own,
                close_fds=False,
                start_new_session=True,
            )
        listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def ready(self):
        try:
            wait_for("uWSGI to serve", lambda: self.process.poll() is not None or self._accepting())
            assert self.process.poll() is None, self.text("err") + self.text("uwsgi")
        except BaseException:
            # `__exit__` is not called if `__enter__` fails.
            self.stop()
            raise
        return self

    def _accepting(self):
        try:
            with socket.socket(socket.AF_UNIX) as stats:
                stats.connect(str(self.folder / "stats"))
                text = b"".join(iter(lambda: stats.recv(65536), b""))
        except OSError:
            return False
        return all(worker["accepting"] for worker in json.loads(text)["workers"])

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self, name):
        return (self.folder / name).read_text(errors="replace")

    def lines(self, name):
        """The complete lines: of one that is being written, a reader may see the first half."""
        complete, _, _ = (self.folder / name).read_bytes().rpartition(b"\n")
        return [Line(raw) for raw in complete.split(b"\n") if raw]

    def line(self, name, **wanted):
        """Waits for the first line whose fields (`text`: contains) are these."""

        def find():
            for line in self.lines(name):
                if all(value in line.text if key == "text" else getattr(line, key) == value for key, value in wanted.items()):
                    return line
            return None

        return wait_for("%s in %s: %s" % (wanted, name, self.text(name)[-2000:]), find)

    def records(self, level):
        return [line.json for line in self.lines("err") if line.json.get("level") == level]

    def connect(self, path, id="", method="GET", query="", body=b"", passed=None, start="", lines=(), **headers):
        """`passed` is nginx's header Microservice-Request, `start` its time of the request."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(self.path)
        target = path + ("?" + query if query else "")
        if passed is None:
            passed = "10.0.0.9 5555 8080 http 0 %s HTTP/1.1 %s test %s ." % (start or "t=%.3f" % time.time(), id, target)
        head = ["%s %s HTTP/1.1" % (method, target), "Microservice-Request: " + passed, "Host: test"]
        head += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()] + list(lines)
        if body:
            head.append("Content-Length: %d" % len(body))
        connection.sendall("\r\n".join(head + ["", ""]).encode("latin-1") + body)
        return connection

    def get(self, path, id="", **more):
        begin = time.monotonic()
        with self.connect(path, id, **more) as connection:
            raw = b""
            # As nginx does it: the connection is closed as soon as the response is complete.
            while True:
                data = connection.recv(65536)
                raw += data
                if not data or _is_complete(raw, more.get("method")):
                    break
        return Reply(raw, time.monotonic() - begin)
