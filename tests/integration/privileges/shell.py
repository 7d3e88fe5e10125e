"""A service whose code is in the hands of an attacker: it runs what is posted to it."""
import os
import subprocess

from flask import Flask, request

app = Flask(__name__)


@app.route("/")
def index():
    return "ok"


@app.route("/sh", methods=["POST"])
def sh():
    command = ["/bin/sh", "-c", request.get_data(as_text=True)]
    done = subprocess.run(command, close_fds=False, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@app.route("/descriptors")
def descriptors():
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink("/proc/self/fd/" + number))
        except OSError:
            # The one of the listing itself is closed by now.
            continue
    return {"links": links}
