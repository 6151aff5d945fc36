"""How Azure may behave where its documents are silent or contradict each other: every variant can be chosen."""

from dataclasses import dataclass
from enum import StrEnum


class AcceptedHeaders(StrEnum):
    """Which headers the answer to an accepted update carries for following it. Only REST says both; older text differs."""

    BOTH = "both"
    AZURE_ASYNC_OPERATION = "azure-async-operation"
    LOCATION = "location"
    NONE = "none"


class Outcome(StrEnum):
    """How an operation ends."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    NEVER = "never"


class OperationReading(StrEnum):
    """What reading an operation's status brings."""

    FINE = "fine"
    NOT_FOUND = "not-found"
    """404 InvalidResourceType while the update goes on, seen in Azure/azure-sdk-for-net issue 40606."""
    FORBIDDEN = "forbidden"
    ERROR = "error"
    EMPTY = "empty"
    """200 without a body."""


class BusyAnswer(StrEnum):
    """How an update is refused while another one is under way."""

    CONTRACTED = "can't"
    SPELLED_OUT = "cannot"
    """The wording of older documents."""
    CONFLICT = "409"


class KeyCheck(StrEnum):
    """When a new key is validated."""

    AT_ONCE = "at-once"
    IN_OPERATION = "in-operation"
    """The update is accepted and its operation fails."""


class AutoModeShows(StrEnum):
    """What `keyVersion` a GET shows for a cluster that follows the newest version by itself."""

    EMPTY = "empty"
    ABSENT = "absent"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How cluster updates go. None of this is settled by documents unless a field says so.

    Times are simulated seconds.
    """

    update_seconds: float = 2_400.0
    """Microsoft promises no bound ("can take a while"); Terraform's provider waits up to six hours."""

    accepted_status: int = 202
    """200 or 202, both documented."""
    accepted_headers: AcceptedHeaders = AcceptedHeaders.BOTH
    accepted_body: bool = True
    retry_after: int | None = 30
    """Sent with an accepted update, if it has any header to follow, and with the status of a running operation."""
    regional_operation_url: bool = False
    """Whether the operation's URL names a regional ARM host in place of the global one."""

    state_while_running: str = "Updating"
    """The cluster's provisioningState meanwhile; "Succeeded" would be stale."""
    new_key_while_running: bool = False
    """Whether a GET shows the new key before it is in use."""
    stale_seconds: float = 0.0
    """How long a GET still shows Succeeded with the old key after the operation succeeded."""

    outcome: Outcome = Outcome.SUCCEEDED
    final_state: str | None = None
    """The cluster's provisioningState in the end; None means Succeeded or Failed, as the operation."""
    key_applied: bool | None = None
    """Whether the cluster ends on the new key; None means if the operation succeeded."""
    error_code: str = "KeyVaultOperationFailed"
    error_message: str = "The key encryption key could not be set."
    nested_error: bool = True
    """Whether a failed operation's error is inside another `error`, as in the specification, or flat, as in older text."""
    reading: OperationReading = OperationReading.FINE

    busy_answer: BusyAnswer = BusyAnswer.CONTRACTED
    failed_accepts_update: bool = True
    """Whether a cluster in state Failed or Canceled takes another update."""
    key_check: KeyCheck = KeyCheck.AT_ONCE
    auto_mode_shows: AutoModeShows = AutoModeShows.EMPTY
    replication_is_update: bool = False
    """Whether a cluster is Updating, and takes no other update, while its replication is enabled or disabled. An
    article says the first of workspaces."""
    replication_fails: bool = False
    """Whether enabling or disabling replication is rolled back."""
    links_fail: bool = False
    """Whether linking a workspace to this cluster, or unlinking it, leaves the workspace Failed and as it was."""
    workspaces_fail: bool = False
    """Whether the linked workspaces are Failed as long as the cluster is. No document says so; an operator saw it."""
    dirty_ids: bool = False
    """Whether ids come back in other casing than they were made with, as ARM's often do."""
