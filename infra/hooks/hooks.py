"""What the command line asks for, and how it ends."""

import io
import sys
from collections.abc import Mapping

from azure_cli import AzError, Azure, StoppedError
from connect import connect
from disconnect import disconnect
from preflight import check

COMMANDS = {"check": check, "connect": connect, "disconnect": disconnect}


def run(arguments: list[str], environ: Mapping[str, str], usage: str, azure: Azure | None = None) -> int:
    """Do what the argument says; 1 if something is in the way, 2 for a wrong argument."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A Windows console may not have every letter of a resource's name.
            stream.reconfigure(errors="replace")
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write(f"{usage}\n")
        return 2
    try:
        COMMANDS[arguments[0]](azure or Azure(), environ)
    except (StoppedError, AzError) as error:
        what = f"the Azure CLI said: {error}" if isinstance(error, AzError) else error
        sys.stdout.flush()
        sys.stderr.write(f"Stopped: {what}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. What was done so far is known; run the same command again.\n")
        return 130
    return 0
