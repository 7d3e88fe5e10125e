"""Tests the entry module with a real uWSGI. The unit tests are in test_units.py."""

import concurrent.futures
import json
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from real_uwsgi import Uwsgi, wait_for  # noqa: E402

APP = r'''
import faulthandler, os, subprocess, sys, threading, time, traceback
import uwsgi
try:
    from uwsgidecorators import postfork
except ImportError:
    # Debian has it in a package of its own. It does this:
    chain = []
    def run_chain():
        for function in chain: function()
    uwsgi.post_fork_hook = run_chain
    postfork = chain.append

@postfork
def after_fork():
    print("postfork of the application")

class Closing:
    """An iterable that tells when it is closed."""
    def __init__(self, chunks, name):
        self.chunks, self.name = iter(chunks), name
    def __iter__(self):
        return self
    def __next__(self):
        return next(self.chunks)
    def close(self):
        print("closed", self.name)
        if self.name == "slow-close":
            time.sleep(30)

def stream():
    yield b"first "
    time.sleep(30)
    yield b"never"

def endless(): 
    while True: pass

def naps():
    while True: time.sleep(0.02)

def swallow():
    while True:
        try: time.sleep(30)
        except Exception: pass

def generator():
    try:
        yield b"a"
        print("in the generator", end="")
        yield b"b"
    finally:
        print(" at its end")

def late():
    time.sleep(30)
    yield b"x"

def app(environ, start_response):
    path = environ["PATH_INFO"]
    say = lambda status="200 OK": start_response(status, [("Content-Type", "text/plain")])
    if path == "/pid": pass
    elif path == "/sleep":
        say()
        time.sleep(30)
    elif path == "/nap": time.sleep(float(environ["QUERY_STRING"]))
    elif path == "/spin": endless()
    elif path == "/naps": naps()
    elif path == "/swallow": swallow()
    elif path == "/read": os.read(os.pipe()[0], 1)
    elif path == "/write":
        say()(b"written ")
        return [b"body"]
    elif path == "/write-sleep":
        say()(b"written ")
        time.sleep(30)
    elif path == "/empty":
        say("204 No Content")
        return []
    elif path == "/bytes":
        say()
        return b"bytes"
    elif path == "/late":
        say()
        return Closing(late(), "late")
    elif path == "/stream":
        say()
        return Closing(stream(), "stream")
    elif path == "/slow-close":
        say()
        return Closing([b"whole"], "slow-close")
    elif path == "/generator":
        say()
        return generator()
    elif path == "/again":
        say()
        try: raise ValueError("first answer")
        except ValueError: start_response("500 Again", [], sys.exc_info())
        return [b"again"]
    elif path == "/baseexception":
        try: time.sleep(30)
        except BaseException: pass
        say()
        return [b"swallowed"]
    elif path == "/print":
        for number in range(20):
            print("line", environ["HTTP_X_REQUEST_ID"], number)
        print("no end", end="")
        print("to stderr", file=sys.stderr)
        print("to wsgi.errors", file=environ["wsgi.errors"])
    elif path == "/forge":
        print("\x1eforged;1;text\n\x1eforged;1;more")
    elif path == "/traceback":
        try: 1 / 0
        except ZeroDivisionError: traceback.print_exc()
    elif path == "/c":
        subprocess.run(["sh", "-c", "echo from a child >&2; echo child out"])
        os.write(2, b"written to 2\n")
        faulthandler.dump_traceback(file=2)
    elif path == "/raise":
        raise ValueError("of the application")
    say()
    return [str(os.getpid()).encode()]
'''


def tearing_down(service):
    unittest.addModuleCleanup(service.stop)
    return service


class OneRequestPerProcess(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = tearing_down(
            Uwsgi(APP, processes=6, MICROSERVICE_REQUEST_TIMEOUT="0.5")
        ).ready()

    def timed_out(self, path, **more):
        reply = self.service.get(path, id="t" + path[1:], **more)
        self.assertEqual(reply.status, 504, self.service.text("err"))
        self.assertTrue(0.45 < reply.seconds < 1.2, reply.seconds)
        return reply

    def record(self, path):
        return self.service.line("err", id="t" + path[1:], text='"Request timed out').json

    def test_what_hangs_is_answered_504_and_recorded(self):
        for path, inside in (
            ("/sleep", "time.sleep(30)"),
            ("/spin", "while True"),
            ("/swallow", "time.sleep(30)"),
            ("/read", "os.read"),
            ("/late", "time.sleep(30)"),
        ):
            with self.subTest(path):
                reply = self.timed_out(path, query="token=secret", Accept="application/json")
                self.assertEqual(
                    json.loads(reply.body), {"status": 504, "error": "Gateway Timeout", "request_id": "t" + path[1:]}
                )
                record = self.record(path)
                self.assertEqual(record["message"], "Request timed out after 0.5 s: GET " + path)
                self.assertEqual((record["method"], record["path"]), ("GET", path))
                self.assertIn(record["worker"], range(1, 7))
                self.assertGreaterEqual(record["age_seconds"], 0.5)
                self.assertIn(inside, record["stack"].splitlines()[-1])
                self.assertNotIn("microservice_flask", record["stack"])
                self.assertNotIn("secret", json.dumps(record))
        self.service.line("out", id="tlate", text="closed late")

    def test_a_page_for_people_and_no_body_for_head(self):
        reply = self.timed_out("/sleep", Accept="text/html")
        self.assertIn(b"<h1>504 Gateway Timeout</h1><p>Request tsleep</p>", reply.body)
        self.assertEqual(self.timed_out("/sleep", method="HEAD").body, b"")

    def test_a_stream_is_cut(self):
        reply = self.service.get("/stream", id="tstream")
        self.assertEqual((reply.status, reply.body, reply.whole), (200, b"first ", False))
        self.assertIn("time.sleep(30)", self.record("/stream")["stack"])
        self.service.line("out", id="tstream", text="closed stream")

    def test_an_answer_that_is_out_stays_whole(self):
        reply = self.service.get("/slow-close", id="tslow-close")
        self.assertEqual((reply.status, reply.body), (200, b"whole"))
        self.record("/slow-close")

    def test_code_that_swallows_everything_answers_itself(self):
        self.assertEqual(self.service.get("/baseexception", id="tbase").body, b"swallowed")

    def test_answers_of_every_kind(self):
        for path, status, body in (
            ("/write", 200, b"written body"),
            ("/empty", 204, b""),
            ("/bytes", 200, b"bytes"),
            ("/generator", 200, b"ab"),
            ("/again", 500, b"again"),
        ):
            with self.subTest(path):
                reply = self.service.get(path, id="kind")
                self.assertEqual((reply.status, reply.body, reply.whole), (status, body, True))
        self.service.line("out", id="kind", text="in the generator at its end")

    def test_a_client_that_leaves_is_no_timeout(self):
        self.service.connect("/nap", id="left", query="0.1").close()
        self.assertEqual(self.service.get("/pid").status, 200)
        self.assertEqual([r for r in self.service.records("error") if r["request_id"] == "left"], [])

    def test_how_long_a_request_has_waited_is_told(self):
        reply = self.service.get("/pid", start="t=%.3f" % (time.time() - 3.1))
        self.assertRegex(reply.headers["Microservice-Answer"], "^[1-6] 3[0-9]{3} -$")
        for start in ("t=", "nonsense"):
            reply = self.service.get("/pid", start=start)
            self.assertRegex(reply.headers["Microservice-Answer"], "^[1-6] 0 -$")

    def test_lines_carry_their_request(self):
        ids = ["r%d" % number for number in range(12)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda id: self.service.get("/print", id=id), ids))
        for id in ids:
            self.service.line("out", id=id, text="no end")
            mine = [line.text for line in self.service.lines("out") if line.id == id]
            self.assertEqual(mine, ["line %s %d" % (id, number) for number in range(20)] + ["no end"])
            mine = [line.text for line in self.service.lines("err") if line.id == id]
            self.assertEqual(mine, ["to stderr", "to wsgi.errors"])

    def test_a_head_cannot_be_forged(self):
        self.service.get("/forge", id="honest")
        line = self.service.line("out", id="honest", text="\x1eforged;1;text")
        self.assertTrue(line.more)
        self.assertFalse(self.service.line("out", id="honest", text="\x1eforged;1;more").more)
        self.assertEqual([line for line in self.service.lines("out") if line.id == "forged"], [])

    def test_a_traceback_is_one_record(self):
        self.service.get("/traceback", id="trace")
        self.service.line("err", id="trace", text="ZeroDivisionError")
        lines = [line for line in self.service.lines("err") if line.id == "trace"]
        self.assertEqual(lines[0].text, "Traceback (most recent call last):")
        self.assertEqual([line.more for line in lines], [True] * (len(lines) - 1) + [False])


    def test_descriptor_2_is_the_application_s(self):
        self.service.get("/c", id="c")
        for text in ("from a child", "written to 2", "most recent call first"):
            self.service.line("err", text=text)
        self.service.line("out", text="child out")
        self.assertNotIn("written to 2", self.service.text("uwsgi"))
        self.assertIn("spawned uWSGI worker", self.service.text("uwsgi"))

    def test_postfork_of_the_application_runs_in_each_worker(self):
        line = self.service.line("out", text="postfork of the application")
        self.assertEqual(line.id, "")
        self.assertGreaterEqual(len([l for l in self.service.lines("out") if "postfork" in l.text]), 6)


class Retirement(unittest.TestCase):
    def test_an_answer_that_was_begun_by_write_ends_its_worker_too(self):
        with Uwsgi(APP, processes=1, MICROSERVICE_REQUEST_TIMEOUT="0.5").ready() as service:
            before = service.get("/pid").body
            self.assertEqual(service.get("/write-sleep").body, b"written ")
            wait_for("another worker", lambda: service.get("/pid").body != before)

    def test_no_request_is_lost_and_none_comes_after(self):
        with Uwsgi(APP, processes=3, MICROSERVICE_REQUEST_TIMEOUT="0.5").ready() as service:
            stop = time.monotonic() + 4
            with concurrent.futures.ThreadPoolExecutor(8) as pool:

                def load(_):
                    replies = []
                    while time.monotonic() < stop:
                        begin = time.monotonic()
                        reply = service.get("/nap", query="0.002")
                        replies.append((begin, reply))
                    return replies

                running = [pool.submit(load, number) for number in range(4)]
                def hang(number):
                    reply = service.get("/sleep", "h%d" % number)
                    return time.monotonic(), reply

                hung = [pool.submit(hang, number) for number in range(4)]
                self.assertEqual([future.result()[1].status for future in hung], [504] * 4)
                self.assertEqual([future.result()[1].body[-8:] for future in hung], [b"</html>\n"] * 4)
                replies = [pair for future in running for pair in future.result()]
            self.assertEqual({reply.status for _, reply in replies}, {200})
            self.assertTrue(all(reply.body.isdigit() for _, reply in replies))
            self.assertGreater(len(replies), 200)
            answered = {"h%d" % number: future.result()[0] for number, future in enumerate(hung)}
            retired = {record["pid"]: answered[record["request_id"]] for record in service.records("error")}
            self.assertEqual(len(retired), 4)
            wait_for("retired workers to be gone", lambda: not any(os.path.exists("/proc/%d" % pid) for pid in retired))
            late = [reply for begin, reply in replies if begin > retired.get(int(reply.body), stop)]
            self.assertEqual(late, [])
            print("\nretirement: %d requests beside 4 timeouts, longest %.2f s" % (len(replies), max(r.seconds for _, r in replies)))


if __name__ == "__main__":
    unittest.main()
