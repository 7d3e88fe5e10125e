"""An application whose threads and objects outlive their request and then look at what they have kept.

SLOTS requests meet in each path that says so, so that each thread of the server has served one of the first user's and
then serves one of the second's.
"""
import threading

from flask import Flask, copy_current_request_context, request

SLOTS = 1

app = Flask(__name__)
meeting = threading.Barrier(SLOTS)
second_user_is_here = threading.Event()
late_threads = []
found = []
kept = []
held = []
write_is_tried = threading.Event()


def attempt(read):
    try:
        return repr(read())
    except RuntimeError as error:
        return "RuntimeError: %s" % error
    except BaseException as error:
        return "another error: %r" % error


def look(environ):
    """What a thread sees of the request that started it, once another one is under way."""
    body = environ["wsgi.input"]
    return {
        "user": request.headers.get("X-User"),
        "cookie": request.cookies.get("session"),
        "query": request.args.get("q"),
        "environ": [environ.get("HTTP_X_USER"), environ.get("QUERY_STRING"), environ.get("CONTENT_LENGTH")],
        "own": environ.get("own"),
        "read": attempt(body.read),
        "read(3)": attempt(lambda: body.read(3)),
        "readline": attempt(body.readline),
        "readlines": attempt(body.readlines),
        "iteration": attempt(lambda: list(body)),
        "stream": attempt(request.stream.read),
    }


@app.route("/first", methods=["POST"])
def first():
    meeting.wait(20)
    environ = request.environ
    environ["own"] = request.headers["X-User"]

    @copy_current_request_context
    def later():
        second_user_is_here.wait(20)
        found.append(look(environ))

    thread = threading.Thread(target=later)
    thread.start()
    late_threads.append(thread)
    return "first"


@app.route("/second", methods=["POST"])
def second():
    meeting.wait(20)
    leaked = request.environ.get("own")
    second_user_is_here.set()
    for thread in late_threads:
        thread.join(20)
    return {"found": found, "body": request.get_data(as_text=True), "leaked": leaked}


def keeping(inner):
    """Keeps start_response and write() of one request, and uses them in another."""

    def keep(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        kept.append((start_response, write))
        return [b"kept"]

    def is_held(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % len(held)]

    def use(environ, start_response):
        results = []
        for old_start, old_write in kept:
            results.append(attempt(lambda: old_write(b"intruder")))
            attempt(lambda: old_start("403 Forbidden", [("X-Intruder", "yes")]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"mine"
        for old_start, old_write in kept:
            results.append(attempt(lambda: old_write(b"intruder")))
        yield ("\n" + "\n".join(results)).encode()

    def hold(environ, start_response):
        held.append(start_response("200 OK", [("Content-Type", "text/plain"), ("X-Intruder", "yes")]))
        write_is_tried.wait(20)
        return [b"held"]

    def reach(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        before = attempt(lambda: held[0](b"intruder"))
        yield b"mine\n"
        after = attempt(lambda: held[0](b"intruder"))
        write_is_tried.set()
        yield ("%s\n%s" % (before, after)).encode()

    def call(environ, start_response):
        paths = {"/keep": keep, "/use": use, "/hold": hold, "/reach": reach, "/held": is_held}
        return paths.get(environ["PATH_INFO"], inner)(environ, start_response)

    return call


app.wsgi_app = keeping(app.wsgi_app)
