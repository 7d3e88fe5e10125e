"""Unit tests of responses and deadlines, with a stand-in for the uwsgi module."""

import io
import json
import os
import pathlib
import signal
import sys
import threading
import time
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from units import Pipe, streams  # noqa: E402

import microservice_flask_answer as answers  # noqa: E402
import microservice_flask_deadline as deadline  # noqa: E402
import microservice_flask_records as records  # noqa: E402


class Sent:
    """uWSGI's side of a request."""

    def __init__(self):
        self.started = []
        self.body = []

    def start_response(self, status, headers):
        self.started.append((status, headers))
        return self.body.append


class Answers(Pipe):
    def setUp(self):
        super().setUp()
        self.old = signal.getsignal(signal.SIGALRM)
        self.addCleanup(signal.signal, signal.SIGALRM, self.old)
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        self.addCleanup(setattr, sys, "__stderr__", sys.__stderr__)
        sys.__stderr__ = self.stream
        self.guard = deadline.Timer(0.1)
        self.retired = []
        self.guard.retire = lambda _answer: self.retired.append(True)

    def call(self, application, guard=None, **environ):
        sent = Sent()
        for chunk in self.serve(application, sent, guard, **environ):
            sent.body.append(chunk)
        return sent

    def serve(self, application, sent, guard=None, **environ):
        raw = {"REQUEST_METHOD": "GET", "PATH_INFO": "/p", "HTTP_X_REQUEST_ID": "u", "wsgi.input": None}
        return answers.server(application, guard or self.guard, None)(dict(raw, **environ), sent.start_response)

    def records(self):
        return [json.loads(line) for line in self.written().splitlines()]

    def test_headers_wait_for_a_body(self):
        def application(environ, start_response):
            start_response("200 OK", [])
            start_response("500 Changed", [], (ValueError, ValueError(), None))
            return [b"", b"x"]

        sent = self.call(application)
        ((status, headers),) = sent.started
        self.assertEqual((status, dict(headers)["Transfer-Encoding"]), ("500 Changed", "chunked"))
        self.assertEqual(sent.body, [b"1\r\nx\r\n", b"0\r\n\r\n"])

    def test_exc_info_after_the_headers_raises_it(self):
        def application(environ, start_response):
            start_response("200 OK", [])(b"x")
            start_response("500 Late", [], (KeyError, KeyError("late"), None))

        sent = self.call(application)
        self.assertEqual(sent.body, [b"1\r\nx\r\n"])
        (record,) = self.records()
        self.assertEqual(record["message"], "GET /p failed: KeyError: 'late'; its response had begun and is cut")
        self.assertEqual(signal.getitimer(signal.ITIMER_REAL)[0], 0)

    def test_a_known_length_needs_no_chunks(self):
        def application(environ, start_response):
            start_response("200 OK", [("content-length", "2"), ("Connection", "close"), ("Transfer-Encoding", "chunked")])
            return [b"o", b"k"]

        sent = self.call(application)
        self.assertEqual(sent.body, [b"o", b"k"])
        self.assertEqual([name for name, _ in sent.started[0][1]], ["content-length", "Microservice-Answer"])

    def test_nothing_of_a_response_survives_its_request(self):
        kept = []

        def application(environ, start_response):
            kept.extend([start_response, start_response("200 OK", []), environ["wsgi.input"]])
            return [b"x"]

        self.call(application, CONTENT_LENGTH="5", **{"wsgi.input": io.BytesIO(b"12345")})
        self.assertRaisesRegex(RuntimeError, "has ended", kept[0], "200 OK", [])
        self.assertRaisesRegex(RuntimeError, "has ended", kept[1], b"late")
        self.assertRaisesRegex(RuntimeError, "has ended", kept[2].read)

    def test_a_write_that_outlasted_the_deadline_is_recorded(self):
        def application(environ, start_response):
            start_response("200 OK", [])
            return iter([b"x", b"y"])

        answer = self.serve(application, Sent(), PATH_INFO="/big")
        next(answer)
        # uWSGI's write was interrupted by the timer.
        signal.signal(signal.SIGALRM, self.guard.handler)
        self.guard._current.deadline = time.monotonic() - 0.1
        answer.close()
        (record,) = self.records()
        self.assertEqual(record["message"], "Request timed out after 0.1 s: GET /big; its response had begun and is cut")
        self.assertEqual(self.retired, [])

    def test_a_full_disk_refuses_what_would_need_it(self):
        closed = []

        class Body(list):
            def close(self):
                closed.append(True)

        def application(environ, start_response):
            length = environ["QUERY_STRING"]
            start_response("200 OK", [("Content-Length", length)] if length else [])
            return Body([b"x" * int(length or 7)])

        self.addCleanup(setattr, answers, "_DISK_FULL", answers._DISK_FULL)
        for path, expected in ((__file__, "503 Service Unavailable"), ("/not/there", "200 OK")):
            answers._DISK_FULL = path
            sent = self.call(application, QUERY_STRING="262145", HTTP_ACCEPT="application/json")
            ((status, headers),) = sent.started
            self.assertEqual(status, expected)
            self.assertRegex(dict(headers)["Microservice-Answer"], "disk_full$" if path == __file__ else "-$")
            self.assertEqual(dict(headers).get("Retry-After"), "10" if path == __file__ else None)
            self.assertEqual(self.call(application, QUERY_STRING="262144").started[0][0], "200 OK")
            head = self.call(application, QUERY_STRING="262145", REQUEST_METHOD="HEAD")
            self.assertEqual(head.started[0][0], "200 OK")
        self.assertEqual(len(closed), 6)
        self.assertEqual(self.records(), [])

    def test_with_a_full_disk_a_stream_begins_when_it_is_known_to_be_small(self):
        def application(environ, start_response):
            start_response(environ["status"], environ["headers"])
            return (b"x" * 1000 for _ in range(int(environ["QUERY_STRING"])))

        self.addCleanup(setattr, answers, "_DISK_FULL", answers._DISK_FULL)
        answers._DISK_FULL = __file__
        ask = {"status": "200 OK", "headers": []}
        small = self.call(application, QUERY_STRING="262", **ask)
        self.assertEqual(dict(small.started[0][1])["Content-Length"], "262000")
        self.assertEqual(small.body, [b"x" * 262000])
        large = self.call(application, QUERY_STRING="263", **ask)
        self.assertEqual((len(large.started), large.started[0][0]), (1, "503 Service Unavailable"))
        self.assertRegex(dict(large.started[0][1])["Microservice-Answer"], "disk_full$")
        empty = self.call(application, QUERY_STRING="0", **ask)
        self.assertEqual((dict(empty.started[0][1])["Content-Length"], empty.body), ("0", []))
        # What nginx does not keep on disk in any case.
        unbuffered = [("X-Accel-Buffering", "no"), ("Content-Length", "263000")]
        whole = self.call(application, QUERY_STRING="263", status="200 OK", headers=unbuffered)
        self.assertEqual((whole.started[0][0], len(whole.body)), ("200 OK", 263))
        events = self.call(application, QUERY_STRING="263", status="200 OK", headers=[("Content-Type", "text/event-stream")])
        self.assertEqual((events.started[0][0], len(events.body)), ("200 OK", 264))
        none = self.call(application, QUERY_STRING="3", status="304 Not Modified", headers=[])
        self.assertEqual((none.started[0][0], none.body), ("304 Not Modified", []))

    def test_close_is_called_once(self):
        closed = []

        class Result(list):
            def close(self):
                closed.append(signal.getitimer(signal.ITIMER_REAL)[0] > 0)

        def application(environ, start_response):
            start_response("200 OK", [])
            return Result([b"x"])

        self.call(application)
        self.assertEqual(closed, [True])
        self.assertEqual(signal.getitimer(signal.ITIMER_REAL)[0], 0)

    def test_an_object_that_hangs_between_chunks(self):
        ended = []

        def body():
            try:
                while True:
                    yield b""
                    time.sleep(0.01)
            finally:
                ended.append(True)

        class Application:
            def __call__(self, environ, start_response):
                start_response("200 OK", [])
                return body()

        sent = self.call(Application(), HTTP_ACCEPT="application/vnd.x+json")
        self.assertEqual(sent.started[0][0], "504 Gateway Timeout")
        self.assertEqual(json.loads(sent.body[-1])["request_id"], "u")
        self.assertEqual((ended, self.retired), ([True], [True]))
        (record,) = self.records()
        self.assertEqual((record["worker"], record["pid"], record["path"]), (3, os.getpid(), "/p"))

    def test_a_stray_alarm_does_nothing(self):
        def application(environ, start_response):
            os.kill(os.getpid(), signal.SIGALRM)
            time.sleep(0.01)
            start_response("200 OK", [])
            return [b"x"]

        self.assertEqual(self.call(application).body[0], b"1\r\nx\r\n")
        os.kill(os.getpid(), signal.SIGALRM)
        self.assertEqual(self.records(), [])

    def test_an_alarm_in_our_own_code_comes_again(self):
        answer = answers.Answer(self.guard, {"wsgi.input": None, "CONTENT_LENGTH": ""}, None)
        self.guard.begin(answer)
        answer.deadline = time.monotonic() - 0.01
        own = types.SimpleNamespace(f_code=answers.Answer.finish.__code__)
        for _ in range(5):
            self.guard._on_alarm(signal.SIGALRM, own)
            self.assertTrue(0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.01)
        self.guard.end(answer)
        self.guard._on_alarm(signal.SIGALRM, own)
        self.assertEqual((answer.expired, signal.getitimer(signal.ITIMER_REAL)[0]), (False, 0))

    def test_a_long_stack_is_cut_in_its_middle(self):
        def deep(level):
            if level:
                deep_again(level)
            time.sleep(1)

        def deep_again(level):
            deep(level - 1)

        sent = self.call(lambda environ, start_response: deep(200))
        self.assertEqual(sent.started[0][0][:3], "504")
        data = self.written()
        self.assertLess(len(data), 16 * 1024)
        stack = json.loads(data)["stack"]
        self.assertIn("[...]", stack)
        self.assertTrue(stack.rstrip().endswith("time.sleep(1)"))

    def test_threads_clear_what_has_not_arrived(self):
        # The deadline passes in a C call; the exception is pending when the request ends.
        watcher = deadline.Watcher(0.05)
        statuses = []

        def requests():
            for number in range(8):
                sent = self.call(lambda environ, start_response: time.sleep(0.07) or start_response("200 OK", []) and [b"x"], watcher)
                statuses.append(sent.started[0][0][:3])
                sent = self.call(lambda environ, start_response: start_response("200 OK", []) and [b"x"], watcher)
                statuses.append(sent.started[0][0][:3])

        thread = threading.Thread(target=requests)
        thread.start()
        thread.join(20)
        self.assertEqual(statuses, ["504", "200"] * 8)
        self.assertEqual(watcher._in_flight, {})


class Limits(unittest.TestCase):
    def test_accept(self):
        for accept, json_wanted in (
            ("application/json", True),
            ("text/html, application/problem+json;q=0.9", True),
            ("APPLICATION/JSON", True),
            ("text/html", False),
            ("*/*", False),
            ("", False),
        ):
            kind = dict(records.error_page({"HTTP_ACCEPT": accept}, 504, "Gateway Timeout")[1])["Content-Type"]
            self.assertEqual("json" in kind, json_wanted, accept)

    def test_a_hostile_id_is_not_repeated(self):
        page = records.error_page({"HTTP_X_REQUEST_ID": "<script>"}, 504, "Gateway Timeout")[2][0]
        self.assertNotIn(b"<script>", page)


if __name__ == "__main__":
    unittest.main()
