"""Logs orders to a file with loguru, from a thread of its own: enqueue=True."""

import os
from pathlib import Path

from flask import Flask, request
from loguru import logger

STATE = Path(__file__).resolve().parent.parent / "state"
logger.remove()
logger.add(STATE / "orders", format="{message}", enqueue=True)
app = Flask(__name__)


@app.get("/check")
def check():
    logger.info(request.args["number"])
    return {"worker": os.getpid()}
