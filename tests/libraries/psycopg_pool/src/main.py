"""Orders in PostgreSQL with psycopg's pool, opened at import, as psycopg's documentation shows it for web applications."""

import os

from flask import Flask, request
from psycopg_pool import ConnectionPool

pool = ConnectionPool(os.environ["DATABASE_URL"], open=True)
app = Flask(__name__)


@app.get("/check")
def check():
    number = request.args.get("number", type=int)
    with pool.connection() as connection:
        connection.execute("INSERT INTO orders (number, worker) VALUES (%s, %s)", (number, os.getpid()))
    with pool.connection() as connection:
        # An answer to somebody else's question would be another number.
        assert connection.execute("SELECT %s::int", (number,)).fetchone() == (number,)
        assert connection.execute("SELECT count(*) FROM orders WHERE number = %s", (number,)).fetchone()[0] >= 1
    return {"worker": os.getpid()}


@app.get("/report")
def report():
    with pool.connection() as connection:
        return {"numbers": [number for (number,) in connection.execute("SELECT number FROM orders")]}
