"""What to do about a cluster: a frozen observation in, a decision with a stable reason out.

`RULES` is the specification: the rules stand in order, each says one thing, and the first with an opinion wins.
First an update of our own is seen through (`update_rules.py`); then come the cluster (`cluster_rules.py`), its key
(`key_rules.py`), and what is called for (`cluster_rules.py` again).
"""

from collections.abc import Callable
from functools import wraps

from cmk_rotation.decisions import cluster_rules, key_rules, update_rules
from cmk_rotation.decisions.observation import (
    Decision,
    Finish,
    Look,
    Observation,
)
from cmk_rotation.decisions.update_rules import Rule
from cmk_rotation.domain.rotation import Rotation


def decide(seen: Look) -> Decision | Finish:
    """The first opinion among the rules. The last rule always has one."""
    opinions = (rule(seen) for rule in RULES)
    return next(opinion for opinion in opinions if opinion is not None)


def settle[One: Look](
    seen: One, end: Callable[[One, Rotation], Rotation] = lambda _, rotation: rotation
) -> tuple[One, Decision]:
    """Decide until no rotation ends any more, and `end` each that does. Without that: what a visit would come to."""
    decision = decide(seen)
    while isinstance(decision, Finish):
        seen = seen.with_rotation(end(seen, decision.rotation))
        decision = decide(seen)
    return seen, decision


# --- the rules, in order ---

_OF_A_CLUSTER_SEEN: tuple[Rule, ...] = (
    *update_rules.RULES,
    cluster_rules.cluster_is_going,
    cluster_rules.no_customer_key,
    cluster_rules.follows_newest_itself,
    key_rules.vault_is_not_in_this_cloud,
    key_rules.key_cannot_be_read,
    key_rules.version_in_use_is_unknown,
    key_rules.version_in_use_is_disabled,
    key_rules.version_in_use_has_expired,
    key_rules.no_version_is_usable,
    key_rules.order_is_unknown,
    key_rules.would_go_back,
    cluster_rules.target_was_replaced,
    cluster_rules.failed_cluster_is_not_ours,
    cluster_rules.already_there,
    cluster_rules.linked_workspace_failed,
    cluster_rules.up_to_date,
    cluster_rules.on_hold,
    cluster_rules.moved_back,
    cluster_rules.failed_recently,
    cluster_rules.cluster_is_busy,
    cluster_rules.version_is_behind,
)


def _where_seen(rule: Rule) -> Callable[[Look], Decision | Finish | None]:
    """The rule, without an opinion on a cluster that could not be read."""

    @wraps(rule)
    def opinion(seen: Look) -> Decision | Finish | None:
        return rule(seen) if isinstance(seen, Observation) else None

    return opinion


RULES = (update_rules.operation_goes_on, cluster_rules.cluster_cannot_be_read, *map(_where_seen, _OF_A_CLUSTER_SEEN))
