"""`report`: one page that an on-call engineer, a manager and an auditor can read, and that needs nothing but itself."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.following import Look, documents_of
from cmk_rotation.cli.screen import json_text
from cmk_rotation.cli.session import Session, UsageError
from cmk_rotation.cli.status import everything, on_record, poison
from cmk_rotation.domain import documents
from cmk_rotation.domain.rotation import Step
from cmk_rotation.domain.visit_message import PoisonQueue


def report(session: Session) -> int:
    """Write the page, of what is on record."""
    options, world, screen = session.options, session.world, session.screen
    with screen.asking("Reading the record"):
        records = everything(world)
        found = on_record(session, sorted(records.items(), key=lambda item: item[0].key))
        steps = [step for step in world.records.history() if options.since is None or step.at >= options.since]
        lying = poison(session)
    if options.json:
        history = [documents.step_json(step) for step in steps]
        text = json_text(
            {**documents_of(found), "history": history, "poisonMessages": lying.messages if lying else None}
        )
    else:
        text = _page(session, found, steps, lying)
    if options.output == "-":
        sys.stdout.write(text)
        return ExitCode.DONE
    try:
        Path(options.output).write_text(text, encoding="ascii")
    except OSError as error:
        raise UsageError(f"{options.output} cannot be written: {error.strerror}") from None
    screen.show([f"The {'record' if options.json else 'page'} is {options.output}."])
    return ExitCode.DONE


def _page(session: Session, found: Look, steps: Sequence[Step], lying: PoisonQueue | None) -> str:
    try:
        from cmk_rotation.cli import page  # noqa: PLC0415 - its template engine may not be installed
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise UsageError("the page needs jinja2: install the command line with its extra, '.[cli]'") from None
    # In ASCII, with the other letters as references: right in any locale, and whatever a server says of its encoding.
    return page.html(page.model(session, found, steps, lying)).encode("ascii", "xmlcharrefreplace").decode("ascii")
