"""Unit tests of the application's stdout and stderr, with a stand-in for the uwsgi module."""

import io
import os
import pathlib
import sys
import threading
import time
import traceback
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from units import Pipe, streams  # noqa: E402


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
            streams.origin.set((id, ""))
            print("a", file=self.stream)
            self.assertEqual(self.written(), head + b"a\n")

    def test_traces(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        named = "00-%s-00f067aa0ba902b7-01" % trace
        for id, traceparent, ids in [
            ("a", named, "a/" + trace),
            (trace, named, trace + "/"),
            (trace, "", trace),
            ("", named, "/" + trace),
            ("a;1;", named, "/" + trace),
            ("a", named.replace("00-", "fe-", 1) + "-more", "a/" + trace),
            ("a", named.upper(), "a"),
            ("a", named + ";1;", "a"),
            ("a", named + "\n", "a"),
            ("a", "203.0.113.9", "a"),
        ]:
            head, _ = self.worker(ids)
            streams.origin.set((id, traceparent))
            print("x", file=self.stream)
            self.assertEqual(self.written(), head + b"x\n")

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


if __name__ == "__main__":
    unittest.main()
