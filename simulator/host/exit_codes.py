"""How a host says why it ended."""

STOPPED = 0
REFUSED = 1
TIMEOUT = 3
"""A function ran past `functionTimeout`."""
BROKEN = 4
"""The host itself failed: a bug, or a disk that cannot be written."""
