"""What every command is given: the world, what was typed, and where the output goes."""

import argparse
from dataclasses import dataclass

from cmk_rotation.cli.screen import Screen
from cmk_rotation.cli.tables import Style
from cmk_rotation.cli.times import minute, minute_and_ago
from cmk_rotation.config.settings import Settings
from cmk_rotation.controller.ports import World


class UsageError(Exception):
    """What was typed names nothing, or too much."""


class UnseenError(Exception):
    """What it takes could not be looked at; the lines say what, and what to do where that is known."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(*lines)
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Session:
    """One command's surroundings."""

    world: World
    settings: Settings
    options: argparse.Namespace
    screen: Screen

    @property
    def style(self) -> Style:
        """How much is written out. On a terminal, a time is also told from now."""
        return Style(
            getattr(self.options, "wide", False), minute_and_ago(self.world.now()) if self.screen.terminal else minute
        )
