"""The way into the playground: a shell, or one command, whose Azure is the simulated one.

Azure's clients are led there by environment variables. What the caller's own environment says of Azure is taken out, and in
front on the PATH is the project's Python, which runs the product's command line by the simulated clock.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from simulator.playground.fleet import OPERATOR
from simulator.playground.state import ROOT, Running

_FOREIGN = re.compile(r"(?:AZURE|ARM|MSI|IDENTITY)_|AzureWebJobs|ALL_PROXY$|all_proxy$")
"""Variables of the real Azure, which would lead out of the playground or say who is to sign in."""
_PYTHON = """\
#!/bin/sh
# The project's Python. The product's own command line tells the time as the simulated Azure does.
export PYTHONPATH={root}
if [ "${{1-}} ${{2-}}" = "-m cmk_rotation" ]; then
  shift 2
  exec {python} -m simulator.host.on_clock {clock} cmk_rotation.clock cmk_rotation "$@"
fi
exec {python} "$@"
"""
_COMMAND = """\
#!/bin/sh
exec {bin}/python -m cmk_rotation "$@"
"""
_START = """\
[ ! -r ~/.bashrc ] || . ~/.bashrc
{exports}
_playground_prompt() {{ case $PS1 in "({mark})"*) ;; *) PS1="({mark}) $PS1" ;; esac; }}
PROMPT_COMMAND="${{PROMPT_COMMAND:+$PROMPT_COMMAND
}}_playground_prompt"
"""
"""What ~/.bashrc sets must not lead out again."""


def changes(running: Running, who: str, before: Mapping[str, str]) -> dict[str, str | None]:
    """What an environment lacks to be one in the playground, as somebody; None is a variable that has to go."""
    inside = running.environments[who]
    path = [one for one in before.get("PATH", os.defpath).split(os.pathsep) if one != running.commands]
    gone = dict.fromkeys(name for name in before if _FOREIGN.match(name) and name not in inside)
    return {**gone, **inside, "PATH": os.pathsep.join([running.commands, *path])}


def exports(changed: Mapping[str, str | None]) -> str:
    """The same for a shell to read."""
    lines = (
        f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}" for name, value in changed.items()
    )
    return "\n".join(lines)


def write_commands(folder: Path, clock: str) -> None:
    """Make the folder of commands that is in front on the PATH."""
    folder.mkdir(exist_ok=True)
    python = shlex.quote(sys.executable)
    text = _PYTHON.format(root=shlex.quote(str(ROOT)), python=python, clock=shlex.quote(clock))
    product = _COMMAND.format(bin=shlex.quote(str(folder)))
    for name, script in (("python", text), ("cmk-rotation", product)):
        path = folder / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o700)


def enter(running: Running, folder: Path, who: str, command: Sequence[str]) -> NoReturn:
    """Become a command in the playground; without one, an interactive shell."""
    changed = changes(running, who, os.environ)
    environment = {name: value for name, value in {**os.environ, **changed}.items() if value is not None}
    if not command:
        mark = "playground" if who == OPERATOR else f"playground: {who}"
        environment["PS1"] = f"({mark}) $ "
        command = ["sh"]
        if bash := shutil.which("bash"):
            start = folder / f"shell-{who}"
            start.unlink(missing_ok=True)
            start.touch(mode=0o600)
            start.write_text(_START.format(exports=exports(changed), mark=mark), encoding="utf-8")
            command = [bash, "--rcfile", str(start)]
    os.execvpe(command[0], list(command), environment)  # noqa: S606 - what the caller asked for
