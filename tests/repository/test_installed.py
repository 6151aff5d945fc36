"""The command, installed as its user installs it; and what the deployed function does not pay for it."""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_wheel_holds_the_command_with_its_page(tmp_path: Path) -> None:
    """Built and installed without a network: setuptools, and what the command imports, are this environment's."""
    uv = [sys.executable, "-m", "uv", "--offline", "--no-cache", "--quiet"]
    built = [
        *uv,
        "build",
        "--python",
        sys.executable,
        "--wheel",
        "--no-build-isolation",
        "--out-dir",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(built, check=True, env={**os.environ, "VIRTUAL_ENV": sys.prefix})
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "there", with_pip=False)
    python = tmp_path / "there/bin/python"
    subprocess.run([*uv, "pip", "install", "--no-deps", "--python", str(python), str(wheel)], check=True)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": site}
    command = tmp_path / "there/bin/cmk-rotation"
    done = subprocess.run(
        [command, "status"], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr.split()[0]) == (78, "CLUSTER_SCOPES")
    look = "import cmk_rotation.cli.page as page, pathlib; print((pathlib.Path(page.__file__).parent / 'page.html').exists())"
    found = subprocess.run(
        [python, "-c", look], cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", check=True
    )
    assert found.stdout == "True\n"


def test_the_function_imports_nothing_of_the_command_line() -> None:
    told = "import sys, function_app, cmk_rotation.bootstrap; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    modules = done.stdout.split()
    unwanted = ("rich", "jinja2", "shtab", "cmk_rotation.cli", "cmk_rotation.adapters.surroundings")
    assert [name for name in modules if name.startswith(unwanted)] == []
