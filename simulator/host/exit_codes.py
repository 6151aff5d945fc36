"""How a host says why it ended."""

STOPPED = 0
REFUSED = 1
TIMEOUT = 3
"""A function ran past `functionTimeout`: the worker comes back at once."""
BROKEN = 4
"""The host itself failed: a bug, or a disk that cannot be written."""
STORAGE = 5
"""Storage failed in a way that the host does not survive: the platform starts another."""
