"""`report`: one page that an on-call engineer, a manager and an auditor can read, and that needs nothing but itself."""

import sys
from pathlib import Path

from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.following import documents_of
from cmk_rotation.cli.session import Session, UsageError
from cmk_rotation.cli.status import everything, on_record, poison
from cmk_rotation.domain import documents


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
        screen.show_json(
            {**documents_of(found), "history": history, "poisonMessages": lying.messages if lying else None}
        )
        return ExitCode.DONE
    try:
        from cmk_rotation.cli import page  # noqa: PLC0415 - its template engine may not be installed
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise UsageError("the page needs jinja2: install the command line with its extra, '.[cli]'") from None
    model = page.model(session, found, steps, lying)
    # In ASCII, with the other letters as references: right in any locale, and whatever a server says of its encoding.
    text = page.html(model).encode("ascii", "xmlcharrefreplace").decode("ascii")
    if options.output == "-":
        sys.stdout.write(text)
        return ExitCode.DONE
    try:
        Path(options.output).write_text(text, encoding="ascii")
    except OSError as error:
        raise UsageError(f"{options.output} cannot be written: {error.strerror}") from None
    screen.show([f"The page is {options.output}."])
    return ExitCode.DONE
