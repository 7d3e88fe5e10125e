"""Counts orders with prometheus_client in multiprocess mode: PROMETHEUS_MULTIPROC_DIR is set."""

import atexit
import os

from flask import Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

ORDERS = Counter("orders", "Orders so far")
SERVED_BY = Gauge("served_by", "Workers that have served", ["worker"], multiprocess_mode="liveall")
app = Flask(__name__)
# As the documentation asks for: the "live" gauges of a process end with it.
atexit.register(lambda: multiprocess.mark_process_dead(os.getpid()))


@app.get("/check")
def check():
    ORDERS.inc()
    SERVED_BY.labels(worker=str(os.getpid())).set(1)
    return {"worker": os.getpid()}


@app.get("/metrics")
def metrics():
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
