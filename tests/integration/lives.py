"""A service whose requests fork, start programs, and leave things behind."""
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

from flask import Flask, request

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
LOOK = """
import json, os, sys
def look():
    links = {}
    for name in os.listdir('/proc/self/fd'):
        try:
            links[name] = os.readlink('/proc/self/fd/' + name)
        except OSError:
            pass
    with open('/proc/self/status') as status:
        masks = dict(line.split(':\\t') for line in status.read().split('\\n') if line[:6] in ('SigBlk', 'SigIgn', 'SigCgt'))
    return {'pid': os.getpid(), 'links': links, 'masks': masks}
"""
exec(LOOK)

app = Flask(__name__)


def save(name, value):
    path = os.path.join(STATE, name)
    with open(path + ".new", "w") as file:
        json.dump(value, file)
    os.rename(path + ".new", path)


def look_and_stay(name, seconds):
    save(name, look())
    time.sleep(seconds)


@app.route("/pid")
def pid():
    return str(os.getpid())


@app.route("/kill/<name>")
def kill(name):
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(0.01)
    return "alive"


@app.route("/fork/<name>", methods=["GET", "POST"])
def fork(name):
    seconds = float(request.args.get("seconds", "60"))
    multiprocessing.Process(target=look_and_stay, args=(name, seconds), daemon=True).start()
    if "die" in request.args:
        os.kill(os.getpid(), signal.SIGKILL)
    if "stream" in request.args:
        return app.response_class(iter(["a\n", "b\n"]))
    return "forked\n"


@app.route("/start/<how>/<name>", methods=["POST"])
def start(how, name):
    """Starts a program that looks at itself, and stays."""
    path = os.path.join(STATE, name)
    code = LOOK + "open(%r, 'w').write(json.dumps(look())); os.rename(%r, %r)\n" % (path + ".new", path + ".new", path)
    words = ["/usr/bin/python3", "-c", code + "import time; time.sleep(600)"]
    if how == "popen":
        subprocess.Popen(words)
    elif how == "popen-open":
        subprocess.Popen(words, close_fds=False)
    elif how == "session":
        subprocess.Popen(words, start_new_session=True)
    elif how == "spawn":
        os.posix_spawn(words[0], words, os.environ)
    elif how == "system":
        save("code.py", None)
        with open(os.path.join(STATE, "code.py"), "w") as file:
            file.write(words[2])
        os.system("%s %s/code.py &" % (words[0], STATE))
    return "started\n"


@app.route("/wait-for-a-program")
def wait_for_a_program():
    with open(os.path.join(STATE, "program"), "a") as file:
        file.write("x")
    return "%d\n" % os.system("sleep 2")


@app.route("/takes-signals/<how>")
def takes_signals(how):
    """What a view may do to the signals by which uWSGI ends a process."""
    if how == "asyncio":
        import asyncio

        async def nothing():
            await asyncio.sleep(0)

        asyncio.run(nothing())
    elif how == "handlers":
        # Python lets the first thread do that.
        if threading.current_thread() is threading.main_thread():
            for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM:
                signal.signal(number, lambda *_: None)
    elif how == "mask":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return "taken\n"


@app.route("/exit-codes")
def exit_codes():
    codes = []
    for code in 0, 5:
        process = multiprocessing.Process(target=sys.exit, args=(code,))
        process.start()
        process.join()
        codes.append(process.exitcode)
    child = os.fork()
    if not child:
        sys.exit(3)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return json.dumps(codes)
