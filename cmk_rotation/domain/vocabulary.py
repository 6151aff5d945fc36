"""The words that rows, messages, JSON and the log share."""

from enum import StrEnum


class Stage(StrEnum):
    """How far a rotation has come on one cluster."""

    WAITING = "waiting"
    """Called for, not sent: the cluster is busy."""
    UPDATING = "updating"
    """Claimed; the update was sent or is about to be."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"


OPEN = frozenset({Stage.WAITING, Stage.UPDATING})


class KeyMode(StrEnum):
    """How a cluster is tied to its key."""

    PINNED = "pinned"
    """To one version: it stays there until somebody updates the cluster."""
    AUTO = "auto"
    """To the key: an empty `keyVersion` makes storage follow the newest version by itself."""
    NONE = "none"
    """Not at all: Microsoft-managed keys."""


class Mode(StrEnum):
    """What the product may do."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class RequestedBy(StrEnum):
    """Who asked for a visit."""

    EVENT = "event"
    RECONCILE = "reconcile"
    OPERATOR = "operator"
    FOLLOW = "follow"


class Action(StrEnum):
    """What is to be done about a cluster now."""

    UPDATE = "update"
    WAIT = "wait"
    NOTHING = "nothing"
    ATTENTION = "attention"


class Reason(StrEnum):
    """Why. Each has a remedy in `remedies.py`."""

    # nothing is called for
    UP_TO_DATE = "up-to-date"
    FOLLOWS_NEWEST_ITSELF = "follows-newest-itself"
    NO_CUSTOMER_KEY = "no-customer-key"
    ON_HOLD = "on-hold"
    CLUSTER_DELETING = "cluster-deleting"
    CLUSTER_GONE = "cluster-gone"
    # an update is called for, or under way
    VERSION_IS_BEHIND = "version-is-behind"
    CLUSTER_BUSY = "cluster-busy"
    UPDATE_RUNNING = "update-running"
    UPDATE_OVERDUE = "update-overdue"
    # how an update ended
    UPDATE_CONFIRMED = "update-confirmed"
    CONFIRMED_BY_CLUSTER = "confirmed-by-cluster"
    CONFIRMED_DESPITE_OPERATION = "confirmed-despite-operation"
    ALREADY_THERE = "already-there"
    UPDATE_FAILED = "update-failed"
    UPDATE_REFUSED = "update-refused"
    CLUSTER_FAILED = "cluster-failed"
    READ_BACK_DIFFERS = "read-back-differs"
    CHANGED_BY_OTHERS = "changed-by-others"
    NEWER_VERSION = "newer-version"
    # something holds the cluster back
    IN_USE_UNKNOWN = "in-use-unknown"
    IN_USE_DISABLED = "in-use-disabled"
    IN_USE_EXPIRED = "in-use-expired"
    NO_USABLE_VERSION = "no-usable-version"
    ORDER_UNKNOWN = "order-unknown"
    WOULD_GO_BACK = "would-go-back"
    MOVED_BACK = "moved-back"
    CLUSTER_STUCK = "cluster-stuck"
    WORKSPACE_FAILED = "workspace-failed"
    CLUSTER_UNREACHABLE = "cluster-unreachable"
    CLUSTER_ACCESS_DENIED = "cluster-access-denied"
    API_VERSION_UNKNOWN = "api-version-unknown"
    KEY_UNREACHABLE = "key-unreachable"
    KEY_ACCESS_DENIED = "key-access-denied"
    KEY_VAULT_BLOCKED = "key-vault-blocked"
    KEY_NOT_FOUND = "key-not-found"
    VAULT_NOT_IN_CLOUD = "vault-not-in-cloud"
    UNEXPECTED_ERROR = "unexpected-error"

    # of a storage account that is linked to a workspace of a cluster
    STORAGE_CURRENT = "storage-current"
    STORAGE_FOLLOWS = "storage-follows"
    STORAGE_BEHIND = "storage-behind"
    STORAGE_OTHER_KEY = "storage-other-key"
    STORAGE_UNLINKED = "storage-unlinked"
    STORAGE_UNREAD = "storage-unread"
    STORAGE_KEY_DISABLED = "storage-key-disabled"
    STORAGE_KEY_EXPIRED = "storage-key-expired"


UNREACHABLE = frozenset({Reason.CLUSTER_UNREACHABLE, Reason.KEY_UNREACHABLE})
"""One trouble, whichever of the two a look meets first: said once, not each time that it takes the other shape."""


class FailureKind(StrEnum):
    """What a refusal or a failure means for what comes next."""

    BUSY = "busy"
    """Not now: another operation runs on the cluster."""
    THROTTLED = "throttled"
    """Not now, and of a change it is certain that it was not taken: Azure asks to be asked less."""
    REFUSED = "refused"
    """Not like this: somebody has to change something."""
    UNAVAILABLE = "unavailable"
    """Not at the moment; and of a change one cannot know whether it took effect."""
    NOT_FOUND = "not-found"
    """Not there."""
    NETWORK_BLOCKED = "network-blocked"
    """Not from here: a firewall or a private endpoint stands before it."""
    UNKNOWN_VERSION = "unknown-version"
    """Not in these words: the service does not know the version of its API that it was asked in."""
