"""`python -m simulator`: the playground's command line."""

import argparse
import json
import os
import shlex
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.playground.acts import HELP
from simulator.playground.control import KEY_HEADER
from simulator.playground.fleet import OPERATOR, PRINCIPALS
from simulator.playground.state import FOLDER, Running
from simulator.playground.stories import STORIES
from simulator.playground.up import up
from simulator.playground.world import Options
from simulator.terminal import say, show_what_can_be_shown

_NOT_UP = "No playground is up here. Start one in another terminal: python -m simulator up"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    given = _parser().parse_args(arguments)
    if given.command == "up":
        # Azurite knows only real time.
        speed = given.speed or (1.0 if given.azurite else 60.0)
        return up(Options(given.folder, speed, not given.without_app, azurite=given.azurite))
    if given.command == "stories":
        for story in STORIES.values():
            say(f"{story.name}\n{textwrap.indent(f'{story.about}\nSource: {story.source}', '    ')}")
        return 0
    running = Running.find(given.folder)
    if running is None:
        return _fail(_NOT_UP)
    if given.command == "env":
        for name, value in running.environments[given.who].items():
            say(f"export {name}={shlex.quote(value)}")
        return 0
    try:
        if given.command == "status":
            return _status(running)
        if given.command == "play":
            return _play(running, given.name)
        answer = _ask(running, "POST", "faults", given.line)
        say(f"Done: {answer['understood']}")
    except RefusedError as error:
        return _fail(str(error))
    return 0


class RefusedError(Exception):
    """What the playground said to a request that it could not do."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m simulator", description="A small simulated Azure, to play with.")
    parser.add_argument("--folder", type=_folder, default=FOLDER, help="where it keeps its notice and its logs")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start it, and watch it; Ctrl-C ends it")
    start.add_argument("--speed", type=float, help="simulated seconds in a real one (60, or 1 with --azurite)")
    start.add_argument("--without-app", action="store_true", help="only Azure: nobody moves the clusters")
    start.add_argument("--azurite", action="store_true", help="keep the app's queue and table in Azurite (Node)")
    env = commands.add_parser("env", help='print what a client needs: eval "$(python -m simulator env)"')
    env.add_argument("--as", dest="who", choices=list(PRINCIPALS), default=OPERATOR, help="whom to sign in as")
    commands.add_parser("status", help="clusters, what they lost, and who used which key version")
    formatter = argparse.RawDescriptionHelpFormatter
    fault = commands.add_parser("fault", help="let something go wrong", epilog=HELP, formatter_class=formatter)
    fault.add_argument("line", help="such as 'PATCH payments: 429 without Retry-After, then reset after applying'")
    commands.add_parser("stories", help="list documented incidents that can be played")
    play = commands.add_parser("play", help="play one of them")
    play.add_argument("name", choices=sorted(STORIES))
    return parser


def _folder(text: str) -> Path:
    """Absolute: it is used by processes that work elsewhere."""
    return Path(text).absolute()


def _ask(running: Running, method: str, path: str, body: str = "") -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{running.port}/playground/{path}",
        data=body.encode() if method == "POST" else None,
        headers={KEY_HEADER: running.key},
        method=method,
    )
    # Past whatever proxy the environment names: this may run where `env` was evaluated.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(json.load(error)["error"]) from None
    except OSError as error:
        raise RefusedError(f"the playground does not answer: {error}") from None
    return answer


def _status(running: Running) -> int:
    answer = _ask(running, "GET", "")
    say(f"{'cluster':<12}{'state':<22}{'version':<10}{'wrapped with':<14}{'ingesting':<11}lost for good")
    for one in answer["clusters"]:
        version, wrapped = ((one[name] or "-")[:8] for name in ("version", "wrappedWith"))
        lost = f"{one['droppedGigabytes']} GB"
        say(f"{one['cluster']:<12}{one['state']:<22}{version:<10}{wrapped:<14}{one['ingesting']!s:<11}{lost}")
    say("\naudit log of key uses")
    for use in answer["auditLog"]:
        outcome = "allowed" if use["allowed"] else "REFUSED"
        what = f"{use['operation']:<11}{use['cluster']:<12}{use['key']:<11}{use['version'][:8]:<10}"
        say(f"  {what}{outcome} {use['count']} times")
    return 0


def _play(running: Running, name: str) -> int:
    after = _ask(running, "POST", f"stories/{name}")["after"]
    while True:
        answer = _ask(running, "GET", f"feed?after={after}")
        for line in answer["lines"]:
            after = line["number"] + 1
            say(f"{line['at']}  {line['source']:<8}{line['text']}")
        if not answer["telling"]:
            return 0
        time.sleep(0.2)


def _fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 1


if __name__ == "__main__":
    show_what_can_be_shown()
    try:
        sys.exit(main())
    except BrokenPipeError:
        # Whoever reads has had enough, such as `head`; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)  # Not all was told.
