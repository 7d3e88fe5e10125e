"""Solves equations with numpy. The random generator is made at import. OPENBLAS_NUM_THREADS=1 is set."""

import os

import numpy
from flask import Flask

rng = numpy.random.default_rng()
app = Flask(__name__)


@app.get("/check")
def check():
    matrix = numpy.random.default_rng(7).random((120, 120))
    solution = numpy.arange(120.0)
    assert numpy.allclose(numpy.linalg.solve(matrix, matrix @ solution), solution)
    return {"worker": os.getpid(), "random": float(rng.random())}
