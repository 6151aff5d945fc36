"""Names of things in Azure: clusters, scopes, keys, and the URLs of long-running operations.

Azure compares these without regard to case and writes them in more than one way, so each has a form made for
comparing (`key`, lower case) beside the form made for reading (`text`).
"""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
_GROUP = r"/resourceGroups/(?P<group>[\w().-]{0,89}[\w()-])"
# 3 to 63 letters, digits and hyphens (Clusters.json in azure-rest-api-specs says 4, the documentation 3).
_CLUSTER = r"/providers/Microsoft\.OperationalInsights/clusters/(?P<name>[a-z0-9][a-z0-9-]{1,61}[a-z0-9])"
_CLUSTER_ID = re.compile(_SUBSCRIPTION + _GROUP + _CLUSTER, re.IGNORECASE)
_SCOPE = re.compile(f"{_SUBSCRIPTION}(?:{_GROUP}(?:{_CLUSTER})?)?", re.IGNORECASE)
_APP_ID = re.compile(
    f"{_SUBSCRIPTION}{_GROUP}" + r"/providers/Microsoft\.Web/sites/(?P<name>[a-z0-9-]{1,60})", re.IGNORECASE | re.ASCII
)
_STORAGE_ID = re.compile(
    f"{_SUBSCRIPTION}{_GROUP}/providers/"
    r"(?P<kind>Microsoft\.Storage/storageAccounts|Microsoft\.OperationalInsights/workspaces)/(?P<name>[a-z0-9-]{3,63})",
    re.IGNORECASE | re.ASCII,
)
_OPERATION_PATH = re.compile(
    _SUBSCRIPTION + r"/providers/Microsoft\.OperationalInsights/locations/[a-z0-9-]+/operationStatuses/"
    r"(?P<operation>(?=[._-]*[a-z0-9])[a-z0-9._-]+)",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")
_KEY_NAME = re.compile(r"[a-z0-9-]{1,127}")
_KEY_VERSION = re.compile(r"[0-9a-zA-Z]{1,64}")
"""Key Vault's and Managed HSM's are of 32 digits in base 16; no document promises that."""
_LONGEST_OPERATION_URL = 16 * 1024
"""Characters. ARM asks clients to accept 4 KB; a table's string property ends at 32 Ki characters."""


@dataclass(frozen=True, slots=True)
class ClusterId:
    """The ARM id of a dedicated cluster. Two that differ only in case are equal."""

    text: str = field(compare=False)
    key: str

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Read an id, strictly: nothing may stand before, after or between its parts."""
        found = _CLUSTER_ID.fullmatch(text) if isinstance(text, str) else None
        if found is None or not found["name"].isascii():  # without regard to case, the Kelvin sign is a k
            return None
        canonical = (
            f"/subscriptions/{found['subscription']}/resourceGroups/{found['group']}"
            f"/providers/Microsoft.OperationalInsights/clusters/{found['name']}"
        )
        return cls(canonical, canonical.lower())

    @property
    def subscription(self) -> str:
        """The subscription's GUID."""
        return self.text.split("/")[2]

    @property
    def resource_group(self) -> str:
        """The resource group's name."""
        return self.text.split("/")[4]

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.text.split("/")[-1]


@dataclass(frozen=True, slots=True)
class StorageId:
    """The ARM id of a storage account that a workspace is linked to, or of the workspace where its links cannot be read."""

    text: str = field(compare=False)
    key: str

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """Read an id, as strictly as a cluster's; a slash at its end is forgiven."""
        text = text.removesuffix("/") if isinstance(text, str) else ""
        return cls(text, text.lower()) if _STORAGE_ID.fullmatch(text) else None

    @property
    def is_account(self) -> bool:
        """Whether it is a storage account, and not a workspace."""
        return "/providers/microsoft.storage/" in self.key

    @property
    def name(self) -> str:
        """Its own name."""
        return self.text.split("/")[-1]


@dataclass(frozen=True, slots=True)
class AppId:
    """The ARM id of a function app."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read an id; a slash at its end is forgiven."""
        text = text.strip().rstrip("/")
        return cls(text) if _APP_ID.fullmatch(text) else None

    @property
    def subscription(self) -> str:
        """The subscription's GUID."""
        return self.text.split("/")[2]

    @property
    def name(self) -> str:
        """The app's name."""
        return self.text.split("/")[-1]


@dataclass(frozen=True, slots=True)
class Scope:
    """A subscription, a resource group or one cluster: a place where clusters are looked after."""

    text: str = field(compare=False)
    key: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a scope; a slash at its end is forgiven."""
        text = text.strip().rstrip("/")
        return cls(text, text.lower()) if _SCOPE.fullmatch(text) else None

    def contains(self, cluster: ClusterId) -> bool:
        """Whether the cluster lies in this scope."""
        return cluster.key == self.key or cluster.key.startswith(self.key + "/")

    @property
    def subscription(self) -> str:
        """The subscription's GUID."""
        return self.text.split("/")[2]

    @property
    def resource_group(self) -> str | None:
        """The resource group's name, unless the scope is a whole subscription."""
        parts = self.text.split("/")
        return parts[4] if len(parts) > 4 else None  # noqa: PLR2004 - the fifth part of an ARM id

    @property
    def cluster(self) -> ClusterId | None:
        """The cluster's id, if the scope is one cluster."""
        return ClusterId.parse(self.text)


@dataclass(frozen=True, slots=True)
class Key:
    """A key in a vault or managed HSM, in the form made for comparing."""

    vault: str
    """The vault's DNS name, lower case, without scheme, port and slashes."""
    name: str
    """Lower case: Key Vault compares names without regard to case."""

    @classmethod
    def of(cls, vault: object, name: object) -> Self | None:
        """Name a key by its vault's URI (or host) and its name; None if either isn't one."""
        host = vault_host(vault)
        if host is None or not isinstance(name, str):
            return None
        name = name.strip().lower()
        return cls(host, name) if _KEY_NAME.fullmatch(name) else None


def is_hsm(host: str) -> bool:
    """Whether a host is a Managed HSM: in each cloud their names are of the form NAME.managedhsm.SUFFIX."""
    return host.split(".")[1:2] == ["managedhsm"]


def vault_host(uri: object) -> str | None:
    """The DNS name in a vault URI, for comparing: `https://V.vault.azure.net:443/` and `v.vault.azure.net` agree."""
    if not isinstance(uri, str):
        return None
    text = uri.strip().lower()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    strange = parts.scheme != "https" or "@" in parts.netloc or port not in (None, 443)
    return host if not strange and _HOST.fullmatch(host) else None


def operation_id(url: object, *, arm_host: str, subscription: str) -> str | None:
    """The id in a long-running operation's URL, or None unless the URL may be called with our token.

    It may if it is https, on the ARM host or a regional one below it, and has the documented path
    (`…/locations/{location}/operationStatuses/{id}`) in the cluster's own subscription.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or len(url) > _LONGEST_OPERATION_URL:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    found = _OPERATION_PATH.fullmatch(parts.path)
    trusted = (
        parts.scheme == "https"
        and "@" not in parts.netloc
        and "\\" not in url
        and port in (None, 443)
        and (host == arm_host or host.endswith("." + arm_host))
        and found is not None
        and found["subscription"].lower() == subscription.lower()
    )
    return found["operation"] if trusted and found else None


def is_key_version(text: str | None) -> bool:
    """Whether this may be the name of a version of a key."""
    return text is not None and _KEY_VERSION.fullmatch(text) is not None
