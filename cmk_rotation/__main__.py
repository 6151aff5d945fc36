"""`cmk-rotation`, or `python -m cmk_rotation`: the command line, on whatever terminal there is."""

import io
import os
import sys

try:
    from cmk_rotation.cli.commands import main
    from cmk_rotation.cli.exit_codes import ExitCode
except (ImportError, SyntaxError) as error:
    sys.exit(
        f"This Python ({sys.executable}) cannot run the command line: {error}.\n"
        "It needs Python 3.13 or later and the packages of requirements.txt; in a checkout: `make demo`, then .venv/bin/python"
    )


def run() -> int:
    """Run the command line; the result is the exit code."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closed by whoever started this
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the locale's encoding does not have is a question mark, and no error.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, such as `head`; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.READER_STOPPED
    return code


if __name__ == "__main__":
    sys.exit(run())
