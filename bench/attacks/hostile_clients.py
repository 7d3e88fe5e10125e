"""What do hostile clients do? All of one attack in one process, which uses little CPU time itself.

    hostile_clients.py ATTACK PORT CONNECTIONS RATE SECONDS SOURCE      (prints a JSON object each second)

Keeps CONNECTIONS connections to 127.0.0.1:PORT open, of which it opens at most RATE a second, and again those that the
server closes. It works in ticks: it opens some connections, looks which ones were accepted or closed, and lets some of
the others take their turn: send a few more bytes, or read some. Then it sleeps until the next tick.
"""

import collections
import json
import resource
import select
import socket
import sys
import time
import typing

TICK = 0.05
# Turns a second of all connections together, which bounds the CPU time. With so many connections that this is not
# enough, each waits longer for its turn.
TURNS = 2000
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; Python has no name for it before 3.12.
# What an Ethernet leaves for data. With loopback's own, up to 64 KiB, the kernel would let each response fill a send
# buffer of nearly a megabyte, as for no client that is far away, and soon reach its limit for all connections.
SEGMENT = 1460

STATIC_FILE_SIZE = 20_000_000
UPLOAD_SIZE = 40_000_000


class Attack(typing.NamedTuple):
    description: str
    # Sent at once.
    request: bytes
    # Seconds from one turn of a connection to the next.
    pause: float = 1
    # Sent at each turn, or a part of it.
    piece: bytes = b""
    # Sent in all turns together; then the connection is held.
    amount: int = sys.maxsize
    # Bytes read at each turn.
    taken: int = 0
    # Whether the connection is dropped as soon as it stands: every other one after the request has been sent.
    dropped: bool = False
    # Connections and connections opened a second, where the attack has numbers of its own.
    connections: int = sys.maxsize
    rate: typing.Optional[int] = None


def get(path):
    return b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path


def post(size):
    headers = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    return headers + b"Content-Length: %d\r\n\r\n" % size


ATTACKS = {
    "slow-bodies": Attack(
        "POST with a Content-Length of 1000, of which a byte comes every 5 s",
        post(1000), pause=5, piece=b"a", amount=999,
    ),
    "slow-reads-static": Attack(
        "GET of a static file of 20 MB, of which 3000 bytes a second are read",
        get(b"/static/big.bin"), taken=3000,
    ),
    "slow-reads-dynamic": Attack(
        "GET of 30 MB from the application, of which 3000 bytes a second are read; at most 300 connections, because "
        "each costs the application real work",
        get(b"/big?n=30000000"), taken=3000, connections=300,
    ),
    "half-headers": Attack(
        "GET whose headers never end: another one every 5 s",
        b"GET / HTTP/1.1\r\n", pause=5, piece=b"X-More: to come\r\n",
    ),
    "unfinished-uploads": Attack(
        "40 POSTs of 40 MB, of which the last byte never comes",
        post(UPLOAD_SIZE), pause=0.05, piece=b"z" * 250_000, amount=UPLOAD_SIZE - 1, connections=40,
    ),
    "connection-flood": Attack(
        "2000 connections a second that are dropped at once, every other one after half a line",
        b"GET / HT", dropped=True, rate=2000,
    ),
}


class Connection:
    def __init__(self, attack, port, source):
        self.left = attack.amount
        self.stands = False
        self.socket = socket.socket()
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            if attack.taken:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # Or bind() would take a port that no other connection of this address can have.
            self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            self.socket.bind((source, 0))
            self.socket.connect_ex(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise


class HostileClients:
    def __init__(self, attack, port, connections, rate, source):
        self.attack, self.port, self.source = attack, port, source
        self.wanted, self.rate = connections, rate
        self.epoll = select.epoll()
        self.open = {}
        # Those that stand, in the order in which it is their turn, and some that were closed since.
        self.waiting = collections.deque()
        names = "opened", "not_opened", "dropped", "closed_by_server", "bytes_sent", "bytes_read"
        self.counts = dict.fromkeys(names, 0)
        self.may_open = self.may_turn = 0.0

    def run(self, seconds):
        began = report = time.monotonic()
        tick = 0
        while time.monotonic() < began + seconds:
            self.open_some()
            self.look()
            self.take_turns()
            if time.monotonic() >= report:
                self.print_counts(time.monotonic() - began)
                report += 1
            tick += 1
            # The pace of the attack, which a loop without a pause would not keep.
            time.sleep(max(0.0, began + tick * TICK - time.monotonic()))

    def print_counts(self, seconds):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        standing = sum(connection.stands for connection in self.open.values())
        cpu = usage.ru_utime + usage.ru_stime
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "standing": standing, **self.counts}), flush=True)

    def open_some(self):
        self.may_open = min(self.may_open + self.rate * TICK, self.wanted - len(self.open))
        while self.may_open >= 1:
            self.may_open -= 1
            try:
                connection = Connection(self.attack, self.port, self.source)
                number = connection.socket.fileno()
                self.epoll.register(number, select.EPOLLOUT | select.EPOLLRDHUP)
            except OSError:
                # No port or no file is left: one may be at the next tick.
                self.counts["not_opened"] += 1
                self.may_open = 0.0
            else:
                self.counts["opened"] += 1
                self.open[number] = connection

    def look(self):
        for number, event in self.epoll.poll(0, 4096):
            connection = self.open[number]
            if event & (select.EPOLLERR | select.EPOLLHUP | select.EPOLLRDHUP):
                self.counts["closed_by_server"] += 1
                self.close(connection)
            else:
                self.begin(connection)

    def begin(self, connection):
        """It stands now, though the server may not have accepted it yet."""
        connection.stands = True
        if self.attack.dropped:
            self.counts["dropped"] += 1
            if self.counts["dropped"] % 2:
                self.send(connection, self.attack.request)
            self.close(connection)
            return
        # From here on only its end is of interest: what comes to read must wake nobody.
        self.epoll.modify(connection.socket.fileno(), select.EPOLLRDHUP)
        self.send(connection, self.attack.request)
        self.waiting.append(connection)

    def take_turns(self):
        turns = min(len(self.waiting) / self.attack.pause, TURNS) * TICK
        self.may_turn = min(self.may_turn + turns, len(self.waiting))
        while self.may_turn >= 1:
            self.may_turn -= 1
            connection = self.waiting.popleft()
            if connection.socket.fileno() < 0:
                continue
            if self.attack.taken:
                self.read(connection)
            elif connection.left:
                connection.left -= self.send(connection, self.attack.piece[: connection.left])
            self.waiting.append(connection)

    def send(self, connection, data):
        """Bytes sent. A connection that is full takes none, and one that broke is found at the next look."""
        try:
            sent = connection.socket.send(data)
        except OSError:
            return 0
        self.counts["bytes_sent"] += sent
        return sent

    def read(self, connection):
        try:
            self.counts["bytes_read"] += len(connection.socket.recv(self.attack.taken))
        except OSError:
            # Nothing there, or it broke, which the next look finds.
            pass

    def close(self, connection):
        # This takes it out of the epoll, too.
        del self.open[connection.socket.fileno()]
        connection.socket.close()


def main():
    attack = ATTACKS[sys.argv[1]]
    port, connections, rate, seconds = map(int, sys.argv[2:6])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    HostileClients(attack, port, connections, rate, sys.argv[6]).run(seconds)


if __name__ == "__main__":
    main()
