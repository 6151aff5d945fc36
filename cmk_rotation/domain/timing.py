"""How long to wait for what. Durations that nobody needs to set are constants here, each with its why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

PATCH_TIMEOUT = timedelta(seconds=100)
"""Ten seconds to connect and ninety to read; ARM answers a PATCH within 60 s or cuts it."""
CLAIM_LASTS = PATCH_TIMEOUT + timedelta(seconds=80)
"""When this is over, the PATCH of a claim can no longer be in flight: it is not sent later than 80 s after the claim, in
which time the next visit is requested, with all the patience that a slow queue may need."""
VISIT_COMES_WITHIN = timedelta(minutes=5)
"""How late a requested visit may come before it counts as lost. The queue is polled, a visit takes a while, and a Flex
Consumption app without an always-ready instance, which is taken away while it only waits for a delayed message, may need two
minutes to come back (Azure/azure-functions-host#10706)."""
POISON_TOLD_AFTER = timedelta(hours=1)
"""How long a message may lie in the poison queue before a person is told: what can be read there is taken out at once."""
ANNOUNCED_WITHIN = timedelta(minutes=2)
"""How long a visit may take from putting a rotation's end on record to having said it; others keep quiet that long."""
SECOND_READ_AFTER = timedelta(minutes=1)
"""ARM reads may lag behind its writes; two that agree, a minute apart, are taken for the truth."""
CONTRADICTION_LASTS = timedelta(minutes=10)
"""How long a cluster at rest may contradict an update that was taken before the update counts as failed."""
LOOK_AT_ALL_EVERY = timedelta(minutes=10)
"""How long an update may be followed by its operation alone, before its cluster and the key are looked at as well: the
period of reconcile, unless it is set."""
CALL_OUT_AFTER = timedelta(hours=1)
"""How long Azure may be unavailable before a person is called."""
TROUBLE_FLOOR, TROUBLE_CEILING = timedelta(minutes=1), timedelta(minutes=15)
LONGEST_RETRY_AFTER = timedelta(hours=1)
REMIND_EVERY = timedelta(days=1)
LATELY = timedelta(days=45)
"""How long a visit sees rotations that have ended; of those before it reads only what still matters. Where a key rotates once a
month, the last rotation is in sight; where it rotates more rarely, the whole record is short."""
LIVES_ON = timedelta(days=90)
"""How long a remedy lets a version live on that has expired: time to rotate its key in, and no warning at once."""
OPERATOR_EVERY = timedelta(minutes=10)
"""How often an operator may cut the rest after a failure short, for each cluster: the queue cannot tell who an operator is."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clocks of two instances may be apart."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations that an operator may set."""

    poll_floor: timedelta = timedelta(seconds=5)
    poll_ceiling: timedelta = timedelta(seconds=300)
    retry_floor: timedelta = timedelta(hours=1)
    retry_ceiling: timedelta = timedelta(hours=24)
    update_deadline: timedelta = timedelta(hours=6)
    keep_old_version: timedelta = timedelta(hours=24)
    expiry_warning: timedelta = timedelta(days=30)

    def poll_interval(self, elapsed: timedelta, retry_after: timedelta | None = None) -> timedelta:
        """When to look again at something that has run for `elapsed`: a tenth of that, within bounds.

        ARM's `Retry-After` wins when it is longer.
        """
        tenth = min(max(elapsed / 10, self.poll_floor), self.poll_ceiling)
        return max(tenth, capped(retry_after))

    def backoff(self, attempts: int) -> timedelta:
        """How long a refused or failed update rests before it is tried again: doubling, capped."""
        doublings = min(max(attempts, 1) - 1, 64)
        longest = self.retry_ceiling // self.retry_floor + 1  # more would only overflow what a timedelta can hold
        return min(self.retry_floor * min(1 << doublings, longest), self.retry_ceiling)

    @property
    def longest_wait(self) -> timedelta:
        """No visit is ever requested for later than this."""
        return max(self.poll_ceiling, LONGEST_RETRY_AFTER)


def unavailable_backoff(elapsed: timedelta, retry_after: timedelta | None = None) -> timedelta:
    """When to try again what has been unavailable for `elapsed`: 1 minute, doubling, up to 15."""
    return max(min(max(elapsed, TROUBLE_FLOOR), TROUBLE_CEILING), capped(retry_after))


def capped(retry_after: timedelta | None) -> timedelta:
    """A `Retry-After`, kept between nothing and an hour."""
    return min(max(retry_after or timedelta(), timedelta()), LONGEST_RETRY_AFTER)


def plausible(stored: datetime | None, *, latest: datetime) -> datetime | None:
    """A stored time, unless it lies beyond the latest that could have been stored: then it decides nothing."""
    return stored if stored is not None and stored <= latest else None
