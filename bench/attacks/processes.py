"""How is everything that was started ended again, and what do a server's processes use?"""

import collections
import os
import pathlib
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def start(command, **options):
    """Starts a process that gets no Ctrl-C of the terminal, and SIGTERM from the kernel when this script is killed."""
    command = ["setpriv", "--pdeathsig", "TERM", *map(str, command)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)


def kill(process):
    process.kill()
    process.wait()


def table():
    """All processes: parent, start time in ticks since boot, and CPU ticks, by number (proc(5), stat)."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            # It has ended.
            continue
        # User and system time, and those of the children that were waited for.
        found[int(folder.name)] = int(fields[1]), int(fields[19]), sum(map(int, fields[11:15]))
    return found


class Family:
    """The processes of a server: those that this script started, and their descendants."""

    def __init__(self):
        self.roots = []
        # Number and start time of each member that was ever seen: a number alone may name another process by now.
        self.seen = set()

    def add(self, process):
        self.roots.append(process)

    def members(self):
        """CPU ticks of those that live, by number."""
        processes = table()
        children = collections.defaultdict(list)
        for number, (parent, _, _) in processes.items():
            children[parent].append(number)
        # One that has ended and was waited for has a number that may be another's.
        todo, found = [root.pid for root in self.roots if root.poll() is None], {}
        while todo:
            number = todo.pop()
            todo += children[number]
            if number in processes:
                _, started, ticks = processes[number]
                found[number] = ticks
                self.seen.add((number, started))
        return found

    def cpu_seconds(self):
        return sum(self.members().values()) / TICK

    def memory(self):
        """Resident MiB; what several processes share is counted once (proc(5), Pss)."""
        total = 0
        for number in self.members():
            try:
                text = pathlib.Path("/proc/%d/smaps_rollup" % number).read_text()
            except OSError:
                # It has ended.
                continue
            # A process that is ending has no memory any more, and no such line.
            total += int(text.partition("\nPss:")[2].split()[0]) if "\nPss:" in text else 0
        return total / 1024

    def exit_code(self):
        """None while all that was started lives, else the exit code of one that does not."""
        return next((root.returncode for root in self.roots if root.poll() is not None), None)

    def end(self, patience=20):
        self.members()
        for root in self.roots:
            if root.poll() is None:
                root.terminate()
        deadline = time.monotonic() + patience
        while self.survivors() and time.monotonic() < deadline:
            # The interval between two polls.
            time.sleep(0.1)
        for number in self.survivors():
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                # It has ended by itself after all.
                continue
        for root in self.roots:
            root.wait(patience)

    def survivors(self):
        for root in self.roots:
            # Takes its exit code, or it would count as a survivor.
            root.poll()
        processes = table()
        return [number for number, started in self.seen if number in processes and processes[number][1] == started]
