"""The host's calls to storage, as its client makes them: how often, and how long it waits from one try to the next."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from simulator.clock.waiting import WaitingClock
from simulator.host.drain import Drain
from simulator.host.logs import HostLog
from simulator.host.storage_calls import StorageCalls

PAUSES = (0.8, 1.6, 3.2, 6.4, 12.8)
"""Azure.Core's defaults, as the host has them; each is a fifth shorter or longer at the most."""


@pytest.fixture
def clock() -> Iterator[WaitingClock]:
    clock = WaitingClock.starting()
    yield clock
    clock.close()


class Storage:
    """A service that fails, so many times or always."""

    def __init__(self, clock: WaitingClock, error: AzureError, times: int | None = None) -> None:
        self.asked_at: list[float] = []
        self._clock = clock
        self._error = error
        self._times = times

    def ask(self) -> str:
        self.asked_at.append(self._clock.timestamp())
        if self._times is not None and len(self.asked_at) > self._times:
            return "there"
        raise self._error

    def pauses(self) -> list[float]:
        return [later - sooner for sooner, later in pairwise(self.asked_at)]


def calls(clock: WaitingClock, folder: Path, seed: str = "a host") -> StorageCalls:
    return StorageCalls(clock, HostLog(folder / "log.jsonl", clock, {}), Drain(clock, lambda _: None), seed)


def test_a_call_is_tried_six_times_with_pauses_that_double_and_a_fifth_of_randomness(
    clock: WaitingClock, tmp_path: Path
) -> None:
    drawn = []
    for seed in range(200):
        storage = Storage(clock, ServiceRequestError("no connection"))
        with pytest.raises(ServiceRequestError):
            calls(clock, tmp_path, str(seed)).make(storage.ask)
        assert len(storage.asked_at) == 6
        drawn.append(storage.pauses())
    for pause, ones in zip(PAUSES, zip(*drawn, strict=True), strict=True):
        assert 0.799 * pause <= min(ones) < 0.82 * pause
        assert 1.18 * pause < max(ones) <= 1.201 * pause


def test_what_passes_is_ridden_out(clock: WaitingClock, tmp_path: Path) -> None:
    storage = Storage(clock, ServiceRequestError("no connection"), times=5)
    assert calls(clock, tmp_path).make(storage.ask) == "there"
    assert len(storage.asked_at) == 6


@pytest.mark.parametrize(
    ("status", "tries"), [(400, 1), (403, 1), (404, 1), (409, 1), (429, 6), (500, 6), (501, 1), (503, 6)]
)
def test_only_what_may_pass_is_tried_again(clock: WaitingClock, tmp_path: Path, status: int, tries: int) -> None:
    error = HttpResponseError("refused")
    error.status_code = status
    storage = Storage(clock, error)
    with pytest.raises(HttpResponseError):
        calls(clock, tmp_path).make(storage.ask)
    assert len(storage.asked_at) == tries


def test_what_is_not_called_for_any_more_is_not_tried_again(clock: WaitingClock, tmp_path: Path) -> None:
    storage = Storage(clock, ServiceRequestError("no connection"))
    with pytest.raises(ServiceRequestError):
        calls(clock, tmp_path).make(storage.ask, unless=lambda: len(storage.asked_at) == 3)
    assert len(storage.asked_at) == 3
