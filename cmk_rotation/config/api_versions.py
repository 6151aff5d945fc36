"""In which version of its API each service is spoken to: the oldest that has all that is used, for clouds lag behind.

US Government, China and the clouds of their own get new versions months or years after the public cloud (azure-sdk-for-net issue
14789, azure-cli issue 26639), and every service speaks its old ones for years.
"""

import re
from collections.abc import Mapping

from cmk_rotation.domain.redaction import one_line

ARM = "2022-10-01"
"""Before it, an operation's URL could not be read (azure-sdk-for-net issue 40606)."""
KEY_VAULT = "7.2"
"""The first that Managed HSM speaks; vaults would do with an older one."""
STORAGE = "2020-12-06"
"""The first in which tables take tokens ("Authorize with Microsoft Entra ID" in the REST reference of storage)."""

KNOWN: Mapping[str, tuple[str, ...]] = {
    "KEY_VAULT_API_VERSION": ("2016-10-01", *(f"7.{minor}" for minor in range(7)), "2025-07-01"),
    "STORAGE_API_VERSION": ("2019-02-02", "2019-07-07", "2020-12-06"),
}
"""What the SDKs take: of storage, those of queues and of tables. A test holds these against them."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:-preview)?", re.ASCII)


def read(given: Mapping[str, str], problems: list[str]) -> Mapping[str, str]:
    """The versions that are set, and the usual ones for the rest."""
    versions = {"ARM_API_VERSION": ARM, "KEY_VAULT_API_VERSION": KEY_VAULT, "STORAGE_API_VERSION": STORAGE}
    for name, usual in versions.items():
        text = given.get(name, usual).strip()
        known = KNOWN.get(name)
        if text in known if known else _DATE.fullmatch(text):
            versions[name] = text
        else:
            expected = f"one of {', '.join(known)}" if known else f"a date such as {usual}"
            problems.append(f"{name} is '{one_line(text)}': expected {expected}.")
    return versions
