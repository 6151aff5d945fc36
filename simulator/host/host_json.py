"""host.json: read and checked, more strictly than the real host does.

The real host checks only that the file is JSON, that `version` is "2.0" and the range of `functionTimeout`, and
ignores unknown keys, so that a misspelt setting never takes effect and nobody is told. Names and defaults:
https://learn.microsoft.com/azure/azure-functions/functions-host-json and functions-bindings-storage-queue#hostjson-settings.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from simulator.host.errors import HostError

_SAMPLING = {
    "isEnabled": None,
    "maxTelemetryItemsPerSecond": None,
    "evaluationInterval": None,
    "initialSamplingPercentage": None,
    "samplingPercentageIncreaseTimeout": None,
    "samplingPercentageDecreaseTimeout": None,
    "minSamplingPercentage": None,
    "maxSamplingPercentage": None,
    "movingAverageRatio": None,
    "excludedTypes": None,
    "includedTypes": None,
}
_KNOWN: Mapping[str, Any] = {
    "version": None,
    "functionTimeout": None,
    "telemetryMode": None,
    "concurrency": {"dynamicConcurrencyEnabled": None, "snapshotPersistenceEnabled": None},
    "extensionBundle": {"id": None, "version": None},
    "extensions": {
        "queues": {
            "maxPollingInterval": None,
            "visibilityTimeout": None,
            "batchSize": None,
            "maxDequeueCount": None,
            "newBatchThreshold": None,
            "messageEncoding": None,
        },
    },
    "logging": {
        "fileLoggingMode": None,
        "console": {"isEnabled": None},
        "logLevel": None,
        "applicationInsights": {
            "samplingSettings": _SAMPLING,
            "enableDependencyTracking": None,
            "enableLiveMetrics": None,
            "enableLiveMetricsFilters": None,
            "enablePerformanceCountersCollection": None,
            "httpAutoCollectionOptions": {
                "enableHttpTriggerExtendedInfoCollection": None,
                "enableW3CDistributedTracing": None,
                "enableResponseHeaderInjection": None,
            },
        },
    },
}
"""Every key that may be set; None where the value is not a section of its own."""

_TIME_SPAN = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d{1,7})?))?")


class MessageEncoding(StrEnum):
    """How a message's bytes are written as the text of a queue message."""

    BASE64 = "base64"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues`; the defaults are those of QueuesOptions in the Storage Queues extension."""

    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    """How long a message stays invisible after the function failed on it."""
    batch_size: int = 16
    max_dequeue_count: int = 5
    new_batch_threshold: int = 8
    """A new batch is fetched once no more messages than this are being processed. Unset, it is half a batch for each
    processor; one processor is assumed."""
    message_encoding: MessageEncoding = MessageEncoding.BASE64


@dataclass(frozen=True, slots=True)
class HostJson:
    """What the host does differently because of host.json."""

    queues: QueueOptions = QueueOptions()
    function_timeout: timedelta | None = timedelta(minutes=30)
    """None is no limit. 30 minutes is the default outside the Consumption plan."""
    log_levels: Mapping[str, str] = MappingProxyType({})
    has_extension_bundle: bool = False
    """Without it the Event Grid and queue extensions are not loaded."""


def read(path: Path) -> HostJson:
    """Read and check host.json; raises HostError with everything that is wrong on one line."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise HostError(f"host.json cannot be read: {error}") from error
    except ValueError as error:
        raise HostError(f"host.json is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise HostError("host.json is not a JSON object")
    problems = [*_unknown_keys(document, _KNOWN)]
    if document.get("version") != "2.0":
        problems.append('"version" must be "2.0"')
    if problems:
        raise HostError("host.json: " + "; ".join(problems))
    if document.get("concurrency", {}).get("dynamicConcurrencyEnabled"):
        raise HostError("host.json: dynamicConcurrencyEnabled is not simulated")
    return HostJson(
        queues=_queue_options(document.get("extensions", {}).get("queues", {})),
        function_timeout=_function_timeout(document.get("functionTimeout", "00:30:00")),
        log_levels=_log_levels(document.get("logging", {}).get("logLevel", {})),
        has_extension_bundle={"id", "version"} <= set(document.get("extensionBundle", {})),
    )


def parse_time_span(text: str) -> timedelta:
    """A .NET TimeSpan: `[days.]hours:minutes[:seconds]`; raises ValueError for any other text.

    TimeSpan.Parse reads "24:00:00" as 24 days; that surprise is refused here.
    """
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time span such as 00:01:30")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if hours >= 24 or minutes >= 60 or seconds >= 60:
        raise ValueError(f"{text!r} has a part out of range; a day is written 1.00:00:00")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _unknown_keys(section: Mapping[str, Any], known: Mapping[str, Any], path: str = "") -> list[str]:
    problems: list[str] = []
    for key, value in section.items():
        if key not in known:
            problems.append(f'unknown key "{path}{key}"')
        elif known[key] is not None:
            if isinstance(value, dict):
                problems += _unknown_keys(value, known[key], f"{path}{key}.")
            else:
                problems.append(f'"{path}{key}" must be an object')
    return problems


def _queue_options(section: Mapping[str, Any]) -> QueueOptions:
    batch_size = _integer(section, "batchSize", 16, range(1, 33))
    shortest_poll = timedelta(milliseconds=100)
    max_polling_interval = _span(section, "maxPollingInterval", "00:01:00")
    if max_polling_interval < shortest_poll:
        raise HostError("host.json: maxPollingInterval must not be less than 00:00:00.100")
    encoding = str(section.get("messageEncoding", MessageEncoding.BASE64)).lower()
    if encoding not in set(MessageEncoding):
        raise HostError(f"host.json: messageEncoding must be base64 or none, not {encoding}")
    return QueueOptions(
        max_polling_interval=max_polling_interval,
        visibility_timeout=_span(section, "visibilityTimeout", "00:00:00"),
        batch_size=batch_size,
        max_dequeue_count=_integer(section, "maxDequeueCount", 5, range(1, 2**31)),
        new_batch_threshold=_integer(section, "newBatchThreshold", batch_size // 2, range(2**31)),
        message_encoding=MessageEncoding(encoding),
    )


def _function_timeout(text: str) -> timedelta | None:
    if text == "-1":
        return None
    timeout = _span({"functionTimeout": text}, "functionTimeout", text)
    if timeout < timedelta(seconds=1):
        raise HostError("host.json: functionTimeout must be at least one second, or -1")
    return timeout


def _log_levels(section: Any) -> Mapping[str, str]:
    if not isinstance(section, dict):
        raise HostError('host.json: "logging.logLevel" must be an object')
    levels = {"trace", "debug", "information", "warning", "error", "critical", "none"}
    for category, level in section.items():
        if str(level).lower() not in levels:
            raise HostError(f"host.json: {level!r} is not a log level (logLevel of {category})")
    return MappingProxyType({category: str(level) for category, level in section.items()})


def _integer(section: Mapping[str, Any], key: str, default: int, allowed: range) -> int:
    value = section.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise HostError(f"host.json: {key} must be a whole number from {allowed.start} to {allowed.stop - 1}")
    return value


def _span(section: Mapping[str, Any], key: str, default: str) -> timedelta:
    value = section.get(key, default)
    try:
        return parse_time_span(value)
    except (TypeError, ValueError) as error:
        raise HostError(f"host.json: {key}: {error}") from error
