"""Asks another service, with one session for all requests. The first question is asked at import."""

import os

import requests
from flask import Flask, request

UPSTREAM = os.environ["UPSTREAM_URL"]
session = requests.Session()
settings = session.get(f"{UPSTREAM}/echo/settings", timeout=10).text
app = Flask(__name__)


@app.get("/check")
def check():
    number = request.args["number"]
    answer = session.get(f"{UPSTREAM}/echo/{number}", timeout=10)
    # An answer to somebody else's question would be another number.
    assert answer.text == number, answer.text
    assert settings == "settings"
    return {"worker": os.getpid()}
