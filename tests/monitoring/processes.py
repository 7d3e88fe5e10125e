"""Starts the built launcher with the example service, and a Prometheus that scrapes it."""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import contract

# Longer than anything takes on a loaded machine.
DEADLINE = 60


def until(what, attempt):
    """The first result of `attempt` that is not None."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        result = attempt()
        if result is not None:
            return result
        # The interval between two polls.
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {DEADLINE} s")


def settled(attempt):
    """What `attempt` finds wrong in the end: as soon as that is nothing, or when too long has passed."""
    end = time.monotonic() + DEADLINE / 3
    while (wrong := attempt()) and time.monotonic() < end:
        # The interval between two polls.
        time.sleep(0.1)
    return wrong


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# A proxy of the environment is not for addresses of this machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, method="GET", accept="*/*"):
    """Status, content type and body of a response; None when nobody answers."""
    request = urllib.request.Request(url, method=method, headers={"Accept": accept})
    try:
        with DIRECT.open(request, timeout=DEADLINE) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()
    except (http.client.HTTPException, OSError):
        return None


class Process:
    """A program with its output in a file. Ends with the test."""

    def __init__(self, test, folder, words, environment=None):
        self.file = folder / f"{pathlib.Path(words[0]).name}.log"
        with self.file.open("wb") as output:
            self.child = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        test.addClassCleanup(self.end)

    def end(self):
        self.child.terminate()
        try:
            self.child.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def output(self):
        return self.file.read_text(encoding="utf-8", errors="replace")

    def running(self):
        """None while it runs, so that it can be polled."""
        if self.child.poll() is not None:
            raise AssertionError(f"ended with {self.child.returncode}:\n{self.output()}")


def scratch(test):
    # Others than root, as whom the application runs, may enter it.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="monitoring-"))
    test.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return folder


class Launcher:
    """The example service in production."""

    def __init__(self, test, folder):
        shutil.copytree(contract.ROOT / "example-rum-counter", folder / "rum-counter")
        data = folder / "data"
        data.mkdir()
        data.chmod(0o777)
        self.service, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", contract.ROOT / "target"))
        words = [str(target / "debug" / "microservice-flask"), "run", "--app", str(folder / "rum-counter")]
        words += ["--env", "production", "--runtime-dir", str(folder / "run")]
        words += ["--listen", self.service.removeprefix("http://"), "--admin", self.admin.removeprefix("http://")]
        environment = {"PATH": os.environ["PATH"], "RUM_DB": str(data / "rum.db")}
        self.process = Process(test, folder, words, environment)
        until("the service is ready", self.is_ready)

    def is_ready(self):
        self.process.running()
        answer = fetch(f"{self.admin}/readyz")
        return answer if answer and answer[0] == 200 else None

    def status(self):
        return json.loads(fetch(f"{self.admin}/status")[2])


class Prometheus:
    """Scrapes one target each second, knows more jobs, and evaluates the alerts."""

    def __init__(self, test, folder, target, *more):
        config = folder / "prometheus.json"
        job = {"job_name": "microservice-flask", "static_configs": [{"targets": [target]}]}
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        rules = [str(contract.FOLDER / "alerts.yml")]
        # JSON is YAML.
        config.write_text(json.dumps({"global": every, "rule_files": rules, "scrape_configs": [job, *more]}))
        words = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}"]
        self.process = Process(test, folder, [*words, "--web.listen-address=127.0.0.1:0"])
        self.address = until("Prometheus listens", self.listens)
        until("Prometheus is ready", lambda: (fetch(f"{self.address}/-/ready") or [0])[0] == 200 or None)

    def listens(self):
        self.process.running()
        found = re.search(r'"Listening on" address=(\S+)', self.process.output())
        return found and f"http://{found[1]}"

    def api(self, path, **parameters):
        _, _, body = fetch(f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        answer = json.loads(body)
        if answer["status"] != "success":
            raise AssertionError(body)
        return answer["data"]

    def values(self, query):
        """The value of each series that a query finds."""
        return [float(one["value"][1]) for one in self.api("query", query=query)["result"]]
