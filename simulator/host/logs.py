"""The host's log, one JSON object per line, filtered as host.json's `logging.logLevel` says.

Categories are those of https://learn.microsoft.com/azure/azure-functions/configure-monitoring#configure-categories:
`Function.<name>` for what the host says of an invocation, `Function.<name>.User` for what the function logs, `Host.…` for the
host itself. One more, `Worker`, takes what the app logs outside every invocation (at import, or in threads of its own):
the real host forwards only the logs of running invocations, so those lines never reach Application Insights.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path

from simulator.clock import Clock

_SYSTEM_LOGGERS = ("azure.functions", "azure_functions_runtime", "azure_functions_worker", "proxy_worker")
"""Loggers whose lines are the worker's own; a customer's Application Insights does not get them."""

HOST_THREAD = "simulator-host"
"""How the names of the host's own threads begin. In production the host is another process: what the SDKs it uses log
is not the app's to see."""


class LogLevel(IntEnum):
    """The levels of .NET's ILogger."""

    TRACE = 0
    DEBUG = 1
    INFORMATION = 2
    WARNING = 3
    ERROR = 4
    CRITICAL = 5
    NONE = 6

    @classmethod
    def of_python(cls, level: int) -> "LogLevel":
        """The level as which the worker forwards a Python record."""
        return cls(min(max(level // 10, cls.TRACE), cls.CRITICAL))


class HostLog:
    """Writes what passes the filter, at simulated time. A line is written in one piece, whenever the process dies."""

    def __init__(self, path: Path, clock: Clock, levels: Mapping[str, str]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._clock = clock
        self._levels = {category.lower(): LogLevel[level.upper()] for category, level in levels.items()}

    def write(
        self, level: LogLevel, category: str, message: str, function: str | None = None, invocation: str | None = None
    ) -> None:
        """Write one line, unless the level of the category is higher."""
        if level < self._level_of(category):
            return
        line = {
            "time": self._clock.now().isoformat().replace("+00:00", "Z"),
            "level": level.name.capitalize(),
            "category": category,
            "functionName": function,
            "invocationId": invocation,
            "message": message,
        }
        os.write(self._file, (json.dumps(line) + "\n").encode())

    def _level_of(self, category: str) -> LogLevel:
        """The level of the longest configured prefix of the category, as .NET's log filter chooses."""
        prefixes = [prefix for prefix in self._levels if category.lower().startswith(prefix)]
        return self._levels[max(prefixes, key=len)] if prefixes else self._levels.get("default", LogLevel.INFORMATION)


class WorkerHandler(logging.Handler):
    """The handler that the worker puts on the root logger: only the formatted message travels, no `extra`."""

    def __init__(self, log: HostLog, invocation_id: Callable[[], str | None], running: Mapping[str, str]) -> None:
        super().__init__()
        self._log = log
        self._invocation_id = invocation_id
        self._running = running
        """The function of each invocation under way."""

    def emit(self, record: logging.LogRecord) -> None:
        """Forward a record, with the invocation it belongs to as far as that can be told."""
        if record.name.startswith(_SYSTEM_LOGGERS) or (record.threadName or "").startswith(HOST_THREAD):
            return
        level = LogLevel.of_python(record.levelno)
        invocation = self._invocation_id()
        function = self._running.get(invocation) if invocation else None
        if function is None:
            self._log.write(level, "Worker", self.format(record))
        else:
            self._log.write(level, f"Function.{function}.User", self.format(record), function, invocation)
