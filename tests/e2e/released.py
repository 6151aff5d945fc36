"""A package that is to be deployed, run as Azure runs it: unpacked, with the worker beside it and nothing else.

`python -m tests.e2e.released PACKAGE` is the end of `make release`. Whatever a rotation imports, in whatever line, is in the
package, or it fails here.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.e2e.stage import APP, stage
from tests.e2e.worlds import one_cluster_and_a_topic
from tools.release import SITE

WORKERS_OWN = ("azure-functions-runtime", "azurefunctions-extensions-base")
"""What the Functions worker brings by itself."""
TOPIC = {"OUTCOME_TOPIC_ENDPOINT": "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"}


def environment(folder: Path, app: Path) -> Path:
    """A Python whose packages are those of an unpacked app and the worker's own; which are found first, as there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in WORKERS_OWN:
        for file in metadata.files(name) or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), site / file)
    (site / "app.pth").write_text(str(app / SITE), encoding="utf-8")
    return folder / "bin/python"


def rotation(package: Path, folder: Path) -> tuple[dict[str, Any], int]:
    """Let a key rotate; what is on record of the cluster that follows, and how many were told of it."""
    app = folder / "app"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(app)
    python = environment(folder / "python", app)
    with stage(folder / "host", settings=TOPIC, build=one_cluster_and_a_topic, app=app, python=python) as story:
        (cluster,) = story.azure.arm.clusters.values()
        row = story.finished(cluster, story.rotate())
        story.reconcile()
        return row, len(story.azure.topics["outcomes"].events)


def main() -> int:
    """Say how a rotation by the package went."""
    (package,) = map(Path, sys.argv[1:])
    wanted = (APP / ".python-version").read_text(encoding="utf-8").strip()
    if wanted != f"{sys.version_info.major}.{sys.version_info.minor}":
        sys.stderr.write(f"The package is for Python {wanted}, and this is {sys.version.split()[0]}: it was not run.\n")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        row, told = rotation(package, Path(folder))
    sys.stdout.write(f"A rotation by {package.name} alone: {row['stage']}, {row['reason']}, {told} outcome\n")
    return 0 if row["verified"] is True and told == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
