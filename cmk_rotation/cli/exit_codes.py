"""How a command ends, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The numbers are contract; those from 64 on are those of BSD's sysexits."""

    DONE = 0
    FAILED = 1
    """`preflight`: something would fail. A rotation that was followed has failed."""
    CALLS = 2
    """`plan`: a cluster is behind or needs attention."""
    USAGE = 64
    UNREACHABLE = 69
    """Azure, storage or a cluster could not be reached or read."""
    SETTINGS = 78
    """Settings are missing or wrong."""
    INTERRUPTED = 130
    """By Ctrl-C, as a shell says it."""
    READER_STOPPED = 141
    """Whoever reads the output has had enough, as a shell says it: not all was told."""
