"""Azure Resource Manager's answers about clusters, read into what the product knows.

Tolerant of what is missing; what cannot be read is said, never guessed.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cmk_rotation.adapters import error_bodies
from cmk_rotation.adapters.errors import retry_after
from cmk_rotation.domain.azure_resources import Accepted, Cluster, Operation, OperationError, UnreadableEntry
from cmk_rotation.domain.identifiers import ClusterId
from cmk_rotation.domain.redaction import one_line

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse

_HOLD_TAG, _HOLD = "cmk-rotation", "hold"


def accepted(headers: Mapping[str, str]) -> Accepted:
    """How an update that was taken can be followed."""
    return Accepted(
        operation_url=headers.get("Azure-AsyncOperation") or headers.get("Location"),
        correlation_id=headers.get("x-ms-correlation-request-id"),
        retry_after=retry_after(headers),
    )


def entries(listed: Any) -> Any:
    """The entries of a page. `null` is an empty list; anything but a list is none."""
    if not isinstance(listed, list | None):
        raise TypeError(f"a list of clusters is a {type(listed).__name__}")
    return listed or []


def entry(item: object) -> Cluster | UnreadableEntry:
    """Read a cluster, tolerant of what is missing, but not of one that cannot be named: it would be lost unseen."""
    model = _mapping(item)
    listed_id = model.get("id")
    cluster_id = ClusterId.parse(listed_id)
    name = one_line(listed_id) if isinstance(listed_id, str) and listed_id else "an entry without an id"
    if cluster_id is None:
        meant = ClusterId.parse(listed_id.strip().rstrip("/")) if isinstance(listed_id, str) else None
        return UnreadableEntry(name, "not the id of a cluster", meant)
    properties = _mapping(model.get("properties"))
    if not properties or not isinstance(properties.get("keyVaultProperties"), Mapping | None):
        # Taken for a cluster without a key, it would end an update and call off an alarm.
        return UnreadableEntry(name, "shows no properties that can be read", cluster_id)
    key = _mapping(properties.get("keyVaultProperties"))
    size = key.get("keyRsaSize")
    linked = properties.get("associatedWorkspaces")
    workspaces = (_mapping(one).get("resourceId") for one in (linked if isinstance(linked, list) else ()))
    return Cluster(
        id=cluster_id,
        state=_text(properties.get("provisioningState")) or "unknown",
        key_vault_uri=_text(key.get("keyVaultUri")),
        key_name=_text(key.get("keyName")),
        key_version=_text(key.get("keyVersion")),
        key_rsa_size=size if isinstance(size, int) else None,
        held=_held(_mapping(model.get("tags"))),
        workspace_ids=tuple(id_ for id_ in workspaces if isinstance(id_, str)),
        identity_id=_identity_id(_mapping(model.get("identity"))),
    )


def _identity_id(identity: Mapping[str, object]) -> str | None:
    """The system-assigned identity's object id, or that of the only user-assigned one."""
    assigned = [_mapping(one).get("principalId") for one in _mapping(identity.get("userAssignedIdentities")).values()]
    ids = {id_ for id_ in (identity.get("principalId"), *assigned) if isinstance(id_, str) and id_}
    return ids.pop() if len(ids) == 1 else None


def _held(tags: Mapping[str, object]) -> bool:
    return any(
        name.strip().lower() == _HOLD_TAG and str(value).strip().lower() == _HOLD for name, value in tags.items()
    )


def operation(response: "HttpResponse") -> Operation:
    """Read a status document. Its error is nested as ARM's others are, flat as in older samples, or the document itself.

    A URL that came as `Location` may answer 202 and nothing else while the operation runs
    (learn.microsoft.com/azure/azure-resource-manager/management/async-operations).
    """
    wait = retry_after(response.headers)
    if response.status_code == HTTPStatus.ACCEPTED and not response.content:
        return Operation("InProgress", retry_after=wait)
    fields = error_bodies.lowered(response.json())
    status = _text(fields.get("status"))
    if status is None:
        raise ValueError("the operation shows no status")
    found = Operation(one_line(status, 100), retry_after=wait)
    # A document that is no failure may have a message of its own at its top.
    code, message = error_bodies.read_object(fields if found.failed else fields.get("error"))
    if code is None and message is None and not fields.get("error"):
        return found
    error = OperationError(one_line(code or "unknown", 100), one_line(message or "Azure gave no reason."))
    return replace(found, error=error)


def workspace_state(workspace: object) -> str | None:
    """The state that a workspace shows."""
    return _text(_mapping(_mapping(workspace).get("properties")).get("provisioningState"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
