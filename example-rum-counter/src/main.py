"""Counts the rum that each sailor drinks.

The counts live in SQLite, not in a global variable: production serves with many
processes, and a global would give each of them counts of its own that are lost
at a restart.
"""

import json
import math
import os
import secrets
import sqlite3
import time
from pathlib import Path

from flask import Flask, abort, g, jsonify, render_template

MAX_COUNT = 1_000_000_000  # Keeps a sailor's total inside SQLite's 64-bit integers.
MAX_NAME = 64
MAX_DELAY = 3600
LOCK_TIMEOUT = 20  # Seconds a request may wait for its turn to write.

DATA_FOLDER = Path("/var/lib/rum-counter")

SCHEMA = "CREATE TABLE IF NOT EXISTS rum (sailor TEXT PRIMARY KEY, total INTEGER NOT NULL) STRICT"

# One statement adds and answers, so no other process can come in between.
ADD_RUM = """
    INSERT INTO rum (sailor, total) VALUES (?, ?)
    ON CONFLICT (sailor) DO UPDATE SET total = total + excluded.total
    RETURNING total
"""


def read_config():
    """Returns config.json of the first folder on CONFIG_PATH that has one."""
    for folder in os.environ.get("CONFIG_PATH", "").split(":"):
        file = Path(folder, "config.json")
        if folder and file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    return {}


def configured_database(config):
    """Returns the database file that the operator asked for, or None."""
    file = os.environ.get("RUM_DB") or config.get("rum_counter", {}).get("database")
    return Path(file) if file else None


def default_database():
    """Returns the data folder's file, or one below /tmp where that folder cannot be written."""
    if os.access(DATA_FOLDER, os.W_OK | os.X_OK):
        return DATA_FOLDER / "rum.db"
    # Two users who run it in turn, such as a developer and www-data, must not meet in one file.
    return Path("/tmp", f"rum-counter-{os.geteuid()}", "rum.db")


app = Flask(__name__)
app.url_map.merge_slashes = False  # An empty name is an error to explain, not a redirect.
app.config["RUM_DB"] = configured_database(read_config())


def database_file():
    # Asked at each request: uWSGI imports this file before it becomes another user.
    return app.config["RUM_DB"] or default_database()


def database():
    """Returns the connection of this request.

    SQLite connections must not be carried over a fork, and uWSGI forks its
    workers after the import: nothing is opened before a request needs it.
    """
    if "database" not in g:
        file = database_file()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        # isolation_level None: each statement is a transaction of its own. Not WAL: turning a new
        # file into WAL does not wait for its lock, the first requests would fail now and then.
        g.database = sqlite3.connect(file, timeout=LOCK_TIMEOUT, isolation_level=None)
        g.database.execute(SCHEMA)
    return g.database


@app.teardown_appcontext
def close_database(_error):
    connection = g.pop("database", None)
    if connection is not None:
        connection.close()


@app.get("/")
def index():
    return render_template("index.html", database=database_file())


@app.post("/drink/<user>/<count>")
def drink(user, count):
    sailor = parse_name(user)
    # fetchall, not fetchone: the statement commits when its last row has been read.
    [(total,)] = database().execute(ADD_RUM, (sailor, parse_count(count))).fetchall()
    return jsonify(sailor=sailor, total=total)


@app.post("/drink/", defaults={"order": ""})
@app.post("/drink//<path:order>")
@app.post("/drink/<path:order>")
def drink_nothing(order):
    abort(400, "Say who drinks and how much: POST /drink/<user>/<count>.")


@app.get("/report")
def report():
    return jsonify(dict(database().execute("SELECT sailor, total FROM rum")))


@app.get("/delay/<seconds>")
def delay(seconds):
    seconds = parse_delay(seconds)
    time.sleep(seconds)
    # From the kernel: a generator seeded before the fork could repeat itself in each worker.
    rnd = secrets.randbelow(1_000_000_000)
    text = f"Waited {seconds:g} seconds in process {os.getpid()}, rnd={rnd}\n"
    return text, {"Content-Type": "text/plain; charset=utf-8"}


@app.get("/health")
def health():
    # Tells that Python answers. The database stays out: a busy one is no reason to restart.
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


def parse_name(text):
    name = text.strip()
    if not name:
        abort(400, "The sailor has no name: POST /drink/<user>/<count>.")
    if len(name) > MAX_NAME:
        abort(400, f"The sailor's name has {len(name)} characters, at most {MAX_NAME} fit.")
    if not name.isprintable():
        abort(400, "The sailor's name has characters that cannot be printed.")
    return name


def parse_count(text):
    try:
        count = int(text)
    except ValueError:
        abort(400, "The count must be a whole number.")
    if not 0 <= count <= MAX_COUNT:
        abort(400, f"The count must be between 0 and {MAX_COUNT}.")
    return count


def parse_delay(text):
    try:
        seconds = float(text)
    except ValueError:
        abort(400, "The delay must be a number of seconds.")
    if not math.isfinite(seconds) or not 0 <= seconds <= MAX_DELAY:
        abort(400, f"The delay must be between 0 and {MAX_DELAY} seconds.")
    return seconds


@app.errorhandler(400)
def bad_request(error):
    return jsonify(error=error.description), 400


@app.errorhandler(sqlite3.OperationalError)
def no_database(error):
    app.logger.error("Cannot use the database %s: %s.", database_file(), error)
    return jsonify(error="The rum counter cannot use its database, its log says why."), 503
