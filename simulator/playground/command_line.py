"""The playground's commands, and what they print."""

import argparse
import os
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from simulator import terminal
from simulator.playground import shell
from simulator.playground.acts import HELP
from simulator.playground.client import RefusedError, ask, check_the_way_in
from simulator.playground.fleet import OPERATOR, PRINCIPALS
from simulator.playground.state import FOLDER, Running, in_a_terminal
from simulator.playground.stories import STORIES
from simulator.playground.up import UpError, up, written
from simulator.playground.world import Options
from simulator.terminal import complain, say

_STORY_GOES_ON = "\nStopped watching. The story goes on where the playground was started."


def run() -> int:
    """Run the command that was asked for, on whatever terminal there is; the result is the exit code."""
    return terminal.run(_main)


def _main() -> int:
    try:
        return main()
    except SystemExit as ending:  # argparse's own
        return int(ending.code or 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.run
    try:
        return command(given)
    except (RefusedError, UpError) as error:
        complain(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        complain(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m simulator", description="A small simulated Azure, to play with.")
    default = _folder(os.environ["PLAYGROUND_FOLDER"]) if os.environ.get("PLAYGROUND_FOLDER") else FOLDER
    parser.add_argument("--folder", type=_folder, default=default, help="where it keeps its notice and its logs")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    start = commands.add_parser("up", help="start it, and watch it; Ctrl-C ends it")
    start.add_argument("--speed", type=_speed, help="simulated seconds in a real one (60, or 1 with --azurite)")
    start.add_argument("--without-app", action="store_true", help="only Azure: nobody moves the clusters")
    start.add_argument("--azurite", action="store_true", help="keep the app's queue and table in Azurite (Node)")
    start.set_defaults(run=_up)

    inside = commands.add_parser(
        "shell", help="a shell whose Azure is this one, for the Azure CLI and the app's commands"
    )
    inside.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="run this in place of a shell")
    inside.set_defaults(run=_shell)

    env = commands.add_parser(
        "env", help='the same for a shell that is open already: eval "$(python -m simulator env)"'
    )
    env.set_defaults(run=_env)
    for one in (inside, env):
        one.add_argument("--as", dest="who", choices=list(PRINCIPALS), default=OPERATOR, help="whom to sign in as")

    status = commands.add_parser("status", help="clusters, what they lost, and who used which key version")
    status.set_defaults(run=_status)

    formatter = argparse.RawDescriptionHelpFormatter
    fault = commands.add_parser("fault", help="let something go wrong", epilog=HELP, formatter_class=formatter)
    fault.add_argument("line", help="such as 'PATCH payments: 429 without Retry-After, then reset after applying'")
    fault.set_defaults(run=_fault)

    stories = commands.add_parser("stories", help="list documented incidents that can be played")
    stories.set_defaults(run=_stories)
    play = commands.add_parser("play", help="play one of them")
    play.add_argument("name", choices=sorted(STORIES), metavar="NAME", help="one of those that `stories` lists")
    play.set_defaults(run=_play)
    return parser


def _folder(text: str) -> Path:
    """Absolute: it is used by processes that work elsewhere."""
    return Path(text).absolute()


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"time cannot pass at the speed '{text}'; it must be above 0")
    return speed


def _up(given: argparse.Namespace) -> int:
    # Azurite knows only real time.
    speed = given.speed or (1.0 if given.azurite else 60.0)
    return up(Options(given.folder, speed, not given.without_app, azurite=given.azurite))


def _running(given: argparse.Namespace) -> Running:
    running = Running.find(given.folder)
    if running is None:
        raise RefusedError(f"No playground is up here. Start one in another terminal: {in_a_terminal(given.folder)} up")
    return running


def _shell(given: argparse.Namespace) -> int:
    running = _running(given)
    check_the_way_in(running, given.who)
    shell.enter(running, given.folder, given.who, given.words)


def _env(given: argparse.Namespace) -> int:
    running = _running(given)
    check_the_way_in(running, given.who)
    say(shell.exports(shell.changes(running, given.who, os.environ)))
    return 0


def _fault(given: argparse.Namespace) -> int:
    if given.line.strip().lower() == "list":
        to_come = ask(_running(given), "GET", "faults")["toCome"]
        say("\n".join(to_come) or "Nothing is still to go wrong.")
        return 0
    say(f"Done: {ask(_running(given), 'POST', 'faults', given.line)['understood']}")
    return 0


def _stories(_: argparse.Namespace) -> int:
    for story in STORIES.values():
        say(f"{story.name}\n{textwrap.indent(f'{story.about}\nSource: {story.source}', '    ')}")
    return 0


def _status(given: argparse.Namespace) -> int:
    answer = ask(_running(given), "GET", "")
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


def _play(given: argparse.Namespace) -> int:
    running = _running(given)
    after = ask(running, "POST", f"stories/{given.name}")["after"]
    try:
        while True:
            answer = ask(running, "GET", f"feed?after={after}")
            for line in answer["lines"]:
                after = line["number"] + 1
                say(written(line["at"], line["source"], line["text"]))
            if not answer["telling"]:
                return 0
            time.sleep(0.2)
    except KeyboardInterrupt:
        complain(_STORY_GOES_ON)
        return terminal.INTERRUPTED
