"""`preflight`: what would keep the next rotation from working, told before it happens."""

from collections import Counter
from collections.abc import Sequence

from cmk_rotation import bootstrap
from cmk_rotation.cli import selection
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.gathering import Ground, carry_out, tasks
from cmk_rotation.cli.session import Session
from cmk_rotation.cli.shown import Call, Cell, Content, Part, Table, Tone
from cmk_rotation.controller.survey import survey
from cmk_rotation.preflight.findings import Finding, Level

_TONES = {Level.FAILS: Tone.BAD, Level.UNKNOWN: Tone.WAITING, Level.WARNING: Tone.WAITING, Level.FINE: Tone.GOOD}


def preflight(session: Session) -> int:
    """Look at everything that must be true, and say what is not."""
    world, screen, options = session.world, session.screen, session.options
    with screen.asking("Listing clusters"):
        found, records = survey(world), world.records.everything()
    chosen = selection.in_scope(options.cluster, found) if options.cluster else found.clusters
    around = bootstrap.surroundings(session.settings)
    todo = tasks(Ground(world, session.settings, around, options.app, found, records), chosen)
    with screen.asking("Checking", len(todo)) as advance:
        findings = carry_out(todo, advance)
    counted = Counter(finding.found.level for finding in findings)
    if options.json:
        numbers = {level.value: counted[level] for level in Level}
        screen.show_json({"findings": [_json(finding) for finding in findings], **numbers})
    else:
        screen.show(shown(findings, counted, wide=options.wide))
    if counted[Level.FAILS]:
        return ExitCode.FAILED
    # Of clusters that nobody has seen nothing was checked.
    return ExitCode.UNREACHABLE if found.failed or found.unreadable else ExitCode.DONE


def shown(findings: Sequence[Finding], counted: Counter[Level], *, wide: bool) -> list[Part]:
    """What is not fine first, the worst on top; then, in brief or whole, what is."""
    parts: list[Part] = []
    for level in (Level.FAILS, Level.UNKNOWN, Level.WARNING):
        parts += [_told(finding, wide=wide) for finding in findings if finding.found.level is level]
    fine = [finding for finding in findings if finding.found.level is Level.FINE]
    rows: list[list[Content]] = [
        [finding.about_id if wide else finding.about, finding.found.message, Cell(finding.found.eyes, Tone.QUIET)]
        for finding in fine
    ]
    if rows:
        parts.append(Table(["fine", "found", "seen"], rows))
    total = ", ".join(f"{counted[level]} {word}" for level, word in _WORDS)
    worst = next((level for level in Level if counted[level]), Level.FINE)
    return [*parts, Cell(f"{total}.", _TONES[worst])]


_WORDS = ((Level.FAILS, "would fail"), (Level.UNKNOWN, "unknown"), (Level.WARNING, "warnings"), (Level.FINE, "fine"))
_LABELS = {Level.FAILS: "WOULD FAIL", Level.UNKNOWN: "UNKNOWN", Level.WARNING: "WARNING", Level.FINE: "fine"}


def _told(finding: Finding, *, wide: bool) -> Part:
    found, about = finding.found, finding.about_id if wide else finding.about
    message = f"{_LABELS[found.level]} {about}: {found.message} ({found.eyes})"
    return Call(message, found.remedy, _TONES[found.level])


def _json(finding: Finding) -> dict[str, object]:
    found = finding.found
    return {
        "check": finding.check,
        "about": finding.about,
        "aboutId": finding.about_id,
        "level": found.level.value,
        "seen": found.eyes.value,
        "message": found.message,
        "remedy": found.remedy,
    }
