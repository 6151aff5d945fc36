"""`python -m simulator`: the playground's command line, or why there is none; with whatever Python this is.

Whoever evaluates what `env` prints goes on to `az`. So where there is no playground it prints shell that leaves no way out:
a proxy that answers nothing, a folder without a sign-in for the Azure CLI, and a command that fails.
"""

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - older Pythons read this too
_CLOSED = """\
export HTTPS_PROXY=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1
export ALL_PROXY=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1 NO_PROXY= no_proxy=
export AZURE_CONFIG_DIR='%s'
unset IDENTITY_ENDPOINT IDENTITY_HEADER AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_TENANT_ID
false
"""


def _main() -> int:
    code = 1
    try:
        code = _run()
    finally:  # Whatever went wrong: who evaluates nothing is where they were, with the sign-in that they had.
        if code and "env" in sys.argv[1:]:
            nobody = os.path.join(_ROOT, ".playground", "azure-cli-nobody")  # noqa: PTH118 - as above
            sys.stdout.write(_CLOSED % nobody.replace("'", "'\\''"))
    return code


def _run() -> int:
    try:
        from simulator.playground import command_line  # noqa: PLC0415 - fails where the packages are not
    except (ImportError, SyntaxError, TypeError) as error:
        python = os.path.join(".venv", "bin", "python")  # noqa: PTH118 - as above
        sys.stderr.write(
            "This Python (%s) cannot run the project: %s.\n"  # noqa: UP031 - as above
            "Its own is %s in %s; `make demo` makes it.\n" % (sys.executable, error, python, _ROOT)
        )
        return 1
    return command_line.run()


if __name__ == "__main__":
    sys.exit(_main())
