"""Where the settings come from: the environment, a `local.settings.json`, or the deployed function app."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from cmk_rotation import bootstrap
from cmk_rotation.cli.session import UnseenError
from cmk_rotation.config.settings import SETTINGS, InvalidSettingsError, Settings, read
from cmk_rotation.controller.ports import AzureCallError
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.vocabulary import FailureKind

_ELSEWHERE = "give them there, name a file (--settings FILE), or take them from the app: --app ID"
_READ_THEM = (
    "That takes Microsoft.Web/sites/config/list/action on the app, which Website Contributor has and Reader has not; or set them "
    "in the environment, or name a file (--settings FILE)."
)
_REFERENCE = "@Microsoft.KeyVault("


def read_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings that a command is to use. Each problem says where it was looked for.

    Raises `InvalidSettingsError`, and `UnseenError` or `AzureCallError` where the app cannot be asked.
    """
    if options.settings:
        where, given = f"the file {options.settings}", _from_file(Path(options.settings))
    elif options.app:
        where, given = f"the app {options.app.name}", _from_app(options, environ)
    else:
        where, given = f"the environment; {_ELSEWHERE}", environ
    try:
        return read(given)
    except InvalidSettingsError as error:
        raise InvalidSettingsError((*error.problems, f"These settings were looked for in {where}.")) from None


def _from_file(path: Path) -> Mapping[str, str]:
    """The `Values` of a settings file as Core Tools have it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidSettingsError((f"The file {path} cannot be read: {one_line(error)}.",)) from None
    if isinstance(found, dict) and found.get("IsEncrypted") is True:
        raise InvalidSettingsError((f"The file {path} is encrypted: `func settings decrypt` makes it readable.",))
    values = found.get("Values") if isinstance(found, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise InvalidSettingsError((f"The file {path} has no object `Values` whose fields are texts.",))
    return values


def _from_app(options: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, str]:
    try:
        found = bootstrap.app_settings(options.app, environ)
    except AzureCallError as error:
        if error.failure.kind is FailureKind.REFUSED:
            raise UnseenError((f"The settings of {options.app.name} cannot be read: {error}", _READ_THEM)) from None
        raise
    used = (setting.name for setting in SETTINGS)
    hidden = [name for name in used if found.get(name, "").startswith(_REFERENCE)]
    if hidden:
        names = ", ".join(hidden)
        raise InvalidSettingsError(
            (f"{names}: kept in Key Vault, and only the app may read it; set it in the environment instead of --app.",)
        )
    return found
