"""What a line can be about, and what is said where it is not understood.

A line is `SUBJECT: WHAT`. Each kind of subject knows patterns of its own; whoever is not understood hears what that kind does
understand, and no other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.playground.words import NotUnderstoodError
from simulator.playground.world import Playground

type Act = Callable[[Playground, re.Match[str]], str]
"""Does what a line says, and says what will come of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of thing that a line can be about."""

    heading: str
    """A pattern of what stands before the colon."""
    form: str
    """The same for people."""
    understands: tuple[str, ...]
    """What may stand behind it, for people: a line each."""
    acts: Mapping[str, Act]
    """By the pattern of what stands behind it."""

    def perform(self, playground: Playground, subject: str, what: str) -> str | None:
        """Do what a line says and say what will come of it; None if it is about something else."""
        if re.fullmatch(self.heading, subject, re.IGNORECASE) is None:
            return None
        for pattern, act in self.acts.items():
            if match := re.fullmatch(f"{self.heading}: {pattern}", f"{subject}: {what}", re.IGNORECASE):
                return act(playground, match)
        known = "\n".join(f"  {line}" for line in self.understands)
        raise NotUnderstoodError(f"'{what}' is not understood of '{subject}'. Of {self.form} is understood:\n{known}")

    def help(self) -> str:
        """What is understood, for people."""
        return "\n".join([f"{self.form}:", *(f"  {line}" for line in self.understands)])
