"""Counts orders in Redis. The client is made at import, as redis-py's documentation shows it."""

import os

import redis
from flask import Flask, request

cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
app = Flask(__name__)


@app.get("/check")
def check():
    number = request.args["number"]
    cache.rpush("orders", number)
    cache.set(f"order:{number}", number)
    # An answer to somebody else's question would be another number.
    assert cache.get(f"order:{number}") == number
    with cache.pipeline() as pipe:
        _, echoed = pipe.incr("hits").echo(number).execute()
    assert echoed == number
    return {"worker": os.getpid()}


@app.get("/report")
def report():
    return {"numbers": [int(number) for number in cache.lrange("orders", 0, -1)], "hits": int(cache.get("hits"))}
