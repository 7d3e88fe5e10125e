"""A job in the background, five times a second. The scheduler is started at import, as in most tutorials."""

import atexit
import os
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

STATE = Path(__file__).resolve().parent.parent / "state"


def take_stock():
    with open(STATE / "stock", "a") as file:
        file.write(f"{os.getpid()}\n")


scheduler = BackgroundScheduler()
scheduler.add_job(take_stock, "interval", seconds=0.2)
scheduler.start()
atexit.register(scheduler.shutdown)
app = Flask(__name__)


@app.get("/check")
def check():
    assert scheduler.running
    return {"worker": os.getpid()}
