"""WebSockets of flask-sock, and plain views beside them."""
import os
import queue

from flask import Flask, request
from flask_sock import Sock

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")

app = Flask(__name__)
sock = Sock(app)


def note(name):
    with open(os.path.join(STATE, name), "ab", buffering=0) as file:
        file.write(b"x")


@sock.route("/echo")
def echo(ws):
    note("open")
    try:
        while True:
            ws.send(ws.receive())
    finally:
        note("closed")


@sock.route("/who")
def who(ws):
    ws.send(" ".join([request.args["name"], request.cookies["session"], request.headers["X-Tag"]]))
    ws.send(str(os.getpid()))
    ws.receive()


@sock.route("/brief")
def brief(ws):
    ws.send("that is all")


@sock.route("/fail")
def fail(ws):
    ws.receive()
    raise RuntimeError("in a WebSocket")


@app.route("/pid")
def pid():
    return str(os.getpid())


@app.route("/plain", methods=["GET", "POST"])
def plain():
    return "plain"


@app.route("/refuse", websocket=True)
def refuse():
    return "not you", 403


@sock.route("/count")
def count(ws):
    messages = 0
    while ws.receive() != "end":
        messages += 1
    ws.send(str(messages))


@sock.route("/stuck")
def stuck(ws):
    ws.send(str(os.getpid()))
    queue.Queue().get()


@sock.route("/flood")
def flood(ws):
    while True:
        ws.send("x" * 100000)
