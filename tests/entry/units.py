"""What the unit tests share: the modules with a stand-in for uWSGI's own, and a pipe for what they log."""

import fcntl
import os
import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "uwsgi"))
sys.modules.setdefault("uwsgi", types.SimpleNamespace(opt={}, worker_id=lambda: 3))
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
        streams.origin.set(streams.NOBODY)
        os.close(self.reader)
        os.close(self.writer)

    def written(self):
        try:
            return os.read(self.reader, 1 << 20)
        except BlockingIOError:
            return b""

    def worker(self, id=""):
        streams.in_worker()
        streams.origin.set((id, ""))
        streams._mark = b"\x1enonce;"
        return b"\x1enonce;%b;%d;" % (id.encode(), os.getpid()), b"\x1enonce;%b;%d+;" % (id.encode(), os.getpid())
