"""Answers with the environ, and with what a server may not leave out of it."""
import json

STRINGS = (str, bool, int)


def app(environ, start_response):
    body = {key: value if isinstance(value, STRINGS) else repr(value) for key, value in environ.items()}
    # uWSGI's own keys may be bytes; all others are text or objects of WSGI.
    body["bytes"] = [key for key, value in environ.items() if isinstance(value, bytes) and not key.startswith("uwsgi.")]
    body["type"] = type(environ).__name__
    body["wsgi.version"] = list(environ["wsgi.version"])
    for name, methods in (
        ("wsgi.input", ("read", "readline", "readlines", "__iter__")),
        ("wsgi.errors", ("flush", "write", "writelines")),
    ):
        body[name] = [method for method in methods if callable(getattr(environ[name], method, None))]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
