"""Reports each order and each exception to Sentry: SENTRY_DSN is set."""

import os

import sentry_sdk
from flask import Flask, request

sentry_sdk.init()
app = Flask(__name__)


@app.get("/check")
def check():
    number = request.args.get("number", type=int)
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("number", number)
        assert sentry_sdk.capture_message(f"order {number}")
    return {"worker": os.getpid()}


@app.get("/fail")
def fail():
    raise ValueError("the rum is gone")
