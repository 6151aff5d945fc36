"""What is released: the package that is deployed, with all its libraries, what it consists of (an SBOM), and the hashes of both.

The package is the same wherever it is built: the libraries are those for the app's Python on Linux x86-64, by their hashes, and
nothing in the zip tells of the machine or the hour. Only another zlib may compress it to other bytes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
RELEASE = ROOT / "build" / "release"
SITE = Path(".python_packages/lib/site-packages")
"""Where the worker looks for libraries."""
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of everything in the zip: the format has no earlier one."""


def app_files() -> list[str]:
    """The app's own files. Git itself reads .funcignore, in the name of a repository that holds none of the files here."""
    # A hook, or a rebase in which this runs, names its own repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    with tempfile.TemporaryDirectory() as empty:
        _run("git", "init", "--quiet", "--bare", empty, env=env)
        listing = ["git", f"--git-dir={empty}", f"--work-tree={ROOT}", "ls-files", "--others", "-z"]
        names = _run(*listing, "--exclude-from=.funcignore", env=env).split(b"\0")
    return sorted(os.fsdecode(name) for name in names if name)


def install(site: Path) -> None:
    """Bring the libraries, for the Python that the app runs on and not for this one."""
    python = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    words = ["--require-hashes", "--no-build", "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(site), *words]
    _run(*command, "--requirement", str(ROOT / "requirements.txt"))


def write_package(package: Path, site: Path) -> None:
    """Write the zip: the app's files as they are here, and what lies in a folder of libraries."""
    files = [(name, (ROOT / name).read_bytes()) for name in app_files()] + list(_libraries(site))
    with zipfile.ZipFile(package, "w") as archive:
        for name, content in sorted(files):
            entry = zipfile.ZipInfo(name, _OLDEST)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # of Unix, and everybody may read it
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


def _libraries(site: Path) -> Iterator[tuple[str, bytes]]:
    """Not their commands: nobody calls one there, and each names the Python of this machine, as does its hash in RECORD."""
    for path in site.rglob("*"):
        place = path.relative_to(site)
        if not path.is_file() or place.parts[0] == "bin" or "__pycache__" in place.parts:
            continue
        content = path.read_bytes()
        if place.name == "RECORD":
            content = b"".join(line for line in content.splitlines(keepends=True) if not line.startswith(b"bin/"))
        yield (SITE / place).as_posix(), content


def write_sbom(sbom: Path, site: Path) -> None:
    """Let cyclonedx-py look at the libraries, by way of an environment that has these and no others."""
    environment = site.parent / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "release.pth").write_text(str(site), encoding="utf-8")
    cyclonedx = [str(ROOT / "tools/audit/.venv/bin/python"), "-m", "cyclonedx_py"]
    shape = ["--output-reproducible", "--output-format", "JSON", "--spec-version", "1.6", "--mc-type", "application"]
    project = ["--pyproject", str(ROOT / "pyproject.toml")]
    _run(*cyclonedx, "environment", str(environment / "bin/python"), *shape, *project, "--output-file", str(sbom))


def write_hashes(folder: Path, *files: Path) -> None:
    """As `sha256sum --check` reads them."""
    lines = (f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _run(*command: str, env: dict[str, str] | None = None) -> bytes:
    return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - named here


def main() -> None:
    """Build all of it anew."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.rmtree(RELEASE, ignore_errors=True)
    parts, name = RELEASE / "parts", f"{project['name']}-{project['version']}"
    parts.mkdir(parents=True)
    package, sbom, site = RELEASE / f"{name}.zip", RELEASE / f"{name}.cdx.json", parts / "libraries"
    install(site)
    write_package(package, site)
    write_sbom(sbom, site)
    write_hashes(RELEASE, package, sbom)
    shutil.rmtree(parts)
    sys.stdout.write((RELEASE / "SHA256SUMS").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
