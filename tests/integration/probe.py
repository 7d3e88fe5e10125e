"""A service that hangs, crashes and misbehaves on request."""
import ctypes
import hashlib
import json
import os
import signal
import sys
import threading
import time

from flask import Flask, Response, request

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
VERSION = "1"

app = Flask(__name__)


def note(name):
    """Appends one byte to a file that the test reads, to record that something has begun."""
    with open(os.path.join(STATE, name), "ab", buffering=0) as file:
        file.write(b"x")


def noted(name):
    try:
        return os.path.getsize(os.path.join(STATE, name))
    except FileNotFoundError:
        return 0


@app.before_request
def note_what_is_asked_for():
    if "note" in request.args:
        note(request.args["note"])


@app.route("/")
def index():
    return "probe\n"


@app.route("/version")
def version():
    return VERSION


@app.route("/pid")
def pid():
    return str(os.getpid())


@app.route("/delay/<float:seconds>")
@app.route("/delay/<int:seconds>")
def delay(seconds):
    start = time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    return {"pid": os.getpid(), "thread": threading.get_ident(), "start": start, "end": end}


@app.route("/until/<name>")
def until(name):
    """Answers once the test has written this file."""
    while not os.path.exists(os.path.join(STATE, name)):
        time.sleep(0.01)
    return "done"


@app.route("/hang", methods=["GET", "POST"])
def hang():
    time.sleep(3600)
    return "late"


@app.route("/spin")
def spin():
    while True:
        pass


@app.route("/naps")
def naps():
    while True:
        time.sleep(0.05)


@app.route("/c-hang")
def c_hang():
    hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2**31 - 1)
    return "late"


@app.route("/swallow")
def swallow():
    while True:
        try:
            time.sleep(0.05)
        except BaseException:
            pass


@app.route("/except-exception")
def except_exception():
    while True:
        try:
            time.sleep(0.05)
        except Exception:
            pass


@app.route("/segv", methods=["GET", "POST"])
def segv():
    ctypes.string_at(0)
    return "alive"


@app.route("/exit", methods=["GET", "POST"])
def exit_now():
    os._exit(1)


@app.route("/die-once/<name>", methods=["GET", "POST"])
def die_once(name):
    first = noted(name) == 0
    note(name)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "second try"


@app.route("/print/<int:lines>")
def print_lines(lines):
    for line in range(lines):
        print(f"printed {line}")
    return "printed"


@app.route("/tell/<number>", methods=["GET", "POST"])
def tell(number):
    print(f"out {number}")
    print(f"err {number}", file=sys.stderr)
    return "told"


@app.route("/say", methods=["POST"])
def say():
    stream = sys.stderr if request.args.get("to") == "stderr" else sys.stdout
    print(request.get_data(as_text=True), file=stream, flush=True)
    return "said"


@app.route("/say-raw", methods=["POST"])
def say_raw():
    os.write(2 if request.args.get("to") == "stderr" else 1, request.get_data())
    print("after it", file=sys.stderr if request.args.get("to") == "stderr" else sys.stdout)
    return "said"


@app.route("/boom")
def boom():
    raise ValueError("the probe was asked to fail")


@app.route("/headers")
def headers():
    strings = {key: value for key, value in request.environ.items() if isinstance(value, str)}
    body = {
        "headers": dict(request.headers),
        "environ": strings,
        "remote_addr": request.remote_addr,
        "url": request.url,
    }
    return Response(json.dumps(body), mimetype="application/json")


@app.route("/environment")
def environment():
    return dict(os.environ)


@app.route("/scheduler")
def scheduler():
    return {"policy": os.sched_getscheduler(0), "uid": os.getuid(), "pid": os.getpid()}


@app.route("/big/<int:size>")
def big(size):
    return Response(b"x" * size, mimetype="application/octet-stream")


@app.route("/text/<int:size>")
def text(size):
    return Response("y" * size, mimetype="text/plain")


@app.route("/post", methods=["POST"])
def post():
    return str(len(request.get_data()))


@app.route("/post-ignored", methods=["POST"])
def post_ignored():
    return "ignored"


@app.route("/stream/<int:pieces>")
def stream(pieces):
    def generate():
        for piece in range(pieces):
            yield f"piece {piece}\n"

    return Response(generate(), mimetype="text/plain")


@app.route("/stream-hang")
def stream_hang():
    def generate():
        yield "piece 0\n"
        time.sleep(3600)
        yield "late\n"

    return Response(generate(), mimetype="text/plain")
