"""Check what the deployment needs, connect the deployed app to clusters and key vaults, or disconnect it.

    python3 infra/hooks/connections.py check | connect | disconnect

`azd` runs these before provisioning, after deploying, and before `down`: see azure.yaml. By hand, with what azd knows:
`azd hooks run preprovision`, `azd hooks run postdeploy`, `azd hooks run predown`. They use the Azure CLI as it is signed in.
"""

import os
import sys

OLDEST_PYTHON = (3, 10)


def main(arguments: "list[str]") -> int:
    """Do what the argument says; 1 if something is in the way, 2 for a wrong argument."""
    if sys.version_info < OLDEST_PYTHON:
        sys.stderr.write(
            "Stopped: this is Python %d.%d, and the hooks need 3.10 or later: see https://www.python.org/downloads, or "  # noqa: UP031
            "'brew install python' on macOS, whose own is 3.9.\n" % sys.version_info[:2]
        )
        return 1
    import hooks  # noqa: PLC0415 - an older Python must not come so far

    return hooks.run(arguments, os.environ, __doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
