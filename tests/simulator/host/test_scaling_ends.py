"""What hosts an app on instances that come and go ends, crashes, and begins again."""

from pathlib import Path

import pytest
import requests

from tests.patience import HANG
from tests.simulator.host.test_scaling import COLD_START, LATEST, toys


def test_what_is_hosted_no_more_has_finished_and_is_hosted_again_at_the_same_address(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        world.put("300", "400")
        world.until(lambda: len(world.said("on_work")) == 2)
        url, told_at = world.controller.event_grid_url("on_event"), world.now
        world.put("0", after=60)
        world.controller.stop()
        assert world.now - told_at == pytest.approx(400)
        assert world.texts("on_work") == ["worked", "worked", "done", "done"]
        assert world.controller.there("on_work") == 0
        world.azure.clock.sleep(7200)
        assert world.left() == 1, "nobody is there who would take it"
        with pytest.raises(requests.ConnectionError):
            requests.post(url, data="[]", timeout=HANG)
        world.controller.start()
        began_at = world.now
        answer = requests.post(url, json=[{"id": "1"}], headers={"aeg-event-type": "Notification"}, timeout=HANG)
        assert answer.status_code == 202
        world.until(lambda: world.left() == 0)
        assert world.now - began_at <= LATEST + COLD_START[1]
        assert world.said("on_timer")[-1][0] >= began_at, "an occurrence was missed"
        assert world.controller.comings["on_work"] == 2


def test_a_crash_of_all_instances_changes_nothing_for_functions_that_have_none(tmp_path: Path) -> None:
    said: list[list[tuple[float, str]]] = []
    for crashes in (0, 5):
        with toys(tmp_path / str(crashes)) as world:
            world.azure.clock.sleep(600)
            for _ in range(crashes):
                world.controller.restart()
            world.put("0")
            world.azure.clock.sleep(600)
            said.append(world.said("on_work"))
            assert world.controller.comings["on_work"] == 1
    assert said[0] == said[1]


def test_instances_that_have_crashed_come_back_when_there_is_something_for_them(tmp_path: Path) -> None:
    with toys(tmp_path) as world:
        world.put("60")
        world.until(lambda: world.said("on_work"))
        crashed_at = world.now
        world.controller.restart(world.azure.clock.skewed(3600))
        assert world.controller.there("on_work") == 0
        world.until(lambda: world.left() == 0)
        assert 600 + COLD_START[0] <= world.now - crashed_at - 60 <= 600 + LATEST, "ten minutes after it was taken"
        assert world.said("on_work")[-1][0] - world.now == pytest.approx(3600, abs=1), "by the clock that was given"
        world.azure.clock.sleep(60)
        assert world.controller.there("on_work") == 0
