import re

import pytest

from cmk_rotation.model import OperationError
from cmk_rotation.remedies import KNOWN_ERRORS, REMEDIES, remedy_for
from cmk_rotation.vocabulary import Reason

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
    ("HTTP 400", "Async operation is in a state other than succeeded.", "Another operation"),
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
    assert remedy_for(reason) == REMEDIES[reason]
    assert REMEDIES[reason].endswith(".")


@pytest.mark.parametrize(("code", "message", "words"), DOCUMENTED)
def test_every_documented_error_has_a_remedy_of_its_own(code: str, message: str, words: str) -> None:
    remedy = remedy_for(Reason.UPDATE_REFUSED, OperationError(code, message))
    assert words in remedy
    assert remedy not in REMEDIES.values() or "clusters/write" in remedy


def test_an_error_nobody_knows_leaves_the_reason_s_remedy() -> None:
    assert remedy_for(Reason.UPDATE_FAILED, OperationError("Odd", "strange")) == REMEDIES[Reason.UPDATE_FAILED]


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
