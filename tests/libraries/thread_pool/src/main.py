"""Answers at once and writes in the background, with a ThreadPoolExecutor made at import."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask, request

STATE = Path(__file__).resolve().parent.parent / "state"
executor = ThreadPoolExecutor(max_workers=4)
app = Flask(__name__)


def write(number):
    time.sleep(0.02)
    with open(STATE / "orders", "a") as file:
        file.write(f"{number}\n")


@app.get("/check")
def check():
    assert executor.submit(lambda: 6 * 7).result() == 42
    executor.submit(write, request.args.get("number", type=int))
    return {"worker": os.getpid()}
