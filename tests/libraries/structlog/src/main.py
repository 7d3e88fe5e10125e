"""Logs orders as JSON on stdout with structlog."""

import os

import structlog
from flask import Flask, request

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.JSONRenderer(),
    ]
)
log = structlog.get_logger()
app = Flask(__name__)


@app.get("/check")
def check():
    log.info("order", number=request.args.get("number", type=int))
    return {"worker": os.getpid()}
