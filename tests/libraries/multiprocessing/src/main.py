"""Computes in other processes, with pools of multiprocessing and of concurrent.futures."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from flask import Flask, request

app = Flask(__name__)


def square(number):
    return number * number, os.getpid()


def compute(number, context):
    with context.Pool(2) as pool:
        results = pool.map(square, [number, number + 1])
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        results.append(executor.submit(square, number + 2).result())
    assert [result for result, _ in results] == [number**2, (number + 1) ** 2, (number + 2) ** 2]
    assert all(process != os.getpid() for _, process in results)
    return {"worker": os.getpid()}


@app.get("/check")
def check():
    return compute(request.args.get("number", type=int), multiprocessing.get_context())


@app.get("/start/<method>")
def start(method):
    return compute(7, multiprocessing.get_context(method))
