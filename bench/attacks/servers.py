"""Which servers are compared, and how is each installed and started?

All serve the same application with 16 requests at a time, each as its users would run it: with its own defaults or
Debian's, but for what makes no difference here. A server that can serve static files does; for gunicorn, Flask does.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time
import typing
import urllib.request

from attacks import hostile_clients
from attacks import processes

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / ".cache/attack"
# Which package each program or module belongs to.
PACKAGES = {
    "/usr/sbin/nginx": "nginx-light",
    "/usr/bin/uwsgi": "uwsgi-core",
    "/usr/lib/uwsgi/plugins/python3_plugin.so": "uwsgi-plugin-python3",
    "/usr/lib/python3/dist-packages/flask": "python3-flask",
    # Not apache2: that is the service on port 80 with its files in /etc. This is the same program without them.
    "/usr/sbin/apache2": "apache2-bin",
    "/usr/lib/apache2/modules/mod_wsgi.so": "libapache2-mod-wsgi-py3",
}
SLOTS = 16
START_TIMEOUT = 30
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}

APPLICATION = """import time
from flask import Flask, Response, request

app = application = Flask(__name__)
CHUNK = b"x" * 65536


@app.get("/")
def page():
    return "<p>It is %.6f.</p>\\n" % time.time()


@app.post("/")
def upload():
    size = 0
    while chunk := request.stream.read(len(CHUNK)):
        size += len(chunk)
    return "%d bytes\\n" % size


@app.get("/big")
def big():
    size = int(request.args["n"])
    pieces = (CHUNK[: size - sent] for sent in range(0, size, len(CHUNK)))
    return Response(pieces, mimetype="application/octet-stream", headers={"Content-Length": size})
"""

# Debian 12's nginx.conf without comments, TLS and the sites, and a site as in gunicorn's documentation. Of nginx's own
# defaults only the size of bodies differs, 1 MB: it is what the launcher permits.
NGINX = """{user}
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {logs}/access.log;
    gzip on;
    client_body_temp_path {folder}/temp/body;
    proxy_temp_path {folder}/temp/proxy;
    fastcgi_temp_path {folder}/temp/fastcgi;
    uwsgi_temp_path {folder}/temp/uwsgi;
    scgi_temp_path {folder}/temp/scgi;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 100m;
        location /static/ {{ alias {source}/static/; }}
        location / {{
            include /etc/nginx/proxy_params;
            proxy_pass http://unix:{folder}/gunicorn.sock;
        }}
    }}
}}
"""

# Debian 12's apache2.conf, mods-enabled/mpm_event.conf and mods-enabled/reqtimeout.conf without comments.
APACHE = """ServerName localhost
Listen 127.0.0.1:{port}
{user}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule reqtimeout_module /usr/lib/apache2/modules/mod_reqtimeout.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
ErrorLog /dev/stderr
LogLevel warn
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {logs}/access.log combined
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxConnectionsPerChild 0
Timeout 300
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
RequestReadTimeout header=20-40,minrate=500
RequestReadTimeout body=10,minrate=500
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory {source}>
    Require all granted
</Directory>
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess service processes=1 threads={slots} python-path={source}
WSGIProcessGroup service
WSGIApplicationGroup %{{GLOBAL}}
Alias /static {source}/static
WSGIScriptAlias / {source}/main.py
"""


class Place(typing.NamedTuple):
    """Where a server runs. Logs are elsewhere, so that the folder grows by what the clients make the server store."""

    folder: pathlib.Path
    logs: pathlib.Path
    port: int
    launcher: pathlib.Path

    def source(self):
        return self.folder / "service/src"

    def fill(self, template, user):
        return template.format(
            folder=self.folder, logs=self.logs, port=self.port, source=self.source(), slots=SLOTS,
            user=user if os.geteuid() == 0 else "",
        )


def launcher(place):
    command = [place.launcher, "run", "--production", "--app", place.folder / "service", "--log-format", "json"]
    command += ["--listen", "127.0.0.1:%d" % place.port, "--admin", "127.0.0.1:%d" % admin_port(place)]
    return [command + ["--runtime-dir", place.folder / "run"]]


def gunicorn_at(place, address):
    command = [PEERS / "bin/gunicorn", "--worker-class", "gthread", "--workers", 2, "--threads", SLOTS // 2]
    return command + ["--chdir", place.source(), "--bind", address, "main:app"]


def gunicorn(place):
    return [gunicorn_at(place, "127.0.0.1:%d" % place.port)]


def gunicorn_behind_nginx(place):
    (place.folder / "temp").mkdir()
    configuration = place.folder / "nginx.conf"
    configuration.write_text(place.fill(NGINX, "user www-data;"))
    nginx = ["nginx", "-c", configuration, "-p", place.folder, "-e", "stderr"]
    return [gunicorn_at(place, "unix:%s/gunicorn.sock" % place.folder), nginx]


def granian(place):
    command = [PEERS / "bin/granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", place.port]
    command += ["--workers", 1, "--blocking-threads", SLOTS, "--working-dir", place.source()]
    return [command + ["--static-path-mount", place.source() / "static", "main:app"]]


def apache(place):
    configuration = place.folder / "apache.conf"
    configuration.write_text(place.fill(APACHE, "User www-data\nGroup www-data"))
    return [["apache2", "-f", configuration, "-DFOREGROUND"]]


SERVERS = {
    "launcher": launcher,
    "gunicorn": gunicorn,
    "gunicorn-nginx": gunicorn_behind_nginx,
    "granian": granian,
    "apache-mod-wsgi": apache,
}


def install():
    missing = {package for path, package in PACKAGES.items() if not os.path.exists(path)}
    has_peers = (PEERS / "bin/granian").exists()
    if not has_peers:
        missing.add("python3-venv")
    if missing:
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *sorted(missing)], **quiet)
    if not has_peers:
        # With Debian's packages, so that all servers run the same Flask.
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", PEERS], check=True)
        subprocess.run([PEERS / "bin/pip", "install", "--quiet", "gunicorn", "granian"], check=True)


def versions(launcher_path):
    """One line with the version of each program."""
    commands = [
        [launcher_path, "--version"], ["nginx", "-v"], ["uwsgi", "--version"], [PEERS / "bin/gunicorn", "--version"],
        [PEERS / "bin/granian", "--version"], ["apache2", "-v"],
        ["dpkg-query", "-W", "-f", "${Package} ${Version}", "libapache2-mod-wsgi-py3"],
        ["dpkg-query", "-W", "-f", "${Package} ${Version}", "python3-flask"], ["/usr/bin/python3", "--version"],
    ]
    found = []
    for command in commands:
        output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        line = next(iter(output.splitlines()), "unknown").replace("version: ", "").replace("Server ", "")
        found.append("uWSGI " + line if command[0] == "uwsgi" else line)
    return ", ".join(found)


def admin_port(place):
    return place.port + 1


def write_service(place):
    (place.source() / "static").mkdir(parents=True)
    (place.source() / "main.py").write_text(APPLICATION)
    (place.source() / "static/big.bin").write_bytes(os.urandom(hostile_clients.STATIC_FILE_SIZE))
    (place.folder / "service/config").mkdir()
    configuration = {"use_nginx": True, "nginx_config": {"wsgi_worker_threads_count": SLOTS}}
    (place.folder / "service/config/config.json").write_text(json.dumps(configuration))
    # What any of the processes stores by itself, as any user.
    (place.folder / "tmp").mkdir()
    (place.folder / "tmp").chmod(0o1777)


def start(name, place, family):
    """Starts a server, whose processes become members of the family. Returns None when it serves, else the reason."""
    write_service(place)
    for number, command in enumerate(SERVERS[name](place)):
        with open(place.logs / ("%d.log" % number), "wb") as log:
            environment = {**ENVIRONMENT, "TMPDIR": str(place.folder / "tmp")}
            family.add(processes.start(command, stdout=log, stderr=subprocess.STDOUT, env=environment))
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if family.exit_code() is not None:
            return "a process ended with exit code %d" % family.exit_code()
        try:
            if urllib.request.urlopen("http://127.0.0.1:%d/" % place.port, timeout=5).status == 200:
                return None
        except OSError:
            # Not ready: the interval between two polls.
            time.sleep(0.1)
    return "no page within %d s" % START_TIMEOUT


def restarts(name, place):
    """How often the launcher has restarted each of its children; the others do not tell."""
    if name != "launcher":
        return "-"
    try:
        address = "http://127.0.0.1:%d/status" % admin_port(place)
        status = json.load(urllib.request.urlopen(address, timeout=5))
    except (OSError, ValueError):
        return "unknown"
    each = ["%s %d" % (child["name"], child["restarts"]) for child in status["children"] if child["restarts"]]
    return ", ".join(each) or str(status["restarts"])


def last_lines(place, count=10):
    """Of each log."""
    text = []
    for path in sorted(place.logs.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()[-count:]
        text += ["%s:" % path.name, *("    " + line[:300] for line in lines)]
    return "\n".join(text)
