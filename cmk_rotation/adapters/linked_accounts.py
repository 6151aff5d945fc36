"""The storage accounts that workspaces are linked to, in Azure Resource Manager.

Plain reads: azure-mgmt-storage would be a dependency of its own for one GET (docs/decisions/0003). The versions of the APIs
are old ones that have all that is read, for clouds lag behind.
"""

from cmk_rotation.adapters.arm import Arm
from cmk_rotation.adapters.json_values import items, mapping, text
from cmk_rotation.domain.azure_resources import AccountKey
from cmk_rotation.domain.identifiers import Key, StorageId
from cmk_rotation.domain.instants import from_iso
from cmk_rotation.domain.redaction import one_line

_LINKED, _STORAGE = "2020-08-01", "2021-04-01"


class ArmLinkedAccounts:
    """`ports.LinkedAccounts` over plain reads."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def of_workspace(self, workspace: StorageId) -> tuple[StorageId, ...]:
        """The accounts of all kinds of link, each once. A classic one has no key of its owner's."""
        links = self._arm.listed(f"{workspace.text}/linkedStorageAccounts", _LINKED)
        ids = [one for link in links for one in items(mapping(link.get("properties")).get("storageAccountIds"))]
        found = dict.fromkeys(map(StorageId.parse, ids))
        return tuple(one for one in found if one is not None and one.is_account)

    def key_of(self, account: StorageId) -> AccountKey | None:
        """The account's key. Azure writes the names of these properties in lower case, but for those that it tells itself."""
        encryption = mapping(mapping(self._arm.get(account.text, _STORAGE).get("properties")).get("encryption"))
        key = mapping(encryption.get("keyvaultproperties"))
        uri, name = text(key.get("keyvaulturi")), text(key.get("keyname"))
        if text(encryption.get("keySource")).lower() != "microsoft.keyvault" or not (uri and name):
            return None
        return AccountKey(
            uri,
            one_line(name),
            one_line(text(key.get("keyversion"))) or None,
            _version(key.get("currentVersionedKeyIdentifier"), Key.of(uri, name)),
            from_iso(key.get("lastKeyRotationTimestamp")),
        )


def _version(identifier: object, key: Key | None) -> str | None:
    """The version in a key's identifier, `https://VAULT/keys/NAME/VERSION`; None if it is another key's, or none at all."""
    parts = text(identifier).rstrip("/").split("/")
    if len(parts) != 6 or parts[3].lower() != "keys" or Key.of(f"{parts[0]}//{parts[2]}", parts[4]) != key:  # noqa: PLR2004 - its parts
        return None
    return one_line(parts[5]) or None
