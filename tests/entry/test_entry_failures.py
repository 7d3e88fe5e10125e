"""Tests the entry module with a real uWSGI: applications that fail, bodies that nobody reads, requests that outlive."""

import concurrent.futures
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from real_uwsgi import Uwsgi, wait_for  # noqa: E402
from test_entry import tearing_down  # noqa: E402

APP = r'''
import os, sys, threading, time
runs = open("runs", "ab", buffering=0)
kept = {}

def rows(error, *first):
    yield from first
    raise error

class Close:
    def __iter__(self): return iter([b"whole"])
    def close(self): raise ValueError("from close")

class Unprintable(Exception):
    def __str__(self): raise RuntimeError("no text")

class Meta(type):
    def __getattribute__(cls, name): raise RuntimeError("no attributes")

class NoClass(Exception, metaclass=Meta): pass

class NoTraceback(Exception):
    __traceback__ = property(lambda self: 1 / 0)

def fails(path, say, environ):
    if path == "/view": raise ValueError("from the view")
    if path == "/exit": sys.exit(3)
    if path == "/keyboard": raise KeyboardInterrupt
    if path == "/base": raise BaseException("base")
    if path == "/unprintable": raise Unprintable
    if path == "/deep": return fails("/deep", say, environ)
    if path == "/after-start": say(); raise ValueError("after start_response")
    if path == "/odd-environ":
        environ.update(REQUEST_METHOD=environ["REQUEST_METHOD"], PATH_INFO=5, SCRIPT_NAME=None)
        raise ValueError("odd environ")
    if path == "/first-chunk": say(); return rows(ValueError("first chunk"))
    if path == "/number": say(headers=[("X", 5)])
    if path == "/break": say(headers=[("X", "a\r\nSet-Cookie: evil=1")])
    if path == "/status": say(200)
    if path == "/str": say(); return ["text"]
    if path == "/ints": say(); return [1, 2]
    if path == "/none-chunk": say(); return [None]
    if path == "/none": say(); return None
    if path == "/no-start": return [b"body"]
    if path == "/write-str": say()("text")
    if path == "/late-start":
        def generator():
            yield b"too early"
            say()
        return generator()

def app(environ, start_response):
    path = environ["PATH_INFO"]
    runs.write(b"x")
    def say(status="200 OK", headers=[]): return start_response(status, [("Content-Type", "text/plain")] + headers)
    if path == "/pid": say(); return [str(os.getpid()).encode()]
    if path == "/cut": say(); return rows(ValueError("second chunk"), b"first")
    if path == "/cut-exit": say(); return rows(SystemExit(1), b"first")
    if path == "/cut-length": say(headers=[("Content-Length", "10")]); return rows(ValueError("x"), b"first")
    if path == "/cut-write": say()(b"first"); raise ValueError("after write")
    if path == "/close": say(headers=[("Content-Length", "5")]); return Close()
    if path == "/close-chunked": say(); return Close()
    if path == "/clear": environ.clear(); raise ValueError("cleared")
    if path == "/clear-well": say(); environ.clear(); return [b"well"]
    if path == "/no-class": raise NoClass
    if path == "/no-traceback": raise NoTraceback
    if path in ("/fork", "/fork-exit"):
        child = os.fork()
        if not child:
            if path == "/fork-exit": sys.exit(7)
            say(); return [b"of the child"]
        say(); return [b"child ended with %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
    if path == "/large": say(headers=[("X-Large", "x" * 200000)]); return [b"body"]
    if path == "/unread": say(headers=[("Content-Length", "4")]); return [b"done"]
    if path == "/unread-empty": say("204 No Content"); return []
    if path == "/unread-fails": raise ValueError("unread")
    if path == "/count": say(); return [str(len(environ)).encode()]
    if path == "/keep":
        kept["input"], kept["write"] = environ["wsgi.input"], say()
        return [b"kept"]
    if path == "/use":
        errors = []
        for use in (lambda: kept["input"].read(), lambda: kept["write"](b"of another")):
            try: use(); errors.append("none")
            except RuntimeError as error: errors.append(str(error))
        say()
        return [" ".join(errors).encode(), b" ", environ["wsgi.input"].read()]
    return fails(path, say, environ)
'''
FAILURES = {
    "/view": "ValueError: from the view",
    "/exit": "SystemExit: 3",
    "/keyboard": "KeyboardInterrupt",
    "/base": "BaseException: base",
    "/unprintable": "Unprintable",
    "/deep": "RecursionError",
    "/after-start": "ValueError: after start_response",
    "/odd-environ": "ValueError: odd environ",
    "/first-chunk": "ValueError: first chunk",
    "/number": "TypeError: the value of the header X must be text",
    "/break": "ValueError: the value of the header X cannot be sent",
    "/status": "TypeError: the status must be text",
    "/str": "TypeError: a response consists of bytes, not of str 'text'",
    "/ints": "TypeError: a response consists of bytes, not of int 1",
    "/none-chunk": "TypeError: a response consists of bytes, not of NoneType None",
    "/none": "TypeError: 'NoneType' object is not iterable",
    "/no-start": "RuntimeError: the application gave a response without calling start_response",
    "/write-str": "TypeError: a response consists of bytes, not of str 'text'",
    "/late-start": "RuntimeError: the application gave a response without calling start_response",
}


class Failing:
    """The same for each model; `service` is set by the classes."""

    def runs(self):
        return (self.service.folder / "src" / "runs").stat().st_size

    def test_a_failure_is_answered_500_and_the_worker_lives(self):
        pid = self.service.get("/pid").body
        for path, words in FAILURES.items():
            for method in "GET", "PUT":
                with self.subTest(path, method=method):
                    before, id = self.runs(), "f%s%s" % (path[1:], method)
                    reply = self.service.get(path, id=id, method=method, Accept="application/json")
                    self.assertEqual((reply.status, reply.whole), (500, True))
                    self.assertEqual(
                        json.loads(reply.body), {"status": 500, "error": "Internal Server Error", "request_id": id}
                    )
                    self.assertNotIn("Set-Cookie", reply.headers)
                    self.assertEqual(self.runs(), before + 1)
                    records = [r for r in self.service.records("error") if r["request_id"] == id]
                    self.assertEqual(len(records), 1)
                    shown = "None5" if path == "/odd-environ" else path
                    self.assertTrue(records[0]["message"].startswith("%s %s failed: " % (method, shown)))
                    self.assertIn(words, records[0]["message"])
                    self.assertNotIn("microservice_flask", records[0]["traceback"])
        self.assertEqual(self.service.get("/pid").body, pid)

    def test_an_exception_of_which_nothing_can_be_read(self):
        pid = self.service.get("/pid").body
        for path in "/no-class", "/no-traceback":
            self.assertEqual(self.service.get(path).status, 500)
        self.assertEqual(self.service.get("/pid").body, pid)

    def test_a_forked_process_neither_answers_nor_serves(self):
        for path, code in ("/fork", 0), ("/fork-exit", 7):
            self.assertEqual(self.service.get(path).body, b"child ended with %d" % code)

    def test_an_application_may_empty_its_environ(self):
        self.assertEqual(self.service.get("/clear").status, 500)
        self.assertEqual(self.service.get("/clear-well").body, b"well")

    def test_a_traceback_begins_in_the_application(self):
        self.service.get("/view", id="trace")
        lines = self.service.line("err", id="trace").json["traceback"].splitlines()
        self.assertEqual(lines[0], "Traceback (most recent call last):")
        self.assertRegex(lines[1], r'File ".*/src/main.py", line \d+, in app')
        self.assertEqual(lines[-1], "ValueError: from the view")

    def test_a_cut_response_is_not_whole(self):
        for path in "/cut", "/cut-exit", "/cut-length", "/cut-write":
            with self.subTest(path):
                reply = self.service.get(path, id="c" + path[1:])
                self.assertEqual((reply.status, reply.body, reply.whole), (200, b"first", False))
                record = self.service.line("err", id="c" + path[1:]).json
                self.assertTrue(record["message"].endswith("; its response had begun and is cut"), record)

    def test_an_error_in_close_does_not_change_the_response(self):
        for path in "/close", "/close-chunked":
            reply = self.service.get(path, id="c" + path[1:])
            self.assertEqual((reply.status, reply.body, reply.whole), (200, b"whole", True))
            message = self.service.line("err", id="c" + path[1:]).json["message"]
            self.assertEqual(message, "GET %s failed: ValueError: from close; its response is complete" % path)

    def test_headers_that_are_too_large(self):
        reply = self.service.get("/large", id="large")
        self.assertEqual(reply.status, 502)
        self.assertIn("response_headers_too_large", reply.headers["Microservice-Answer"])
        self.assertIn("at most 64000 can be sent", self.service.line("err", id="large").json["message"])

    def test_many_headers_of_a_request(self):
        count = lambda number: self.service.get("/count", id="n%d" % number, lines=["X-%d: y" % n for n in range(number)])
        self.assertGreater(int(count(900).body), 900)
        for number in 1000, 2500:
            self.assertEqual(count(number).status, 431)
            self.assertIn("more than 1000", self.service.line("err", id="n%d" % number).json["message"])

    def test_a_body_that_nobody_reads(self):
        for path, status in ("/unread", 200), ("/unread-empty", 204), ("/unread-fails", 500):
            for size in 10, 5000, 300000, 3000000:
                with self.subTest(path, size=size):
                    reply = self.service.get(path, method="POST", body=b"x" * size)
                    self.assertEqual((reply.status, reply.whole), (status, True))

    def test_what_outlives_its_request_is_dead(self):
        for _ in range(8):
            self.service.get("/keep", method="POST", body=b"of the first")
        reply = self.service.get("/use", method="POST", body=b"of the second")
        self.assertEqual(reply.body.count(b"has ended"), 2, reply.body)
        self.assertTrue(reply.body.endswith(b" of the second"))


class InProcesses(Failing, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = tearing_down(Uwsgi(APP, MICROSERVICE_REQUEST_TIMEOUT="20")).ready()


class InThreads(Failing, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = tearing_down(Uwsgi(APP, threads=4, MICROSERVICE_REQUEST_TIMEOUT="20")).ready()


class WithoutDeadline(Failing, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = tearing_down(Uwsgi(APP)).ready()


if __name__ == "__main__":
    unittest.main()
