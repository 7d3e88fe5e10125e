"""Unit tests of the streams and deadlines, with a stand-in for the uwsgi module."""

import fcntl
import io
import json
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "uwsgi"))
sys.modules.setdefault("uwsgi", types.SimpleNamespace(opt={}, worker_id=lambda: 3))
import microservice_flask_deadline as deadline  # noqa: E402
import microservice_flask_streams as streams  # noqa: E402


class Pipe(unittest.TestCase):
    def setUp(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        fcntl.fcntl(self.writer, 1031, 1 << 20)  # F_SETPIPE_SZ has its name from Python 3.10 on.
        self.stream = streams.TextStream(self.writer, "<test>")
        self.addCleanup(self.clean)

    def clean(self):
        streams._streams.remove(self.stream)
        streams._worker = 0
        streams.request_id.set("")
        os.close(self.reader)
        os.close(self.writer)

    def written(self):
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""

    def worker(self, id=""):
        streams.in_worker()
        streams.request_id.set(id)
        streams._mark = b"\x1enonce;"
        return b"\x1enonce;%b;%d;" % (id.encode(), os.getpid()), b"\x1enonce;%b;%d+;" % (id.encode(), os.getpid())


class Streams(Pipe):
    def test_a_line_waits_for_its_end(self):
        print("a", end="", file=self.stream)
        self.assertEqual(self.written(), b"")
        print("b", file=self.stream)
        self.assertEqual(self.written(), b"ab\n")
        print("c", end="", file=self.stream)
        self.stream.flush()
        self.assertEqual(self.written(), b"c\n")
        self.stream.flush()
        self.assertEqual(self.written(), b"")

    def test_heads(self):
        head, more = self.worker("id-1")
        print("a\nb\n\nc", file=self.stream)
        self.assertEqual(self.written(), more + b"a\n" + more + b"b\n" + more + b"\n" + head + b"c\n")
        head, _ = self.worker("")
        print("a", file=self.stream)
        self.assertEqual(self.written(), head + b"a\n")

    def test_an_id_that_is_none(self):
        head, _ = self.worker("")
        for id in "a b", "x;1;", "a\n", "ä", "a" * 129, "\x1e":
            streams.request_id.set(id)
            print("a", file=self.stream)
            self.assertEqual(self.written(), head + b"a\n")

    def test_writes_fit_a_pipe(self):
        self.worker("id")
        sizes = []
        original, streams._write = streams._write, lambda _, data: sizes.append(data)
        self.addCleanup(setattr, streams, "_write", original)
        print("\n".join(["x" * 99] * 200), file=self.stream)
        self.assertLessEqual(max(map(len, sizes)), 4096)
        self.assertTrue(all(data.endswith(b"\n") for data in sizes))
        self.assertEqual(sum(data.count(b"\n") for data in sizes), 200)
        del sizes[:]
        print("y" * 10000, file=self.stream)
        self.assertEqual(len(sizes), 1)

    def test_a_text_without_end_does_not_wait_for_ever(self):
        self.stream.write("x" * 70000)
        self.assertEqual(len(self.written()), 70001)
        print("x", file=self.stream)
        print("y" * 70000, file=self.stream)
        print(file=self.stream)
        self.assertEqual(self.written(), b"x\n" + b"y" * 70000 + b"\n\n")

    def test_a_traceback_is_one_record(self):
        head, more = self.worker("id")
        whole = streams._as_one_record(traceback.print_exception)
        try:
            1 / 0
        except ZeroDivisionError as error:
            whole(type(error), error, error.__traceback__, file=self.stream)
        lines = self.written().splitlines()
        self.assertTrue(all(line.startswith(more) for line in lines[:-1]))
        self.assertEqual(lines[-1], head + b"ZeroDivisionError: division by zero")

    def test_bytes_and_text_keep_their_order(self):
        self.stream.write("a")
        self.stream.buffer.write(b"\xff")
        self.stream.buffer.write(bytearray(b"b\nc"))
        self.assertEqual(self.written(), b"a\xffb\n")
        self.stream.buffer.flush()
        self.assertEqual(self.written(), b"c\n")

    def test_it_is_a_text_stream(self):
        stream = self.stream
        self.assertIsInstance(stream, io.TextIOBase)
        self.assertEqual((stream.encoding, stream.isatty(), stream.fileno()), ("utf-8", False, self.writer))
        self.assertTrue(stream.writable() and stream.line_buffering and not stream.readable())
        self.assertEqual(stream.write("äö"), 2)
        for wrong in (b"bytes", 5, None):
            self.assertRaises(TypeError, stream.write, wrong)
        self.assertRaises(TypeError, stream.buffer.write, "text")
        stream.reconfigure(encoding="utf-8", line_buffering=True)
        stream.close()
        stream.writelines(["a\n", "b\n"])
        print("\udce4", file=stream)
        self.assertEqual(self.written(), "äö\na\nb\n\\udce4\n".encode())
        with io.TextIOWrapper(stream.buffer, encoding="utf-8") as other:
            other.write("wrapped\n")
        self.assertEqual(self.written(), b"wrapped\n")
        self.assertFalse(stream.closed)

    def test_a_thread_s_last_words(self):
        thread = threading.Thread(target=lambda: self.stream.write("last words"))
        thread.start()
        thread.join()
        self.assertEqual(self.written(), b"last words\n")

    def test_a_child_does_not_repeat_what_its_parent_began(self):
        self.worker("id")
        self.stream.write("begun")
        pid = os.fork()
        if not pid:
            streams.in_worker()
            self.stream.write("child\n")
            os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(self.written(), b"\x1enonce;id;%d;child\n" % pid)
        self.stream.flush()
        self.assertEqual(self.written(), b"\x1enonce;id;%d;begun\n" % os.getpid())

    def test_a_reader_that_is_slow_or_gone(self):
        os.set_blocking(self.writer, False)
        thread = threading.Thread(target=lambda: print("x" * 2000000, file=self.stream))
        thread.start()
        size, end = 0, time.monotonic() + 10
        while size < 2000001 and time.monotonic() < end:
            size += len(self.written())
        thread.join()
        self.assertEqual(size, 2000001)
        reader, writer = os.pipe()
        os.close(reader)
        gone = streams.TextStream(writer, "<gone>")
        print("nobody reads", file=gone)
        streams._streams.remove(gone)
        os.close(writer)


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
        self.guard.retire = lambda: self.retired.append(True)

    def call(self, application, guard=None, **environ):
        sent = Sent()
        environ = dict({"REQUEST_METHOD": "GET", "PATH_INFO": "/p", "HTTP_X_REQUEST_ID": "u"}, **environ)
        answer = deadline.Answer(guard or self.guard, environ, sent.start_response).run(application)
        try:
            for chunk in answer:
                sent.body.append(chunk)
        finally:
            answer.close()
        return sent

    def records(self):
        return [json.loads(line) for line in self.written().splitlines()]

    def test_headers_wait_for_a_body(self):
        def application(environ, start_response):
            start_response("200 OK", [])
            start_response("500 Changed", [], (ValueError, ValueError(), None))
            return [b"", b"x"]

        sent = self.call(application)
        self.assertEqual(sent.started, [("500 Changed", [])])
        self.assertEqual(sent.body, [b"", b"x"])

    def test_exc_info_after_the_headers_raises_it(self):
        def application(environ, start_response):
            start_response("200 OK", [])(b"x")
            start_response("500 Late", [], (KeyError, KeyError("late"), None))

        self.assertRaises(KeyError, self.call, application)
        self.assertEqual(signal.getitimer(signal.ITIMER_REAL)[0], 0)

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

        self.assertEqual(self.call(application).body, [b"x"])
        os.kill(os.getpid(), signal.SIGALRM)
        self.assertEqual(self.records(), [])

    def test_an_alarm_in_our_own_code_comes_again(self):
        answer = deadline.Answer(self.guard, {}, None)
        self.guard.begin(answer)
        answer.deadline = time.monotonic() - 0.01
        own = types.SimpleNamespace(f_code=deadline.Answer.run.__code__)
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
            kind = dict(deadline.error_page({"HTTP_ACCEPT": accept}, 504, "Gateway Timeout")[1])["Content-Type"]
            self.assertEqual("json" in kind, json_wanted, accept)

    def test_a_hostile_id_is_not_repeated(self):
        page = deadline.error_page({"HTTP_X_REQUEST_ID": "<script>"}, 504, "Gateway Timeout")[2][0]
        self.assertNotIn(b"<script>", page)

    def test_waiting(self):
        now = time.time()
        for start, late in (("t=%.3f" % (now - 5), True), ("t=%.3f" % now, False), ("", False), ("t=x", False), ("5", False)):
            self.assertEqual(deadline.waited_too_long({"HTTP_X_REQUEST_START": start}, 2), late, start)
        self.assertFalse(deadline.waited_too_long({}, 2))


if __name__ == "__main__":
    unittest.main()
