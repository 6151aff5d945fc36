"""What is released: the same bytes again, exactly what is deployed, and enough to run a rotation on its own."""

import os
import re
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from simulator.host.errors import HostError
from tests.e2e.released import rotation
from tests.e2e.stage import APP
from tests.repository.test_package import deployed
from tools import release

PINNED = re.findall(r"^([\w-]+)==", (APP / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)


def libraries(site: Path, *, but: str = "") -> Path:
    """The pinned libraries as they lie in this environment: without a network, the same as what `make release` brings."""
    for name in set(PINNED) - {but}:
        for file in metadata.files(name) or ():
            place = site / ("bin" if ".." in file.parts else file.parent)
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), place / file.name)
    return site


def test_the_package_is_the_same_bytes_whenever_and_in_whatever_order_its_parts_were_written(tmp_path: Path) -> None:
    site = libraries(tmp_path / "site")
    (site / "bin/of-this-machine").write_text("#!/here/python", encoding="utf-8")
    release.write_package(tmp_path / "one.zip", site)
    for file in site.rglob("*.py"):
        os.utime(file, (10**9, 10**9))
    (site / "isodate").rename(tmp_path / "isodate")
    (tmp_path / "isodate").rename(site / "isodate")
    release.write_package(tmp_path / "two.zip", site)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = set(archive.namelist())
        records = [archive.read(name).decode() for name in names if name.endswith(".dist-info/RECORD")]
    assert {name for name in names if not name.startswith(".python_packages/")} == deployed()
    assert {Path(name).parts[3] for name in names if name.startswith(".python_packages/")}.isdisjoint(
        {"bin", "__pycache__"}
    )
    assert len(records) == len(PINNED)


def test_no_line_of_a_record_tells_of_a_command_that_names_this_machines_python(tmp_path: Path) -> None:
    record = tmp_path / "one-1.0.dist-info/RECORD"
    record.parent.mkdir()
    record.write_text("one.py,sha256=a,1\nbin/one,sha256=b,2\none-1.0.dist-info/RECORD,,\n", encoding="utf-8")
    release.write_package(tmp_path / "one.zip", tmp_path)
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        kept = archive.read((release.SITE / "one-1.0.dist-info/RECORD").as_posix()).decode()
    assert kept == "one.py,sha256=a,1\none-1.0.dist-info/RECORD,,\n"


def test_a_rotation_needs_nothing_but_the_package_and_the_worker(tmp_path: Path) -> None:
    release.write_package(tmp_path / "app.zip", libraries(tmp_path / "site"))
    row, told = rotation(tmp_path / "app.zip", tmp_path)
    assert (row["stage"], row["reason"], told) == ("succeeded", "update-confirmed", 1)


def test_a_library_that_is_not_in_the_package_is_missed(tmp_path: Path) -> None:
    release.write_package(tmp_path / "app.zip", libraries(tmp_path / "site", but="werkzeug"))
    with pytest.raises(HostError, match="No module named 'werkzeug'"):
        rotation(tmp_path / "app.zip", tmp_path)


def test_the_hashes_are_as_sha256sum_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "app.zip"
    file.write_bytes(b"")
    release.write_hashes(tmp_path, file)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (tmp_path / "SHA256SUMS").read_text(encoding="utf-8") == f"{empty}  app.zip\n"
