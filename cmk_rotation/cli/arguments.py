"""What can be typed: the commands, their options, and what an argument must be."""

import argparse
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from cmk_rotation import clock
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.domain.identifiers import AppId

type Command = Callable[..., int]

_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_CLUSTER = "a name, a part of one, or an ARM id"


class _Parser(argparse.ArgumentParser):
    """argparse's own code for wrong usage is 2, which means here that a cluster is behind."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\n")


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser, with what carries each command out."""
    main = _Parser(prog=called(), description="See, plan, check and ask for key rotations.")
    _add_completion(main)
    found = main.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help_: str) -> argparse.ArgumentParser:
        one = found.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        one.set_defaults(command=commands[name])
        one.add_argument("--json", action="store_true", help="for machines")
        source = one.add_mutually_exclusive_group()
        source.add_argument("--settings", metavar="FILE", help="take the settings from a local.settings.json")
        source.add_argument(
            "--app", type=_app_id, metavar="RESOURCE_ID", help="take the settings of this deployed function app"
        )
        return one

    planning = add("plan", "decide for every cluster in scope, change nothing")
    checking = add("preflight", "check all that must be true for the next rotation to work")
    checking.add_argument("--cluster", metavar="CLUSTER", help=f"only this one: {_CLUSTER}")
    visiting = add("visit", "ask the function to look at clusters now, without waiting for a retry")
    visiting.add_argument("cluster", nargs="+", metavar="CLUSTER", help=_CLUSTER)
    visiting.add_argument("--wait", action="store_true", help="follow what comes of it")
    telling = add("status", "clusters and rotations on record")
    telling.add_argument("--cluster", metavar="CLUSTER", help=f"only this one: {_CLUSTER}")
    telling.add_argument("--key", metavar="KEY", help="only clusters and rotations of this key: name or vault/name")
    telling.add_argument("--since", type=_since, metavar="TIME", help="only rotations since, e.g. 7d, 12h, 2026-11-01")
    telling.add_argument("--history", action="store_true", help="every attempt and step as well")
    telling.add_argument("--watch", action="store_true", help="until nothing is under way any more")
    reporting = add("report", "write one HTML page about the fleet and its rotations")
    reporting.add_argument("--since", type=_since, metavar="TIME", help="only rotations since, e.g. 90d, 2026-01-01")
    reporting.add_argument("--output", metavar="FILE", default="-", help="where to; - is standard output")
    for one in (planning, checking, telling, visiting):
        one.add_argument("--wide", action="store_true", help="whole ids and versions")
    return main


def called() -> str:
    """The name that this was called by: the script is not there where nothing was installed, nor the module elsewhere."""
    return "cmk-rotation" if Path(sys.argv[0]).stem == "cmk-rotation" else "python -m cmk_rotation"


def again(options: argparse.Namespace, *words: str) -> str:
    """Another command, as it is to be typed for the same app."""
    source = (
        ["--app", options.app.text] if options.app else ["--settings", options.settings] if options.settings else []
    )
    return f"{called()} {shlex.join([*words, *source])}"


def _add_completion(main: argparse.ArgumentParser) -> None:
    """`--print-completion SHELL`, where the extra `cli` is installed."""
    try:
        import shtab  # noqa: PLC0415 - it may not be installed
    except ModuleNotFoundError:
        return
    shtab.add_argument_to(main, "--print-completion", help="print what makes a shell complete these commands")


def _app_id(text: str) -> AppId:
    app = AppId.parse(text)
    if app is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not the ARM id of a function app (…/Microsoft.Web/sites/NAME)")
    return app


def _since(text: str) -> datetime:
    """A time, or how long ago."""
    span = _SPAN.fullmatch(text)
    if span:
        return clock.utc_now() - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        time_ = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a time nor a span like 7d, 12h or 30m") from None
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)
