"""What does a service that answers with one word use under load? For bench/request and bench/telemetry.

Needs wrk (apt-get install wrk).
"""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

APP = """from flask import Flask
app = Flask(__name__)
@app.route("/")
def hello(): return "hello"
"""
CONFIG = '{"use_nginx": true, "nginx_config": {"wsgi_worker_threads_count": 4}}'
PORT = 27100
TICK = os.sysconf("SC_CLK_TCK")

# CPU seconds of a service, by program; all processes of the application are uwsgi.
Cpu = collections.namedtuple("Cpu", "launcher nginx uwsgi")


def need_wrk(parser):
    if not shutil.which("wrk"):
        parser.error("wrk is missing: apt-get install wrk")


def cpu_seconds(root):
    """CPU seconds of a launcher and of all its descendants."""
    children, seconds = collections.defaultdict(list), {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            # It has ended.
            continue
        fields = text.rpartition(")")[2].split()
        children[int(fields[1])].append(int(folder.name))
        name = text[text.index("(") + 1 : text.rindex(")")]
        # proc(5): utime, stime, and those of the children that were waited for.
        seconds[int(folder.name)] = name.startswith("nginx"), sum(map(int, fields[11:15])) / TICK
    nginx, uwsgi, todo = 0.0, 0.0, list(children[root])
    while todo:
        pid = todo.pop()
        todo += children[pid]
        is_nginx, spent = seconds[pid]
        nginx, uwsgi = (nginx + spent, uwsgi) if is_nginx else (nginx, uwsgi + spent)
    return Cpu(seconds[root][1], nginx, uwsgi)


def load(connections, seconds, port=PORT):
    """Requests answered, and wrk's report."""
    address = "http://127.0.0.1:%d/" % port
    command = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--latency", address]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in report or "Socket errors" in report:
        raise SystemExit("requests failed:\n" + report)
    return int(re.search(r"(\d+) requests in", report)[1]), report


@contextlib.contextmanager
def folder():
    """A service that answers with one word."""
    with tempfile.TemporaryDirectory(prefix="bench-") as service:
        os.chmod(service, 0o755)
        for name, text in (("src/main.py", APP), ("config/config.json", CONFIG)):
            path = pathlib.Path(service, name)
            path.parent.mkdir()
            path.write_text(text)
        yield service


def is_ready(control):
    """Asks on the control socket, which is there without an admin address too."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(1)
        try:
            stream.connect(control)
            stream.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in stream.recv(1000)
        except OSError:
            # It is not there yet.
            return False


@contextlib.contextmanager
def running(launcher, service, port=PORT, has_admin=True):
    """The process number of a launcher whose service is ready. The admin address has the next port."""
    with tempfile.TemporaryDirectory(prefix="bench-") as runtime:
        os.chmod(runtime, 0o755)
        command = [launcher, "run", "--app", service, "--listen", "127.0.0.1:%d" % port]
        command += ["--admin", "127.0.0.1:%d" % (port + 1) if has_admin else "off"]
        command += ["--runtime-dir", runtime + "/run", "--log-format", "json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(200):
                if is_ready(runtime + "/run/control.sock"):
                    break
                # Not ready: the interval between two polls.
                time.sleep(0.1)
            else:
                raise SystemExit("%s is not ready after 20 s: run it by hand to see why" % launcher)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def measure(pid, connections, seconds, port=PORT):
    """Requests answered, the CPU seconds for them, and wrk's report."""
    before = cpu_seconds(pid)
    requests, report = load(connections, seconds, port)
    after = cpu_seconds(pid)
    return requests, Cpu(*(end - begin for begin, end in zip(before, after))), report
