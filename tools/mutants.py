"""`make mutants`: `domain` and `decisions` with one thing wrong at a time, by mutmut, and whether any test sees it.

First the types and their own tests are asked, which takes a moment for each; whatever these let pass meets the tests of
`controller` and `preflight` too. It works on a copy in `build/mutants`, in which two things are said otherwise that mutmut
would pass over or had better: what a property does is in a method, and a text with a blank in it, which is for people, is an
f-string, which mutmut leaves alone.

    tools/mutmut/.venv/bin/python tools/mutants.py '*rotation.x_failed*'   these alone
"""

import argparse
import ast
import io
import os
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build/mutants"
MUTATED = ("cmk_rotation/domain", "cmk_rotation/decisions")
COPIED = ("cmk_rotation", "tests", "infra", "function_app.py", "pyproject.toml")
EQUIVALENT = ROOT / "tools/mutmut/equivalent.toml"
OWN, FURTHER = '"tests/unit/domain", "tests/unit/decisions",', '"tests/unit/preflight", "tests/unit/controller",'
SLOW = (
    "alerts",
    "cluster_status",
    "crashes",
    "failures",
    "properties",
    "reading_keys",
    "reconcile",
    "requeue",
    "visit",
)
"""Tests of `controller` that let days pass, or whatever may happen, and would take hours."""
STATUS = {"killed": "own tests", "timeout": "own tests", "caught by type check": "types"}
BY = ("types", "own tests", "others", "equivalent", "NOT SEEN")
UNTRIED = "not checked"

type Change = tuple[str, str, str]
"""A function, and its lines before and after."""


def main() -> int:
    """Run them; 1 if one is not seen that is not known to be the same program."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("names", nargs="*", help="only these, by mutmut's names of them")
    names = parser.parse_args().names
    if not names:
        shutil.rmtree(COPY, ignore_errors=True)
    _copy()
    os.chdir(COPY)
    seen_by = _run(*names)
    if passed := [name for name, by in seen_by.items() if by not in {*BY, UNTRIED}]:
        _ask_further_tests()
        seen_by |= {name: "others" if by == "own tests" else by for name, by in _run(*passed).items() if name in passed}
    return _tell(seen_by)


def _copy() -> None:
    """Write what is new, and nothing else: mutmut sees by its age what it has made already."""
    for name in COPIED:
        for source in [ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*.py")):
            target = COPY / source.relative_to(ROOT)
            text = source.read_text(encoding="utf-8")
            if str(source.relative_to(ROOT)).startswith(MUTATED):
                text = _properties_are_methods(_prose_is_left_alone(text))
            if not target.exists() or target.read_text(encoding="utf-8") != text:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text, encoding="utf-8")


def _prose_is_left_alone(source: str) -> str:
    lines = source.splitlines(keepends=True)
    for token in reversed([*tokenize.generate_tokens(io.StringIO(source).readline)]):
        plain = token.type == tokenize.STRING and token.string[0] in "\"'" and not token.string.startswith('"""')
        if plain and " " in token.string:
            (row, start), end = token.start, token.end[1]
            text = token.string.replace("{", "{{").replace("}", "}}")
            lines[row - 1] = f"{lines[row - 1][:start]}f{text}{lines[row - 1][end:]}"
    return "".join(lines)


def _properties_are_methods(source: str) -> str:
    lines = source.splitlines()
    functions = [one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.FunctionDef)]
    for function in sorted(functions, key=lambda one: -one.lineno):
        if [ast.unparse(one) for one in function.decorator_list] == ["property"] and function.end_lineno:
            head = function.lineno - 1
            calls = ["    @property", lines[head], f"        return self._{function.name}_()"]
            lines[function.end_lineno : function.end_lineno] = calls
            lines[head] = lines[head].replace(f"def {function.name}(", f"def _{function.name}_(")
            del lines[head - 1]
    return "\n".join([*lines, ""])


def _ask_further_tests() -> None:
    settings = Path("pyproject.toml")
    ignored = "".join(f'"--ignore=tests/unit/controller/test_{name}.py", ' for name in SLOW)
    text = settings.read_text(encoding="utf-8").replace(OWN, f"{OWN} {FURTHER} {ignored}")
    settings.write_text(text.replace("type_check_command", "asked_before"), encoding="utf-8")


def _run(*names: str) -> dict[str, str]:
    """Let mutmut try some, or all; by what each was seen, or else how it came off."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    subprocess.run(run, env={**os.environ, "PATH": path}, check=True)  # noqa: S603 - our own arguments
    came = {name: status_by_exit_code[code] for one in _data() for name, code in one.exit_code_by_key.items()}
    return {name: STATUS.get(status, status) for name, status in came.items()}


def _data() -> list[SourceFileMutationData]:
    found = [SourceFileMutationData(path=path) for folder in MUTATED for path in sorted(Path(folder).rglob("*.py"))]
    for one in found:
        one.load()
    return found


def _tell(seen_by: dict[str, str]) -> int:
    """Say what was seen by what, for each module, and each change that was not."""
    known = {
        (one["function"], one["before"], one["after"])
        for one in tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    }
    passed: set[Change] = set()
    amounts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in _data():
        for name in one.exit_code_by_key:
            if (by := seen_by[name]) not in {*BY, UNTRIED}:
                change = _change(name, Path(one.path))
                passed.add(change)
                by = "equivalent" if change in known else "NOT SEEN"
            amounts[str(one.path)][by] += 1
            amounts["all"][by] += 1
    _say(f"{'':<40}{'mutants':>9}" + "".join(f"{by:>12}" for by in BY))
    for path, amount in amounts.items():
        tried = amount.total() - amount[UNTRIED]
        _say(f"{path:<40}{tried:>9}" + "".join(f"{amount[by]:>12}" for by in BY))
    for change in sorted(passed - known):
        _say("\nNOT SEEN  {}\n  - {}\n  + {}".format(*change))
    stale = set() if amounts["all"][UNTRIED] else known - passed
    for change in sorted(stale):
        _say("\nSEEN, or not there any more, though listed as equivalent: {}\n  - {}\n  + {}".format(*change))
    return int(bool(passed - known or stale))


def _change(name: str, path: Path) -> Change:
    diff = [line for line in get_diff_for_mutant(name, path=path).splitlines() if line[:3] not in {"---", "+++"}]
    before, after = (" ".join(line[1:].strip() for line in diff if line[0] == sign) for sign in "-+")
    function = name.removeprefix("cmk_rotation.").rpartition("__mutmut_")[0]
    return function.replace(".x_", ".").replace(".xǁ", ".").replace("ǁ", "."), before, after


def _say(text: str) -> None:
    print(text)  # noqa: T201 - what a command is for


if __name__ == "__main__":
    sys.exit(main())
