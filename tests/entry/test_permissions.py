"""Unit tests of the hints for missing permissions, as another user than root."""

import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import units  # noqa: E402,F401
import microservice_flask_permissions as permissions  # noqa: E402

NOBODY = 65534


def caught(run):
    try:
        run()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def wrapped(error):
    try:
        try:
            raise error
        except BaseException:
            raise RuntimeError("wrapped")
    except RuntimeError as outer:
        return outer


@unittest.skipUnless(os.geteuid() == 0, "only root can try what another user may not do")
class Hints(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(os.setresuid, 0, 0, 0)
        os.setresuid(NOBODY, NOBODY, 0)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def hint(self, run, *parts):
        error = caught(run)
        for error in error, wrapped(error):
            text = permissions.hint(error)
            for part in ("(uid 65534)", *parts):
                self.assertIn(part.replace("FOLDER", self.folder), text)

    def as_root(self, run, *arguments):
        os.setresuid(0, 0, 0)
        try:
            return run(*arguments)
        finally:
            os.setresuid(NOBODY, NOBODY, 0)

    def test_a_new_file(self):
        self.hint(lambda: open(self.path("x"), "w"), "cannot create FOLDER/x", "FOLDER belongs to root", "chown nobody FOLDER")

    def test_a_new_folder_and_one_in_it(self):
        command = "mkdir -p FOLDER/a && chown nobody FOLDER/a"
        self.hint(lambda: os.mkdir(self.path("a")), command)
        self.hint(lambda: os.makedirs(self.path("a", "b")), command)
        self.hint(lambda: pathlib.Path(self.path("a")).mkdir(parents=True), command)

    def test_a_file_of_another(self):
        self.as_root(pathlib.Path(self.path("x y")).write_text, "")
        self.hint(lambda: open(self.path("x y"), "a"), "FOLDER/x y belongs to root (uid 0), mode 0644", "'FOLDER/x y'")
        self.hint(lambda: os.remove(self.path("x y")), "FOLDER/x y belongs to root")

    def test_a_closed_folder(self):
        self.as_root(os.mkdir, self.path("closed"), 0o700)
        self.hint(lambda: open(self.path("closed", "x")), "cannot reach", "FOLDER/closed belongs", "chmod o+x FOLDER/closed")

    def test_a_database(self):
        path = self.path("x.db")
        self.hint(lambda: sqlite3.connect(path), "cannot create FOLDER/x.db", "chown nobody FOLDER")
        self.hint(lambda: sqlite3.connect(os.path.join(self.folder, "x.db"), timeout=1), "cannot create FOLDER/x.db")
        self.as_root(pathlib.Path(path).write_bytes, b"")

        def write():
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE t (x)")

        self.hint(write, "FOLDER/x.db belongs to root")
        self.as_root(os.chown, path, NOBODY, NOBODY)
        self.hint(write, "FOLDER belongs to root", "chown nobody FOLDER")

    def test_a_database_without_a_name_in_the_code(self):
        def connect():
            return sqlite3.connect(*[self.path("x.db")])

        self.hint(connect, "must belong to it")

    def confined(self, *folders):
        permissions._writable = [self.path(name) for name in folders]
        self.addCleanup(setattr, permissions, "_writable", [])

    def denied(self, *parts):
        # What the kernel raises, whatever the modes are.
        return permissions.hint(PermissionError(13, "Permission denied", self.path(*parts)))

    def test_a_folder_outside_the_sandbox(self):
        self.as_root(os.chmod, self.folder, 0o777)
        pathlib.Path(self.path("file")).write_text("")
        os.mkdir(self.path("other"))
        self.confined("own")
        name = "name FOLDER in the key writable of nginx_config".replace("FOLDER", self.folder)
        for path in ("x",), ("file",), ("missing", "x"):
            self.assertIn(name, self.denied(*path))
            self.assertNotIn("chown", self.denied(*path))
        for path in ("other",), ("other", "x"):
            self.assertIn("name %s in the key writable" % self.path("other"), self.denied(*path))

    def test_a_folder_of_another_outside_the_sandbox(self):
        self.confined("own")
        self.hint(lambda: open(self.path("x"), "w"), "chown nobody FOLDER", "name FOLDER in the key writable")

    def test_inside_the_sandbox_the_modes_are_the_reason(self):
        self.confined("")
        self.assertNotIn("writable", permissions.hint(caught(lambda: open(self.path("x"), "w"))))
        self.confined("own")
        self.assertNotIn("writable", permissions.hint(PermissionError(13, "Permission denied", "/proc/1/mem")))

    def test_no_path(self):
        self.hint(lambda: os.kill(1, 0), "may not do this")

    def test_a_read_only_file_system(self):
        error = OSError(30, "Read-only file system", self.path("x"))
        self.assertIn("read-only file system", permissions.hint(error))

    def test_nothing_else_has_a_hint(self):
        for error in ValueError("x"), FileNotFoundError(2, "x", "y"), sqlite3.OperationalError("no such table: t"), None:
            self.assertEqual(permissions.hint(error), "")

    def test_a_circle_ends(self):
        first, second = ValueError(), ValueError()
        first.__context__, second.__context__ = second, first
        self.assertEqual(permissions.hint(first), "")

    def test_a_hostile_exception_ends(self):
        class Hostile(PermissionError):
            @property
            def filename(self):
                raise RuntimeError

        self.assertEqual(permissions.hint(Hostile(13, "x")), "")


if __name__ == "__main__":
    unittest.main()
