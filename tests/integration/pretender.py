"""A server that pretends to be the launcher, in the folder given: its answers try to control the terminal.

Notes each request in the file `asked` there.
"""
import json
import os
import socket
import sys

folder = sys.argv[1]
E = "\x1b]0;PWNED\x07\x1b[31m\u202e\x9b\x7f\rforged\nforged line"
STATUS = {
    "name": E, "version": E, "phase": "ready", "ready": True, "reason": E, "pid": 1, "started_at": E,
    "uptime_seconds": 1.0, "generation": 1, "config_file": E, "listen": [E],
    "plan": {"slots": 1, "processes": 1, "threads": 1, "queue": 1, "nginx_workers": 1},
    "children": [{"name": E, "role": "serving", "state": "running", "pid": 2, "since_seconds": 1, "restarts": 0,
                  "last_exit": E}],
    "workers": [{"id": 1, "pid": 3, "state": "busy", "requests": 1,
                 "serving": [{"request_id": E, "method": E, "path": E, "seconds": 1}]}],
    "waiting": 0, "shed": {E: 1}, "restarts": 0, "worker_exits": {E: 1}, "warnings": [E],
    "last_errors": [{"ts": E, "source": E, "message": E}], "log": {"produced": 0, "delivered": 0, "dropped": 0,
                                                                   "buffered": 0, "stalled_seconds": None},
    E: E,
}
ANSWERS = {
    "/status": STATUS,
    "/healthcheck": {"level": 0, "reason": E},
    "/reload": {"outcome": "committed", "code": 0, "text": E},
}

server = socket.socket(socket.AF_UNIX)
server.bind(os.path.join(folder, "control.sock"))
os.chmod(os.path.join(folder, "control.sock"), 0o777)
server.listen(8)
print("listens", flush=True)
while True:
    connection, _ = server.accept()
    connection.settimeout(5)
    try:
        request = connection.recv(9999).decode()
    except OSError:
        request = ""
    if request:
        with open(os.path.join(folder, "asked"), "a") as file:
            file.write(request)
        path = request.split()[1]
        # Real JSON may hold DEL, C1 and marks of direction unescaped.
        body = json.dumps(ANSWERS[path], ensure_ascii=False) if path in ANSWERS else E
        body = body.encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    connection.close()
