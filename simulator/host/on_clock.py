"""`python -m simulator.host.on_clock CLOCK MODULE PROGRAM [ARGUMENT …]`: run a module of the app's by a simulated clock.

For programs that live beside the host, such as the app's own command line. MODULE is the app's module that tells the time.
"""

import importlib
import runpy
import sys

from simulator.clock.link import join


def main() -> None:
    """Give the app its clock, then be the program."""
    _, argument, module, program, *arguments = sys.argv
    clock = join(argument)
    vars(importlib.import_module(module)).update(utc_now=clock.now, sleep=clock.sleep)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
