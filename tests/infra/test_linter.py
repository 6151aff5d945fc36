"""What the compiler would stop at and can be seen without it: two rules of its linter, and lines that its formatter breaks."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

from tests.infra import bicep, linter
from tests.infra.bicep import INFRA

FILES = [str(path.relative_to(INFRA)) for path in bicep.files()]
_SHORT, _IDS = "what-if-short-circuiting", "use-resource-id-functions"
WIDTH = 120
"""The formatter's own; a comment or a string it leaves alone."""


def too_wide(text: str) -> list[str]:
    """Lines that the formatter would break."""
    wide = [line.strip() for line in text.splitlines() if len(line) > WIDTH]
    return [line for line in wide if not re.fullmatch(r"//.*|(?:@description\(|\w+: )'(?:[^'\\]|\\.)*'\)?", line)]


@pytest.mark.parametrize("path", FILES)
def test_a_file_breaks_neither_rule(path: str) -> None:
    assert linter.problems(INFRA / path) == []


@pytest.mark.parametrize("path", FILES)
def test_a_file_has_no_line_that_the_formatter_would_break(path: str) -> None:
    assert too_wide((INFRA / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", FILES)
def test_no_item_of_an_array_begins_with_a_call(path: str) -> None:
    """The parser silently takes it for two items, so none of these tests would see what it is."""
    for node in bicep.walk(bicep.tree((INFRA / path).read_text(encoding="utf-8"))):
        if node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            assert [one for one, next_ in itertools.pairwise(items) if one.end_byte == next_.start_byte] == []


PLANTED = [
    # The six places of main.bicep and app/ at which the compiler stopped when it first saw them, and the like.
    ("main.bicep", "    storageName: storageName\n", "    storageName: storage.outputs.id\n", _SHORT),
    (
        "main.bicep",
        "    insightsName: insightsName\n    work",
        "    insightsName: monitoring.outputs.workspaceId\n    work",
        _SHORT,
    ),
    ("main.bicep", "var groupName =", "var late = identity.outputs.id\nvar groupName =", None),
    ("main.bicep", "name: 'func-${token}'", "name: identity.outputs.id", _SHORT),
    ("main.bicep", "flex: hostingPlan == 'FlexConsumption'", "flex: empty(identity.outputs.id)", None),
    ("app/endpoints.bicep", "subnet: { id: subnetId }", "subnet: { id: endpoint.target }", _IDS),
    (
        "app/endpoints.bicep",
        "virtualNetwork: { id: networkId }",
        "virtualNetwork: { id: '/subscriptions/${name}' }",
        _IDS,
    ),
    (
        "app/monitoring.bicep",
        "WorkspaceResourceId: workspace.id",
        "WorkspaceResourceId: replace(workspaceName, 'a', 'b')",
        _IDS,
    ),
    ("app/monitoring.bicep", "WorkspaceResourceId: workspace.id", "WorkspaceResourceId: workspaceName", None),
]


@pytest.mark.parametrize(("path", "text", "planted", "rule"), PLANTED)
def test_a_planted_mistake_is_found(tmp_path: Path, path: str, text: str, planted: str, rule: str | None) -> None:
    """And what the rules allow is no mistake."""
    shutil.copytree(INFRA, tmp_path / "infra")
    file = tmp_path / "infra" / path
    source = file.read_text(encoding="utf-8")
    assert text in source
    file.write_text(source.replace(text, planted), encoding="utf-8")
    found = linter.problems(file)
    assert [one.split()[0] for one in found] == ([rule] if rule else [])


@pytest.mark.parametrize("place", [0, 1])
def test_a_rule_holds_unless_the_line_above_switches_it_off(tmp_path: Path, place: int) -> None:
    shutil.copytree(INFRA, tmp_path / "infra")
    file = tmp_path / "infra/main.bicep"
    off = "    #disable-next-line what-if-short-circuiting\n"
    before, *rest = file.read_text(encoding="utf-8").split(off)
    assert len(rest) == 2
    parts = [before, *rest]
    joints = ["" if place == number else off for number in range(2)]
    file.write_text(
        "".join(f"{part}{joint}" for part, joint in zip(parts, [*joints, ""], strict=True)), encoding="utf-8"
    )
    (found,) = linter.problems(file)
    assert found.endswith(" principalId")


def test_a_rule_is_switched_off_nowhere_else_and_never_without_a_reason() -> None:
    """Above each: why the rule is wrong there."""
    for path in FILES:
        lines = (INFRA / path).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if "#disable" in line:
                assert re.fullmatch(r"\s+#disable-next-line (what-if-short-circuiting|no-unnecessary-dependson)", line)
                assert lines[number - 1].strip().startswith("// "), (path, number)


def test_a_line_that_is_too_wide_is_found_and_a_long_text_is_not() -> None:
    assert too_wide(f"var a = concat('{'b' * WIDTH}', c)") != []
    assert too_wide(f"// {'b' * WIDTH}\n@description('{'b' * WIDTH}')\n  what: '{'b' * WIDTH}'") == []
