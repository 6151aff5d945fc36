"""A storage account's connection string: whether it makes sense. Nothing of it is ever shown; most of it is secret."""

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def problems_of(name: str, text: str) -> Iterator[str]:
    """What is wrong with the connection string in a setting, in sentences."""
    parts = {key.strip().lower(): value for key, _, value in (part.partition("=") for part in text.split(";"))}
    if parts.get("usedevelopmentstorage") == "true":
        return
    endpoints = [parts[key] for key in ("queueendpoint", "tableendpoint") if key in parts]
    by_key = "accountname" in parts and _is_base64(parts.get("accountkey", ""))
    by_signature = "sharedaccesssignature" in parts and ("accountname" in parts or len(endpoints) > 1)
    if not by_key and not by_signature:
        yield (
            f"{name} is not a connection string: expected AccountName and AccountKey, a SharedAccessSignature "
            "with QueueEndpoint and TableEndpoint, or UseDevelopmentStorage=true."
        )
    plain = len(endpoints) <= 1 and parts.get("defaultendpointsprotocol", "https").lower() != "https"
    if plain or not all(map(_is_safe, endpoints)):
        yield (
            f"{name} has an endpoint without https, or one that is no URL: expected https:// and a host for everything "
            "but an emulator on this machine."
        )


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


def _is_safe(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint.strip())
        host, port = parts.hostname, parts.port
    except ValueError:  # half an IPv6 address, or a port that is no number
        return False
    return bool(host) and port != 0 and (parts.scheme == "https" or host in _LOOPBACK)
