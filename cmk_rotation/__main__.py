"""`python -m cmk_rotation`: the command line, on whatever terminal there is."""

import io
import os
import sys

from cmk_rotation.cli.commands import main

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A letter that the locale's encoding does not have is a question mark, and no error.
        sys.stdout.reconfigure(errors="replace")
    try:
        sys.exit(main())
    except BrokenPipeError:
        # Whoever reads has had enough, such as `head`; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)  # Not all was told.
