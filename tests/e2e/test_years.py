"""What looking at a whole fleet asks for; `years` makes the table of it."""

from pathlib import Path

from tests.e2e import years
from tests.e2e.bench import subscriptions

CLUSTERS, KEYS = 12, 3


def test_a_fleet_at_rest_is_looked_at_by_lists_and_each_key_and_row_is_read_once(tmp_path: Path) -> None:
    timer, status = years.looks(tmp_path, CLUSTERS, KEYS, months=2)
    scopes = len(subscriptions(CLUSTERS))
    rows = CLUSTERS * (
        1 + 1 + 2 + 1
    )  # its own row, the rotation of its first sight, two months, the version that it pins
    assert (timer.rows, timer.requests) == (rows, scopes + KEYS + len(["everything on record", "notices"]))
    assert (status.rows, status.requests) == (rows, 1)
