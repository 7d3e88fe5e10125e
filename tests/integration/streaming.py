"""Streams of unknown length that end in each way. The path names the way; state/ID counts the runs of a request."""
import os
import signal
import sys
import time

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
PLAIN = [("Content-Type", "text/plain")]
# More than nginx holds back, and nothing that compresses to less.
PIECE = "".join(str(number * number) for number in range(20000)).encode()


def note(name):
    with open(os.path.join(STATE, name), "ab", buffering=0) as file:
        file.write(b"x")


class Storm(BaseException):
    """Not an Exception."""


def fail():
    raise RuntimeError("in the middle of a stream")


def storm():
    raise Storm("in the middle of a stream")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def naps():
    while True:
        time.sleep(0.05)


ENDINGS = {
    "/exception": fail,
    "/base-exception": storm,
    "/exit": lambda: sys.exit("in the middle of a stream"),
    "/wrong-chunk": lambda: "text",
    "/kill": kill,
    "/crash": lambda: os._exit(1),
    "/naps": naps,
}


def stream(ending):
    yield PIECE
    result = ending()
    if result:
        yield result
    yield b"late"


def ticks():
    """Goes on for longer than any test waits, unless it is closed."""
    try:
        for number in range(20000):
            yield b"tick %d\n" % number
            note("ticking")
            time.sleep(0.01)
    finally:
        note("closed")


def app(environ, start_response):
    path = environ["PATH_INFO"]
    note(environ["HTTP_X_REQUEST_ID"])
    if path == "/pid":
        start_response("200 OK", PLAIN)
        return [str(os.getpid()).encode()]
    if path == "/ticks":
        start_response("200 OK", PLAIN)
        return ticks()
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return ticks()
    if path == "/write":
        start_response("200 OK", PLAIN)(PIECE)
        fail()
    if path == "/short":
        start_response("200 OK", PLAIN + [("Content-Length", str(len(PIECE) + 4))])
        return [PIECE]
    if path == "/length":
        start_response("200 OK", PLAIN + [("Content-Length", str(len(PIECE) + 4))])
        return stream(fail)
    start_response("200 OK", PLAIN)
    return stream(ENDINGS[path])
