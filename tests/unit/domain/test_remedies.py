import re

import pytest

from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.known_errors import KNOWN_ERRORS
from cmk_rotation.domain.remedies import REMEDIES, advice_for
from cmk_rotation.domain.vocabulary import Reason

ALL_REMEDIES = [*REMEDIES.values(), *(known.remedy for known in KNOWN_ERRORS)]

# What Azure documents for updating and reading a cluster and for its workspaces ("Create and manage a dedicated
# cluster" and "Azure Monitor customer-managed keys" on Microsoft Learn), what Azure Resource Manager answers anywhere,
# and what has been reported of clusters; each with words that its remedy must have.
DOCUMENTED = [
    ("HTTP 400", "Cluster is in deleting state. Async operation is in progress.", "being deleted"),
    ("HTTP 400", "Cluster is in deleting state. Wait for the async operation to complete", "being deleted"),
    ("HTTP 400", "KeyVaultProperties isn't empty but has a bad format.", "malformed"),
    ("HTTP 400", "KeyVaultProperties is not empty but has a bad format.", "malformed"),
    ("HTTP 400", "Failed to validate key in Key Vault. Could be due to lack of permissions", "wrap and unwrap"),
    ("KeyVaultAuthenticationFailure", "The operation failed because of authentication issue", "wrap and unwrap"),
    (
        "HTTP 400",
        "Key isn't recoverable. Key Vault must be set to Soft-delete and Purge-protection",
        "purge protection",
    ),
    ("HTTP 400", "Key is not recoverable. Key Vault must be set to Soft-delete", "purge protection"),
    ("HTTP 400", "Operation can't be executed now. Wait for the async operation to complete and try again", "Another"),
    ("HTTP 400", "Operation cannot be executed now.", "Another operation"),
    ("HTTP 400", "Async operation is in a state other than succeeded.", "If it stays Failed"),
    ("AnotherOperationInProgress", "try later", "Another operation"),
    ("HTTP 400", "The body of the request is null or in bad format", "did not understand"),
    ("InvalidParameter", "some parameter", "did not understand"),
    ("InvalidInput", "CapacityReservationLevel must be an allowed value", "commitment tier"),
    ("HTTP 400", "Capacity is locked for 30 days", "commitment tier"),
    ("HTTP 400", "SKU name is invalid. Set SKU name to capacityReservation", "commitment tier"),
    ("InvalidParameter", "'properties.associatedWorkspaces' is a read only property and cannot be set", "PATCH"),
    ("HTTP 404", "Cluster not found, might have been deleted", "no longer exists"),
    ("ResourceNotFound", "The Resource was not found", "no longer exists"),
    ("HTTP 404", "Workspace not found", "linked workspace was deleted"),
    ("HTTP 409", "Workspace link or unlink operation in process", "linked or unlinked"),
    ("HTTP 409", "Can't delete a cluster while in provisioning state", "still being provisioned"),
    ("InvalidResourceType", "locations/operationStatuses could not be found", "may still have worked"),
    ("AuthorizationFailed", "The client does not have authorization", "clusters/write"),
    ("LinkedAuthorizationFailed", "The client has permission, however", "clusters/write"),
    ("RequestDisallowedByPolicy", "Resource was disallowed by policy", "Azure Policy"),
    ("ScopeLocked", "The scope cannot perform write operation", "resource lock"),
    ("ReadOnlyDisabledSubscription", "The subscription is disabled", "subscription"),
]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_remedy(reason: Reason) -> None:
    assert advice_for(reason) == REMEDIES[reason]
    assert REMEDIES[reason].endswith(".")


@pytest.mark.parametrize(("code", "message", "words"), DOCUMENTED)
def test_every_documented_error_has_a_remedy_of_its_own(code: str, message: str, words: str) -> None:
    remedy = advice_for(Reason.UPDATE_REFUSED, OperationError(code, message))
    assert words in remedy
    assert remedy not in REMEDIES.values() or "clusters/write" in remedy


def test_an_error_nobody_knows_leaves_the_reason_s_remedy() -> None:
    assert advice_for(Reason.UPDATE_FAILED, OperationError("Odd", "strange")) == REMEDIES[Reason.UPDATE_FAILED]


CLUSTER = "/subscriptions/1/resourceGroups/rg-sku/providers/Microsoft.OperationalInsights/clusters/sku"


@pytest.mark.parametrize(
    "message",
    [
        f"The client may not act over scope '{CLUSTER}' or the scope is invalid",
        f"see {CLUSTER.upper()}, please",
        "see https://portal.example/sku/purge-protection",
        "the group rg-sku-catalogue is strange",
        "the group skull is strange",
        "provisioning states are many",
    ],
)
def test_a_name_that_somebody_chose_is_no_mark(message: str) -> None:
    assert advice_for(Reason.UPDATE_REFUSED, OperationError("Odd", message)) == REMEDIES[Reason.UPDATE_REFUSED]


READ = [reason for reason in Reason if reason.value.startswith("key-") or reason is Reason.CLUSTER_ACCESS_DENIED]


@pytest.mark.parametrize("reason", READ)
@pytest.mark.parametrize(("code", "message", "words"), DOCUMENTED)
def test_what_explains_an_update_explains_no_refused_read(reason: Reason, code: str, message: str, words: str) -> None:
    told = advice_for(reason, OperationError(code, message))
    repairs_reading = reason is Reason.CLUSTER_ACCESS_DENIED and words in {"clusters/write", "subscription"}
    assert told == REMEDIES[reason] or (repairs_reading and words in told)


KEYS = [
    (
        Reason.KEY_ACCESS_DENIED,
        "Unauthorized",
        "AKV10032: Invalid issuer. Expected one of https://a/, found x",
        "tenantId",
    ),
    (Reason.KEY_VAULT_BLOCKED, "Forbidden", "ForbiddenByNsp: no", "perimeter's profile"),
    (Reason.KEY_VAULT_BLOCKED, "Forbidden", "The request was forbidden by NSP policy.", "perimeter's profile"),
    (Reason.KEY_VAULT_BLOCKED, "Forbidden", "ForbiddenByConnection: no", "approved private endpoint"),
    (Reason.KEY_VAULT_BLOCKED, "Forbidden", "ForbiddenByFirewall: no", "firewall"),
    (Reason.KEY_ACCESS_DENIED, "NoToken", "no token", "managed identity"),
    (Reason.CLUSTER_ACCESS_DENIED, "NoToken", "no token", "managed identity"),
    (Reason.CLUSTER_UNREACHABLE, "NoToken", "no token", "managed identity"),
]


@pytest.mark.parametrize(("reason", "code", "message", "words"), KEYS)
def test_what_keeps_the_app_from_reading_has_a_remedy_of_its_own(
    reason: Reason, code: str, message: str, words: str
) -> None:
    assert words in advice_for(reason, OperationError(code, message))


def test_no_right_and_no_disabled_version_helps_where_the_vault_trusts_another_tenant() -> None:
    told = advice_for(Reason.KEY_ACCESS_DENIED, OperationError("Unauthorized", "AKV10032: Invalid issuer."))
    assert "no right cures that" in told
    assert "disable nothing" in told


def test_where_the_order_is_unknown_nothing_is_to_be_disabled() -> None:
    """The version that is disabled may be the one in use, and that is a revocation."""
    assert not re.search(r"disabl|by hand", REMEDIES[Reason.ORDER_UNKNOWN])
    assert REMEDIES[Reason.ORDER_UNKNOWN].split(". ")[1].startswith("Rotate the key once more")


def test_only_our_own_failed_update_is_tried_again_by_a_visit() -> None:
    told = REMEDIES[Reason.CLUSTER_FAILED]
    assert re.search(r"update of ours [^.]*`visit`", told)
    assert re.search(r"failed otherwise is not touched: send a PATCH of its keyVaultProperties", told)
    assert "never delete" in told


@pytest.mark.parametrize("reason", [Reason.IN_USE_UNKNOWN, Reason.KEY_NOT_FOUND])
def test_a_purged_key_comes_back_from_a_backup_alone(reason: Reason) -> None:
    assert re.search(r"deleted, recover it\b[^;]*; if it was purged, only a backup brings it back", REMEDIES[reason])


@pytest.mark.parametrize("remedy", ALL_REMEDIES)
def test_no_remedy_deletes_recreates_or_unlinks_anything(remedy: str) -> None:
    first = re.split(r"[.;:]", remedy)[0].lower()
    assert not re.search(r"\b(delet(e|ing) (the|a)|recreate|unlink|purge (the|it))\b", first)
    assert not re.match(r"(delete|recreate|remove the key|unlink)", first)


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if reason.value.startswith(("update-", "cluster-failed"))]
)
def test_while_an_update_is_not_confirmed_every_remedy_keeps_the_old_version_enabled(reason: Reason) -> None:
    assert re.search(r"[Kk]eep (the old|both|every)", REMEDIES[reason])


def test_marks_are_lower_case_since_they_are_looked_for_in_lower_case() -> None:
    assert all(mark == mark.lower() for known in KNOWN_ERRORS for mark in known.marks)
