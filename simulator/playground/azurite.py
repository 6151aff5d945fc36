"""Azurite, Microsoft's storage emulator, in place of the simulated storage: for `up --azurite`."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.playground.state import ROOT

_SCRIPT = ROOT / "tools/azurite/node_modules/azurite/dist/src/azurite.js"
_INSTALL = "npm ci --prefix tools/azurite --ignore-scripts --no-audit --no-fund"
_START_SECONDS = 60.0


class AzuriteError(Exception):
    """Azurite is not installed, or did not start."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """One that runs, with one account. It answers on the loopback address."""

    account: str
    key: str
    queue_port: int
    table_port: int

    @property
    def connection_string(self) -> str:
        """As clients take it."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};"
            f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{self.account};"
            f"TableEndpoint=http://127.0.0.1:{self.table_port}/{self.account};"
        )


@contextlib.contextmanager
def azurite(account: str, key: str) -> Iterator[Azurite]:
    """Run it, in memory and in real time. The key is base64."""
    script, node = Path(os.environ.get("AZURITE") or _SCRIPT), shutil.which("node")
    if node is None or not script.exists():
        raise AzuriteError(
            f"Azurite needs Node.js ({node or 'not found'}) and {script}. Install Azurite with: {_INSTALL}"
        )
    with contextlib.ExitStack() as sockets:
        free = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        blobs, queues, tables = (one.getsockname()[1] for one in free)
    # The version check refuses SDKs that are newer than Azurite, and telemetry is on by default.
    flags = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    ports = ["--blobPort", str(blobs), "--queuePort", str(queues), "--tablePort", str(tables)]
    with subprocess.Popen(  # noqa: S603 - node, found on the PATH
        [node, str(script), *flags, *ports],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for the playground, which ends Azurite when nobody needs it any more.
        start_new_session=True,
    ) as process:
        try:
            for port in (queues, tables):
                _wait_for(port, process)
            yield Azurite(account, key, queues, tables)
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AzuriteError(f"Azurite did not start (exit code {process.poll()})")
