"""An application that fails in each way that the server has to answer for. The path names the way."""
import os
import sys

from flask import Flask, Response, request

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
METHODS = ["GET", "POST", "PUT", "DELETE"]
PLAIN = [("Content-Type", "text/plain")]

flask_app = Flask(__name__)
flask_app.config["PROPAGATE_EXCEPTIONS"] = True


class Storm(BaseException):
    """Not an Exception, so that nothing in Flask handles it."""


@flask_app.route("/view", methods=METHODS)
def view():
    raise RuntimeError("from the view")


@flask_app.route("/exit", methods=METHODS)
def leave():
    sys.exit("no more rum")


@flask_app.route("/exit-0")
def leave_quietly():
    sys.exit(0)


@flask_app.route("/interrupt")
def interrupt():
    raise KeyboardInterrupt


@flask_app.route("/storm")
def storm():
    raise Storm("from the sea")


@flask_app.route("/teardown", methods=METHODS)
def teardown():
    return "done"


@flask_app.teardown_request
def tear_down(_error):
    if request.path == "/teardown":
        raise RuntimeError("from teardown")


@flask_app.route("/first-chunk", methods=METHODS)
def first_chunk():
    def rows():
        raise RuntimeError("from the first chunk")
        yield ""

    return Response(rows(), mimetype="text/csv")


@flask_app.route("/name-of-a-file")
def name_of_a_file():
    headers = {"Content-Disposition": "attachment; filename=\"\u62a5.csv\""}
    return Response("a,b\n", mimetype="text/csv", headers=headers)


@flask_app.route("/close")
def close():
    response = Response("whole")
    response.call_on_close(fail_to_close)
    return response


def fail_to_close():
    raise RuntimeError("from close")


HEADERS = {
    "not-latin-1": ("X-Name", "\u4f60\u597d"),
    "number": ("X-Name", 5),
    "none": ("X-Name", None),
    "bytes": ("X-Name", b"name"),
    "line-break": ("X-Name", "a\r\nX-Other: b"),
    "line-feed": ("X-Name", "a\nX-Other: b"),
    "zero": ("X-Name", "a\0b"),
    "space-in-name": ("X Name", "a"),
    "line-break-in-name": ("X-Name: a\r\nX-Other", "b"),
    "three": ("X-Name", "a", "b"),
}
STATUSES = {
    "number": 200,
    "none": None,
    "not-latin-1": "200 \u4f60\u597d",
    "line-break": "200 OK\r\nX-Other: b",
    "words": "All is well",
}
CHUNKS = {"text": "text", "number": 5, "none": None}
RESULTS = {"none": None, "number": 5, "text": "text"}


def rows(start_response):
    start_response("200 OK", PLAIN)
    yield b""
    raise RuntimeError("from after an empty chunk")


def dispatch(environ, start_response):
    path = environ["PATH_INFO"]
    _, kind, name = (path + "/").split("/")[:3]
    if path == "/middleware":
        raise KeyError("from middleware")
    if path == "/started":
        start_response("200 OK", PLAIN)
        raise RuntimeError("from after start_response")
    if path == "/empty-chunk":
        return rows(start_response)
    if path == "/silent":
        return [b"body"]
    if kind == "header":
        start_response("200 OK", PLAIN + [HEADERS[name]])
        return [b"body"]
    if kind == "status":
        start_response(STATUSES[name], PLAIN)
        return [b"body"]
    if kind == "chunk":
        start_response("200 OK", PLAIN)
        return [CHUNKS[name]]
    if kind == "result":
        start_response("200 OK", PLAIN)
        return RESULTS[name]
    return flask_app(environ, start_response)


def app(environ, start_response):
    if environ["PATH_INFO"] == "/pid":
        start_response("200 OK", PLAIN)
        return [str(os.getpid()).encode()]
    with open(os.path.join(STATE, environ["HTTP_X_REQUEST_ID"]), "ab", buffering=0) as file:
        file.write(b"x")
    return dispatch(environ, start_response)
