"""Tests the entry module with a real uWSGI: threads, no limits, alarms of the application's own, applications that fail."""

import concurrent.futures
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from real_uwsgi import Uwsgi, wait_for  # noqa: E402
from test_entry import APP, tearing_down  # noqa: E402

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Threads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = tearing_down(Uwsgi(APP, threads=4, MICROSERVICE_REQUEST_TIMEOUT="0.6")).ready()

    def test_only_the_guilty_thread_is_hit(self):
        pid = self.service.get("/pid").body
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            guilty = pool.submit(self.service.get, "/naps", "guilty", traceparent="00-%s-00f067aa0ba902b7-01" % TRACE)
            spinning = pool.submit(self.service.get, "/spin", "spinning")
            neighbours = [pool.submit(self.service.get, "/nap", "n%d" % n, query="0.4") for n in range(6)]
            for future in guilty, spinning:
                self.assertEqual(future.result().status, 504, self.service.text("err"))
                self.assertLess(future.result().seconds, 3)
            self.assertEqual({future.result().body for future in neighbours}, {pid})
        for id, inside in ("guilty", "time.sleep(0.02)"), ("spinning", "while True"):
            line = self.service.line("err", id=id, text="Request timed out")
            # The watcher's thread writes it on behalf of the request.
            self.assertEqual(line.trace, TRACE if id == "guilty" else "")
            record = line.json
            self.assertEqual(record["request_id"], id)
            self.assertIn(inside, record["stack"])
        # The worker and its other threads are not affected.
        self.assertEqual({self.service.get("/pid").body for _ in range(8)}, {pid})

    def test_a_request_that_finishes_at_its_deadline_leaves_the_next_alone(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            spans = [0.59 + 0.0005 * number for number in range(32)]
            replies = list(pool.map(lambda span: self.service.get("/nap", "edge", query=str(span)), spans))
            self.assertLessEqual({reply.status for reply in replies}, {200, 504})
            replies = list(pool.map(lambda _: self.service.get("/nap", "after", query="0.05"), range(40)))
        self.assertEqual({reply.status for reply in replies}, {200})

    def test_lines_of_threads_stay_whole(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: self.service.get("/print", "th%d" % n), range(40)))
        for number in range(40):
            id = "th%d" % number
            self.service.line("out", id=id, text="no end")
            mine = [line.text for line in self.service.lines("out") if line.id == id]
            self.assertEqual(mine, ["line %s %d" % (id, line) for line in range(20)] + ["no end"])


class WithoutLimits(unittest.TestCase):
    def test_nothing_is_added(self):
        with Uwsgi(APP).ready() as service:
            self.assertEqual(service.get("/nap", query="0.7").status, 200)
            service.get("/generator", id="plain")
            service.line("out", id="plain", text="in the generator at its end")
            service.get("/print", id="plain2")
            service.line("out", id="plain2", text="no end")


OWN_ALARM = """
import signal, time
def ring(*_): raise OSError("own alarm")
%s
def app(environ, start_response):
    %s
    try: time.sleep(float(environ["QUERY_STRING"]))
    except OSError as error: body = str(error).encode()
    else: body = b"slept"
    %s
    start_response("200 OK", [])
    return [body]
"""


class OwnAlarm(unittest.TestCase):
    def served(self, source, replies):
        with Uwsgi(source, MICROSERVICE_REQUEST_TIMEOUT="0.5").ready() as service:
            for query, body in replies:
                self.assertEqual(service.get("/", query=query).body, body)
            warnings = wait_for("the warning", lambda: service.records("warning"))
            self.assertEqual(len(warnings), 1)
            self.assertIn("SIGALRM", warnings[0]["message"])

    def test_set_at_import(self):
        arm = "signal.setitimer(signal.ITIMER_REAL, 0.2)"
        replies = [("0.8", b"own alarm"), ("0.8", b"own alarm"), ("0.05", b"slept")]
        self.served(OWN_ALARM % ("signal.signal(signal.SIGALRM, ring)", arm, "pass"), replies)

    def test_set_in_a_request(self):
        arm = "signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.2)"
        self.served(OWN_ALARM % ("", arm, "pass"), [("0.8", b"own alarm"), ("0.8", b"own alarm")])

    def test_set_and_restored(self):
        arm = "old = signal.signal(signal.SIGALRM, ring); signal.setitimer(signal.ITIMER_REAL, 0.2)"
        restore = "signal.setitimer(signal.ITIMER_REAL, 0); signal.signal(signal.SIGALRM, old)"
        self.served(OWN_ALARM % ("", arm, restore), [("0.8", b"own alarm"), ("0.1", b"slept")])


class Failures(unittest.TestCase):
    def test_each_has_a_clear_last_line(self):
        for source, code, last in (
            ("import nothing_of_this_name", 22, "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
            ("def (", 22, "SyntaxError"),
            ("x = 1", 22, "cannot find `app`"),
            ("app = 42", 22, "cannot use `app`"),
            ("import sys; sys.exit(3)", 3, "ended Python with sys.exit(), code 3"),
            ("raise SystemExit", 0, "ended Python with sys.exit(), code 0"),
            ("raise SystemExit('words')", 1, "ended Python with sys.exit(), code 1"),
            ("raise KeyboardInterrupt", 22, "KeyboardInterrupt"),
            ("raise BaseException('odd')", 22, "BaseException: odd"),
        ):
            with self.subTest(source), Uwsgi(source) as service:
                self.assertEqual(service.process.wait(20), code)
                self.assertIn(last, service.lines("err")[-1].text)
                self.assertIsNone(service.lines("err")[-1].pid)

    def test_a_limit_that_is_no_number(self):
        for value in "x", "-1", "nan", "inf":
            with self.subTest(value), Uwsgi(APP, MICROSERVICE_REQUEST_TIMEOUT=value) as service:
                self.assertEqual(service.process.wait(20), 22)
                self.assertIn("MICROSERVICE_REQUEST_TIMEOUT=" + value, service.lines("err")[-1].text)


if __name__ == "__main__":
    unittest.main()
