"""Tests of the rum counter. Run them with `python3 -m unittest discover -s tests`."""

import importlib.util
import json
import multiprocessing
import os
import re
import sqlite3
import stat
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

SERVICE = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True


def load(**environment):
    """Imports a fresh copy of src/main.py under this environment, as a start does."""
    spec = importlib.util.spec_from_file_location("main", SERVICE / "src" / "main.py")
    module = importlib.util.module_from_spec(spec)
    # Flask finds templates and static files by the module's entry in sys.modules.
    with mock.patch.dict(os.environ, environment), mock.patch.dict(sys.modules, main=module):
        for name in ("RUM_DB", "CONFIG_PATH"):
            if name not in environment:
                os.environ.pop(name, None)
        spec.loader.exec_module(module)
    return module


def drink_often(app, barrier, sailors, failures):
    """What one worker process does: one request for each sailor."""
    barrier.wait(timeout=30)
    client = app.test_client()
    for sailor in sailors:
        answer = client.post(f"/drink/{sailor}/1")
        if answer.status_code != 200:
            failures.put(answer.get_data(as_text=True))


class RumCounterTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "data" / "rum.db"
        self.app = load(RUM_DB=str(self.file)).app
        self.client = self.app.test_client()

    def check(self, request, status, **fields):
        """Sends "METHOD /path", expects this status and, when given, these JSON fields."""
        method, path = request.split(" ", 1)
        answer = self.client.open(path, method=method)
        self.assertEqual(answer.status_code, status, answer.get_data(as_text=True))
        if fields:
            self.assertEqual(answer.get_json(), fields)
        return answer

    def check_refused(self, request, reason):
        self.assertRegex(self.check(request, 400).get_json()["error"], reason)


class Counting(RumCounterTest):
    def test_nobody_has_had_any_at_first(self):
        self.assertEqual(self.check("GET /report", 200).get_json(), {})

    def test_answers_with_the_new_total(self):
        self.check("POST /drink/jack/2", 200, sailor="jack", total=2)
        self.check("POST /drink/jack/3", 200, sailor="jack", total=5)

    def test_reports_each_sailor(self):
        self.check("POST /drink/jack/2", 200)
        self.check("POST /drink/anne/0", 200)
        self.check("POST /drink/Edward%20Teach/7", 200)
        self.check("POST /drink/Zo%C3%AB/1", 200)
        self.check("GET /report", 200, **{"jack": 2, "anne": 0, "Edward Teach": 7, "Zoë": 1})

    def test_counts_survive_a_restart(self):
        self.check("POST /drink/jack/2", 200)
        self.client = load(RUM_DB=str(self.file)).app.test_client()
        self.check("GET /report", 200, jack=2)

    def test_counts_are_exact_with_many_processes(self):
        workers, rounds = 17, 12
        fork = multiprocessing.get_context("fork")  # Imported once, then forked, like uWSGI.
        barrier, failures = fork.Barrier(workers), fork.Queue()
        crew = [
            fork.Process(
                target=drink_often,
                args=(self.app, barrier, ["jack", f"sailor-{worker}"] * rounds, failures),
                daemon=True,
            )
            for worker in range(workers)
        ]
        for process in crew:
            process.start()
        for process in crew:
            process.join(timeout=60)
        self.assertEqual([process.exitcode for process in crew], [0] * workers)
        self.assertTrue(failures.empty())
        expected = {f"sailor-{worker}": rounds for worker in range(workers)}
        self.check("GET /report", 200, jack=workers * rounds, **expected)

    def test_waits_for_a_writer(self):
        self.check("POST /drink/jack/1", 200)
        fork = multiprocessing.get_context("fork")
        locked = fork.Event()

        def hold():
            other = sqlite3.connect(self.file, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            locked.set()
            time.sleep(0.3)
            other.execute("ROLLBACK")

        writer = fork.Process(target=hold, daemon=True)
        writer.start()
        self.assertTrue(locked.wait(timeout=10))
        self.check("POST /drink/jack/1", 200, sailor="jack", total=2)
        self.check("GET /report", 200, jack=2)
        writer.join(timeout=10)


class Refusing(RumCounterTest):
    def test_negative_count(self):
        self.check_refused("POST /drink/jack/-1", "between 0 and 1000000000")

    def test_huge_count(self):
        self.check_refused("POST /drink/jack/1000000001", "between 0 and 1000000000")
        self.check_refused("POST /drink/jack/" + "9" * 5000, "whole number|between")

    def test_count_that_is_no_number(self):
        self.check_refused("POST /drink/jack/much", "whole number")
        self.check_refused("POST /drink/jack/1.5", "whole number")

    def test_empty_name(self):
        for request in ("POST /drink/%20/1", "POST /drink//1", "POST /drink/1", "POST /drink/"):
            with self.subTest(request):
                self.check_refused(request, "POST /drink/<user>/<count>")

    def test_name_that_cannot_be_shown(self):
        self.check_refused("POST /drink/" + "a" * 65 + "/1", "65 characters")
        self.check_refused("POST /drink/a%0Ab/1", "cannot be printed")

    def test_refused_orders_count_nothing(self):
        self.check("POST /drink/jack/-1", 400)
        self.assertEqual(self.check("GET /report", 200).get_json(), {})

    def test_drinking_is_a_post(self):
        self.check("GET /drink/jack/1", 405)

    def test_delay(self):
        for seconds in ("-1", "nan", "inf", "soon", "3601"):
            with self.subTest(seconds):
                self.check_refused(f"GET /delay/{seconds}", "The delay must be")


class Answering(RumCounterTest):
    def test_delay_waits_and_answers_with_a_random_number(self):
        texts = set()
        for seconds in ("0", "0.1"):
            begin = time.monotonic()
            texts.add(self.check(f"GET /delay/{seconds}", 200).get_data(as_text=True))
            self.assertGreaterEqual(time.monotonic() - begin, float(seconds))
        numbers = {re.search(r"rnd=(\d+)", text)[1] for text in texts}
        self.assertEqual(len(numbers), 2)

    def test_page_tells_what_there_is(self):
        page = self.check("GET /", 200).get_data(as_text=True)
        for part in ("/drink/", "/report", "/delay/", "/health", "/static/rum.css", str(self.file)):
            self.assertIn(part, page)
        self.check("GET /static/rum.css", 200).close()

    def test_health_needs_no_database(self):
        self.check("GET /health", 200)
        self.assertFalse(self.file.exists())


class Database(RumCounterTest):
    def test_import_opens_nothing(self):
        with mock.patch("sqlite3.connect", side_effect=AssertionError):
            load(RUM_DB=str(self.file))
        self.assertFalse(self.file.parent.exists())

    def test_each_request_closes_its_connection(self):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            self.check("POST /drink/jack/1", 200)
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_comes_from_the_first_config_on_the_path(self):
        for number in (1, 2):
            folder = self.folder / str(number)
            folder.mkdir()
            config = {"rum_counter": {"database": str(folder / "rum.db")}}
            (folder / "config.json").write_text(json.dumps(config))
        path = f"{self.folder}/missing:{self.folder}/1:{self.folder}/2"
        main = load(CONFIG_PATH=path)
        with main.app.app_context():
            self.assertEqual(main.database_file(), self.folder / "1" / "rum.db")
        main = load(CONFIG_PATH=path, RUM_DB=str(self.file))
        self.assertEqual(main.database_file(), self.file)

    def test_default_is_the_data_folder_or_below_tmp(self):
        main = load()
        main.DATA_FOLDER = self.folder
        self.assertEqual(main.database_file(), self.folder / "rum.db")
        main.DATA_FOLDER = self.folder / "missing"
        self.assertEqual(main.database_file(), Path(f"/tmp/rum-counter-{os.geteuid()}/rum.db"))

    def test_folder_that_cannot_be_made_is_a_503(self):
        self.file.parent.touch()
        with self.assertLogs(self.app.logger, "ERROR") as log:
            self.check("POST /drink/jack/1", 503)
        self.assertIn("File exists", log.output[0])

    def test_that_cannot_be_opened_is_a_503(self):
        self.file.mkdir(parents=True)  # A folder where the file should be.
        with self.assertLogs(self.app.logger, "ERROR") as log:
            self.check("POST /drink/jack/1", 503)
            self.check("GET /report", 503)
        self.assertIn(str(self.file), log.output[0])


class Layout(unittest.TestCase):
    def test_production_runs_under_nginx_with_four_slots(self):
        config = json.loads((SERVICE / "config/production/config.json").read_text())
        self.assertTrue(config["use_nginx"])
        self.assertEqual(config["nginx_config"]["wsgi_worker_threads_count"], 4)

    def test_dev_does_not(self):
        self.assertFalse(json.loads((SERVICE / "config/dev/config.json").read_text())["use_nginx"])

    def test_health_checks_are_executable(self):
        checks = list((SERVICE / "health-checks").iterdir())
        self.assertTrue(checks)
        for check in checks:
            self.assertTrue(check.stat().st_mode & stat.S_IXOTH, check)


if __name__ == "__main__":
    unittest.main()
