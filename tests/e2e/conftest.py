import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def lines_that_call_for_a_person_say_what_to_do(tmp_path: Path) -> Iterator[None]:
    """Holds for every story: WARNING and above are the app's own and carry message, remedy and since; no line holds a secret."""
    yield
    for log in tmp_path.rglob("host.jsonl"):
        for text in log.read_text(encoding="utf-8").splitlines():
            line: dict[str, Any] = json.loads(text)
            assert "Bearer " not in line["message"]
            assert "&t=" not in line["message"], "the signed query of an operation URL"
            assert "AccountKey=" not in line["message"]
            if line["category"].endswith(".User") and line["level"] in {"Warning", "Error", "Critical"}:
                assert line["message"].startswith('{"event"'), line["message"]
                fields = json.loads(line["message"])
                assert {"message", "remedy", "since"} <= fields.keys(), fields
