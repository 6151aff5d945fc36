"""The commands, with one's own sign-in and the function's settings, and how each of them ends."""

import os
from collections.abc import Mapping

from cmk_rotation import bootstrap
from cmk_rotation.cli import checking, planning, reporting, sources, status, visiting
from cmk_rotation.cli.arguments import Command, parser
from cmk_rotation.cli.exit_codes import ExitCode
from cmk_rotation.cli.screen import Screen, screen
from cmk_rotation.cli.session import Session, UnseenError, UsageError
from cmk_rotation.config.settings import InvalidSettingsError
from cmk_rotation.controller.ports import AzureCallError, StorageUnavailableError

COMMANDS: Mapping[str, Command] = {
    "plan": planning.plan,
    "preflight": checking.preflight,
    "visit": visiting.visit,
    "status": status.status,
    "report": reporting.report,
}
_STORAGE_CODES = {
    "AuthorizationPermissionMismatch": (
        "You may sign in there and have no right to its data: the roles Storage Table Data Reader (to read the record), Storage "
        "Queue Data Message Sender (to ask for visits) and Storage Queue Data Reader (to count the poison queue) on the storage "
        "account give it; OPERATORS_GROUP_ID of infra/ gives them to a group. A new role may take ten minutes to work."
    ),
    "AuthorizationFailure": (
        "The storage account's network does not let you in from here: run this from a machine in its virtual network, or have "
        "your address added to its firewall."
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the result is the exit code."""
    options = parser(COMMANDS).parse_args(arguments)
    shown = screen()
    try:
        settings = sources.read_settings(options, os.environ)
        session = Session(bootstrap.operator_world(settings), settings, options, shown)
        return int(options.command(session))
    except UsageError as error:
        shown.complain(str(error))
        return ExitCode.USAGE
    except UnseenError as error:
        for line in error.lines:
            shown.complain(line)
        return ExitCode.UNREACHABLE
    except InvalidSettingsError as error:
        for problem in error.problems:
            shown.complain(problem)
        return ExitCode.SETTINGS
    except (AzureCallError, StorageUnavailableError) as error:
        _say_why(shown, error)
        return ExitCode.UNREACHABLE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


def _say_why(shown: Screen, error: AzureCallError | StorageUnavailableError) -> None:
    """What Azure said, on a line, and where it is known what to do about it, that on another."""
    shown.complain(f"Azure did not do what was asked: {error}")
    remedy = _STORAGE_CODES.get(error.failure.code) if error.failure else None
    if remedy:
        shown.complain(remedy)
