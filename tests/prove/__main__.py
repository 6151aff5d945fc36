"""Prove it: `make prove`, or one part of that.

python -m tests.prove model [RUNS] [SEED]   runs of whatever may happen, each of which must come to rest as it should
python -m tests.prove orders                every order of the cases in orders.py
python -m tests.prove hostile [RUNS] [SEED] what strangers send, write and answer, of which nothing may come
python -m tests.prove mutants               the product with one thing wrong: each must be caught
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.prove.model import Whatever
from tests.prove.mutants import HOSTILE, MODEL, MUTANTS, caught
from tests.prove.orders import CASES, Bounds, Found, walk

AT_ONCE = 2
RUNS, DEEDS = 10_000, 5_000
IN_ONE = 500
"""Runs of one seed."""
TURNS = 5
"""In which these are done, each with a seed of its own: of one seed, many are like those before."""
OF_THE_WHOLE_APP = 5
"""Of so many deeds of strangers, one is done to the whole app, and the others to an adapter."""
FIND = 500


def say(text: str) -> None:
    """At once, also to whoever reads it through a pipe."""
    print(text, flush=True)  # noqa: T201 - what a command is for


def settled(runs: int, *phases: Phase) -> settings:
    """How the model is run."""
    return settings(
        max_examples=runs,
        stateful_step_count=30,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def model(runs: int, number: int) -> str | None:
    """Run whatever may happen; the first run that does not come to rest as it should, if there is one."""

    class OfOneSeed(Whatever):
        pass

    try:
        run_state_machine_as_test(seed(number)(OfOneSeed), settings=settled(runs, Phase.generate, Phase.shrink))
    except AssertionError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    return None


def hostile(runs: int, number: int, *phases: Phase) -> str | None:
    """Let strangers do what they can; the smallest deed of which something comes that must not, if there is one."""
    from tests.prove import hostile_answers, hostile_app  # noqa: PLC0415 - most mutants are caught without a simulator
    from tests.prove.hostile import nothing_comes_of  # noqa: PLC0415 - as above

    turns, to_app = range(number * TURNS, (number + 1) * TURNS), runs // OF_THE_WHOLE_APP
    phases = phases or (Phase.generate, Phase.shrink)
    try:
        with tempfile.TemporaryDirectory() as folder, hostile_app.strangers(Path(folder)) as one:
            for turn in turns:
                nothing_comes_of(one.deeds(), one.wrong, seed(turn), settled(to_app // TURNS, *phases))
        with hostile_answers.strangers() as other:
            for turn in turns:
                nothing_comes_of(other.deeds(), other.wrong, seed(turn), settled((runs - to_app) // TURNS, *phases))
    except AssertionError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    return None


def in_parts(name: str, part: Callable[[int, int], str | None], runs: int, number: int) -> int:
    """Runs of several seeds."""
    parts = [(min(IN_ONE, runs - done), number + done // IN_ONE) for done in range(0, runs, IN_ONE)]
    say(f"{name}: {runs} runs, seeds {parts[0][1]} to {parts[-1][1]}")
    wrong = 0
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for (count, of_seed), found in zip(parts, pool.map(part, *zip(*parts, strict=True)), strict=True):
            wrong += found is not None
            say(f"  seed {of_seed:>6}  {count:>5} runs  {found or 'all as it should be'}")
    return wrong


def orders(quick: bool) -> int:  # noqa: FBT001 - as asked for on the command line
    """Walk every order of every case."""
    say("orders                                             switches dies loses slow    orders    states      ends")
    wrong = 0
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for case, bounds, found in pool.map(partial(_walked, quick=quick), range(len(CASES))):
            might = f"{bounds.switches:>8} {bounds.dies:>4} {bounds.loses:>5} {bounds.slow:>4}"
            say(f"  {case:<48} {might} {found.orders:>9,} {found.states:>9,} {len(found.end_states):>9,}")
            for what, order in found.broken.items():
                say(f"    {what}\n      {'; '.join(order)}")
            wrong += bool(found.broken)
    return wrong


def _walked(number: int, *, quick: bool) -> tuple[str, Bounds, Found]:
    case = CASES[number]
    bounds = case.quick if quick else case.bounds
    return case.name, bounds, walk(case, bounds)


def mutants(words: str = "") -> int:
    """Let each be caught."""
    chosen = [one for one in MUTANTS if words in one.name]
    missed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool, tempfile.TemporaryDirectory() as folder:
        found = pool.map(lambda number: caught(chosen[number], Path(folder) / str(number)), range(len(chosen)))
        for mutant, text in zip(chosen, found, strict=True):
            missed += mutant.breaks not in text
            otherwise = f"NOT CAUGHT by {mutant.by}: {text[-600:].strip() or 'nothing is found'}"
            say(f"  {mutant.name:<68} {f'caught by {mutant.by}' if mutant.breaks in text else otherwise}")
    say(f"mutants: {len(chosen) - missed} of {len(chosen)} caught")
    return missed


def find(by: str, wanted: str) -> int:
    """Say whether that is wrong with the product, by the model or by one case: for the mutants."""
    if by == MODEL:

        class UntilFound(Whatever):
            def teardown(self) -> None:
                assert not [one for one in self.scene.rest() if wanted in one], wanted

        try:
            run_state_machine_as_test(seed(1)(UntilFound), settings=settled(FIND, Phase.generate))
        except AssertionError as error:
            say(str(error))
            return 1
        return 0
    if by == HOSTILE:
        found = hostile(FIND, 1, Phase.generate)
        say(found or "nothing is found")
        return int(found is not None)
    case = next(one for one in CASES if one.name == by)
    broken = walk(case, case.quick).broken
    say("\n".join(broken))
    return int(bool(broken))


def main() -> int:
    """Do what is asked for; all of it if nothing is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove")
    part = parser.add_subparsers(dest="part")
    for name, runs in (("model", RUNS), ("hostile", DEEDS)):
        of_runs = part.add_parser(name)
        of_runs.add_argument("runs", nargs="?", type=int, default=runs)
        of_runs.add_argument("seed", nargs="?", type=int, default=1)
    part.add_parser("orders").add_argument("--quick", action="store_true")
    part.add_parser("mutants").add_argument("words", nargs="?", default="")
    of_mutant = part.add_parser("find")
    of_mutant.add_argument("by")
    of_mutant.add_argument("wanted")
    asked = parser.parse_args()
    match asked.part:
        case "model":
            wrong = in_parts("model", model, asked.runs, asked.seed)
        case "hostile":
            wrong = in_parts("hostile", hostile, asked.runs, asked.seed)
        case "orders":
            wrong = orders(asked.quick)
        case "mutants":
            wrong = mutants(asked.words)
        case "find":
            wrong = find(asked.by, asked.wanted)
        case _:
            wrong = in_parts("model", model, RUNS, 1) + in_parts("hostile", hostile, DEEDS, 1)
            wrong += orders(quick=False) + mutants()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
