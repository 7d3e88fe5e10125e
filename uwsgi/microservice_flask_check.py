"""Imports the application for `check --import`, in place of the entry module. Written by microservice-flask: changes are
lost.

An application that cannot be imported ends this process in the entry module. Of one that can be, this module writes
down what the launcher would find in uWSGI's master (src/programs/uwsgi/leftovers.rs).
"""

import os
import socket
import stat

# The launcher prints what comes after this line: what came before it is uWSGI's.
os.write(1, b"\n" + os.environ.pop("MICROSERVICE_CHECK_BEGIN").encode() + b"\n")

import microservice_flask_forks as forks
import microservice_flask_imported as imported
import microservice_flask_records as records


def _peers():
    for number in forks.opened_at_import():
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            with socket.socket(fileno=os.dup(number)) as its:
                try:
                    name = its.getpeername()
                except OSError:
                    # It listens, or is not connected.
                    continue
            yield "%s:%s" % name[:2] if isinstance(name, tuple) else os.fsdecode(name)


import microservice_flask_entry

imported.write_connections(list(_peers()))
child = os.fork()
if not child:
    # As in a process that serves: threads that libraries start again are not missing.
    try:
        imported.in_worker()
    finally:
        os._exit(0)
os.waitpid(child, 0)
records.streams.flush()
os._exit(0)
