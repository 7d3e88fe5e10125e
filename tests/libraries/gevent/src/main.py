"""Asks another service several things at once: requests, patched by gevent."""

from gevent import monkey

monkey.patch_all()

import os

import gevent
import requests
from flask import Flask, request

UPSTREAM = os.environ["UPSTREAM_URL"]
app = Flask(__name__)


def ask(what):
    return requests.get(f"{UPSTREAM}/echo/{what}", timeout=10).text


@app.get("/check")
def check():
    number = request.args["number"]
    questions = [f"{number}-{question}" for question in range(3)]
    jobs = [gevent.spawn(ask, question) for question in questions]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value for job in jobs] == questions
    return {"worker": os.getpid()}
