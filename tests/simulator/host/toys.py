"""Toy apps in a simulated Azure, whatever hosts them."""

import base64
from dataclasses import dataclass
from datetime import datetime

from simulator.azure import Azure
from simulator.host.hosting import Hosting
from simulator.storage.accounts import StorageAccount


@dataclass(frozen=True, slots=True)
class Toys[H: Hosting]:
    """A toy app whose function works on the queue `work`."""

    azure: Azure
    account: StorageAccount
    host: H

    @property
    def now(self) -> float:
        return self.azure.clock.timestamp()

    def put(self, *bodies: str, after: float = 0.0, queue: str = "work") -> None:
        with self.azure.lock:
            for body in bodies:
                self.account.queues.put(queue, base64.b64encode(body.encode()).decode(), after)

    def left(self) -> int:
        """How many messages there are, whether visible or not."""
        with self.azure.lock:
            return len(self.account.queues.messages("work"))

    def said(self, function: str) -> list[tuple[float, str]]:
        """When a function said what."""
        return [
            (datetime.fromisoformat(line["time"]).timestamp(), line["message"])
            for line in self.host.log_lines()
            if line["category"] == f"Function.{function}.User"
        ]

    def texts(self, function: str) -> list[str]:
        """What it said."""
        return [text for _, text in self.said(function)]

    def moments(self, text: str) -> list[float]:
        """When a line was logged that says something, by whomever."""
        return [
            datetime.fromisoformat(line["time"]).timestamp()
            for line in self.host.log_lines()
            if text in line["message"]
        ]
