"""Hosts that start quickly: each is a copy of one process in which all packages, but nothing of an app's, are imported.

A host spends half a second of computing on imports before it reads the first line of its app. Where hundreds are started
one after the other, this saves most of that. What a host does after the copy is made is the same; so is its environment.
Needs Linux; elsewhere hosts start the long way.

`python -m simulator.host.nursery SOCKET PACKAGE …` is the process that is copied. It ends when nobody holds the other end
of its socket any more.
"""

import functools
import gc
import importlib
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import simulator
from simulator.host.errors import HostError

_MOST_BYTES = 1 << 17


class Child:
    """A host that was copied, with what is used of `subprocess.Popen`."""

    stdout: BinaryIO | None = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = threading.Event()
        self._code = 0

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self._ended.is_set():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; the result is its exit code, negative for a signal."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return self._code

    def ended(self, code: int) -> None:
        """It has ended."""
        self._code = code
        self._ended.set()


class Nursery:
    """The process that is copied, from the side of those who want copies."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._guard = threading.Lock()
        self._children: dict[int, Child] = {}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (our own module)
                [sys.executable, "-m", "simulator.host.nursery", str(theirs.fileno()), *packages],
                cwd=Path(simulator.__file__).parent.parent,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._started: list[Child] = []
        self._gone = False
        self._answered = threading.Condition()
        threading.Thread(target=self._listen, daemon=True, name="nursery").start()

    def start(self, arguments: Sequence[str], env: Mapping[str, str], stderr: int) -> Child:
        """Start a host with these arguments, in this environment."""
        out, theirs = os.pipe()
        with self._guard:
            request = {"arguments": list(arguments), "env": dict(env)}
            socket.send_fds(self._socket, [json.dumps(request).encode()], [theirs, stderr])
            os.close(theirs)
            with self._answered:
                self._answered.wait_for(lambda: self._started or self._gone)
                if self._gone:
                    raise HostError("the process that hosts are copied from has ended")
                child = self._started.pop()
        child.stdout = os.fdopen(out, "rb")
        return child

    def _listen(self) -> None:
        while said := self._socket.recv(_MOST_BYTES):
            pid, code = json.loads(said)
            with self._answered:
                if code is None:
                    self._children[pid] = Child(pid)
                    self._started.append(self._children[pid])
                    self._answered.notify_all()
                else:
                    self._children.pop(pid).ended(code)
        with self._answered:
            self._gone = True
            self._answered.notify_all()


@functools.cache
def nursery(packages: tuple[str, ...]) -> Nursery:
    """The nursery of this process for hosts of apps that use some packages."""
    return Nursery(packages)


def main() -> None:
    """Copy this process whenever asked, and tell of each copy's end."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for package in sys.argv[2:]:
        importlib.import_module(package)
    host = importlib.import_module("simulator.host.__main__")
    gc.freeze()  # What is here stays; looking through it in each copy would only copy the memory.
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is requests:
                message, files, _, _ = socket.recv_fds(requests, _MOST_BYTES, 2)
                if not message:
                    return
                request = json.loads(message)
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    requests.close()
                    _become(host.main, request["arguments"], request["env"], files)
                for file in files:
                    os.close(file)
                requests.send(json.dumps([pid, None]).encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
            else:
                _, status = os.waitpid(key.data, 0)
                selector.unregister(key.fileobj)
                os.close(key.fd)
                requests.send(json.dumps([key.data, os.waitstatus_to_exitcode(status)]).encode())


def _become(host: Callable[[], int], arguments: list[str], env: dict[str, str], files: list[int]) -> None:
    """Be a host from here on."""
    code = 70
    try:
        for ours, standard in zip(files, (1, 2), strict=True):
            os.dup2(ours, standard)
            os.close(ours)
        os.environ.clear()
        os.environ.update(env)
        time.tzset()
        random.seed()
        sys.argv[1:] = arguments
        code = host()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
