"""Answers in place of uWSGI that these processes serve a request for far too long. Arguments: path, process IDs."""
import json
import os
import socket
import sys
import time

path, *pids = sys.argv[1:]
worker = {
    "accepting": 1,
    "requests": 1,
    "cores": [
        {
            "in_request": 1,
            "vars": ["HTTP_X_REQUEST_ID=r", "REQUEST_METHOD=GET", "REQUEST_URI=/x"],
            "req_info": {"request_start": int(time.time()) - 10000},
        }
    ],
}
workers = [{"id": number + 1, "pid": int(pid), **worker} for number, pid in enumerate(pids)]
answer = json.dumps({"pid": 1, "workers": workers}).encode()
listener = socket.socket(socket.AF_UNIX)
os.unlink(path)
listener.bind(path)
listener.listen(64)
print("listening", flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    client, _ = listener.accept()
    client.sendall(answer)
    client.close()
