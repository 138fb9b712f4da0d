"""Listens in: a TCP relay that keeps all that its clients say, and the connections that a process tree really has."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path

from tests.contracts.chain_process import free_port


class Wiretap:
    """Relays `address` and remembers every byte that went there."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("http://").rsplit(":", 1)
        self._target = host, int(port)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._said: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def said(self) -> list[bytes]:
        """What was sent, one entry per connection."""
        with self._lock:
            return [bytes(one) for one in self._said]

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            heard = bytearray()
            with self._lock:
                self._said.append(heard)
            threading.Thread(target=self._relay, args=(client, server, heard), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket, heard: bytearray) -> None:
        with client, server:
            back = threading.Thread(target=self._pump, args=(server, client, None))
            back.start()
            self._pump(client, server, heard)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, heard: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if heard is not None:
                    with self._lock:
                        heard += data
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def process_tree(root: int) -> list[int]:
    """`root` and all its descendants that live now."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def remote_ends(root: int) -> tuple[set[tuple[str, int]], set[int]]:
    """Where the TCP connections below `root` lead, as (address, port); and the ports of the processes' own ends.

    Processes are looked for before and after, so that one that has just been forked is known as the other end of its
    connection to another below `root`.
    """
    inodes = _sockets(root)
    tables = [(Path("/proc/net") / table).read_text() for table in ("tcp", "tcp6")]
    inodes |= _sockets(root)
    remotes, own = set(), set()
    for table in tables:
        for line in table.splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                local, remote = (_end(field) for field in fields[1:3])
                own.add(local[1])
                remotes.add(remote)
    return remotes, own


def _sockets(root: int) -> set[str]:
    """Inodes of the sockets that `root` and its descendants hold."""
    inodes: set[str] = set()
    for pid in process_tree(root):
        try:
            links = [os.readlink(entry) for entry in (Path("/proc") / str(pid) / "fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    return inodes


def _end(field: str) -> tuple[str, int]:
    address, port = field.split(":")
    words = [bytes.fromhex(address[start : start + 8])[::-1] for start in range(0, len(address), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)).removeprefix("::ffff:"), int(port, 16)
