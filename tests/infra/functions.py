"""The functions of Bicep that these files use, in Python; `evaluation.py` calls them."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class FailedError(Exception):
    """The template itself refused, with `fail()`."""


@dataclass(frozen=True)
class World:
    """Where a deployment takes place."""

    cloud: str = "AzureCloud"
    zones: tuple[str, ...] = ("1", "2", "3")

    @property
    def environment(self) -> dict[str, Any]:
        return {
            "name": self.cloud,
            "portal": "https://portal.example",
            "resourceManager": "https://management.example/",
            "authentication": {"audiences": ["https://management.example/"]},
            "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
        }


@dataclass(frozen=True)
class Place:
    """What a file is deployed to, and where it lies itself."""

    world: World
    scope: str
    """ARM id of a subscription or a resource group."""
    path: Path


def call(name: str, place: Place, arguments: list[Any]) -> Any:
    """Call a function; one that is not here is an error, as a misspelt one is for the compiler."""
    if name in _OF_THE_PLACE:
        return _OF_THE_PLACE[name](place, *arguments)
    if name in _PURE:
        return _PURE[name](*arguments)
    raise AssertionError(f"the function {name} is not known here")


def resource_id(scope: str, kind: str, *names: str) -> str:
    """The ARM id of a resource, whose type has as many parts as names are given."""
    provider, *kinds = kind.split("/")
    assert len(kinds) == len(names), (kind, names)
    pairs = "/".join(f"{part}/{name}" for part, name in zip(kinds, names, strict=True))
    return f"{scope}/providers/{provider}/{pairs}"


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two objects, the other's values first, and objects in both merged again."""
    both = {name for name in one.keys() & other.keys() if isinstance(one[name], dict) and isinstance(other[name], dict)}
    return {**one, **other, **{name: merged(one[name], other[name]) for name in both}}


def _union(first: Any, *others: Any) -> Any:
    if isinstance(first, dict):
        for other in others:
            first = merged(first, other)
        return first
    found: list[Any] = []
    for item in (item for part in (first, *others) for item in part):
        if item not in found:
            found.append(item)
    return found


def _concat(*parts: Any) -> Any:
    return [item for part in parts for item in part] if isinstance(parts[0], list) else "".join(parts)


def _contains(where: Any, what: Any) -> bool:
    return what in where


def _guid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(parts)))


def _unique_string(*parts: str) -> str:
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _map(items: list[Any], change: Callable[[Any], Any]) -> list[Any]:
    return [change(item) for item in items]


def _filter(items: list[Any], wanted: Callable[[Any], bool]) -> list[Any]:
    return [item for item in items if wanted(item)]


def _to_object(items: list[Any], key: Callable[[Any], str], value: Callable[[Any], Any]) -> dict[str, Any]:
    return {key(item): value(item) for item in items}


def _items(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": values[key]} for key in sorted(values)]


def _join(parts: Iterable[str], between: str) -> str:
    return between.join(parts)


def _fail(_: Place, message: str) -> Any:
    raise FailedError(message)


def _subscription(place: Place, given: str | None = None) -> dict[str, str]:
    found = given or place.scope.split("/")[2]
    return {"id": f"/subscriptions/{found}", "subscriptionId": found}


def _resource_group(place: Place, *given: str) -> dict[str, str]:
    subscription, group = (["", *place.scope.split("/")[2:5:2], *given])[-2:]
    if len(given) == 1:
        subscription = place.scope.split("/")[2]
    return {"id": f"/subscriptions/{subscription}/resourceGroups/{group}", "name": group}


def _resource_id(place: Place, *given: str) -> str:
    (at,) = [number for number, part in enumerate(given) if "/" in part]
    where, kind, names = given[:at], given[at], given[at + 1 :]
    return resource_id(_resource_group(place, *where)["id"], kind, *names)


def _subscription_resource_id(place: Place, *given: str) -> str:
    (at,) = [number for number, part in enumerate(given) if "/" in part]
    return resource_id(_subscription(place, *given[:at])["id"], given[at], *given[at + 1 :])


def _load_text(place: Place, path: str) -> str:
    return (place.path.parent / path).read_text(encoding="utf-8")


_PURE: dict[str, Callable[..., Any]] = {
    "concat": _concat,
    "contains": _contains,
    "empty": lambda value: not value,
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "filter": _filter,
    "first": lambda items: items[0],
    "guid": _guid,
    "items": _items,
    "join": _join,
    "last": lambda items: items[-1],
    "length": len,
    "map": _map,
    "max": max,
    "range": lambda start, count: list(range(start, start + count)),
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, at: text.split(at),
    "startsWith": lambda text, start: text.lower().startswith(start.lower()),
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
    "toLower": lambda text: text.lower(),
    "toObject": _to_object,
    "trim": lambda text: text.strip(),
    "union": _union,
    "uniqueString": _unique_string,
}
_OF_THE_PLACE: dict[str, Callable[..., Any]] = {
    "environment": lambda place: place.world.environment,
    "fail": _fail,
    "loadTextContent": _load_text,
    "pickZones": lambda place, *_: list(place.world.zones[:1]),
    "resourceGroup": _resource_group,
    "resourceId": _resource_id,
    "subscription": _subscription,
    "subscriptionResourceId": _subscription_resource_id,
}
