"""An asynchronous view."""

import asyncio
import os

from flask import Flask, request

app = Flask(__name__)


async def double(number):
    await asyncio.sleep(0.001)
    return 2 * number


@app.get("/check")
async def check():
    number = request.args.get("number", type=int)
    doubled = await asyncio.gather(*(double(number + i) for i in range(5)))
    assert doubled == [2 * (number + i) for i in range(5)]
    return {"worker": os.getpid()}
