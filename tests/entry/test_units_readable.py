"""Unit tests of what lets the launcher look into a worker, with a stand-in for the C library: few kernels have Yama."""

import os
import pathlib
import sys
import types
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "uwsgi"))


class Readable(unittest.TestCase):
    def calls(self, environment):
        sys.modules.pop("microservice_flask_readable", None)
        calls = []
        library = types.SimpleNamespace(prctl=lambda *arguments: calls.append([int(getattr(a, "value", a)) for a in arguments]))
        with mock.patch.dict(os.environ, environment), mock.patch("ctypes.CDLL", lambda name: library):
            import microservice_flask_readable as readable

            readable.in_worker()
            self.assertNotIn("MICROSERVICE_LAUNCHER_PID", os.environ)
        return calls

    def test_the_launcher_and_no_other_process_is_named(self):
        self.assertEqual(self.calls({"MICROSERVICE_LAUNCHER_PID": "77"}), [[0x59616D61, 77, 0, 0, 0]])
        self.assertEqual(self.calls({}), [])

    def test_a_kernel_without_yama_forbids_nothing(self):
        sys.modules.pop("microservice_flask_readable", None)
        with mock.patch.dict(os.environ, {"MICROSERVICE_LAUNCHER_PID": str(os.getpid())}):
            import microservice_flask_readable as readable
        readable.in_worker()


if __name__ == "__main__":
    unittest.main()
