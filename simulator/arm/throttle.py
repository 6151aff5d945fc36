"""ARM's throttling: a token bucket for each principal and subscription, one for reads and one for writes.

Sizes and rates are those of "Understand how Azure Resource Manager throttles requests": 250 reads, refilled at 25 a
second, and 200 writes or deletes, at 10. (Microsoft keeps them per region and instance besides; here there is one.)
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


@dataclass(slots=True)
class Throttle:
    """The buckets. Times are simulated seconds."""

    sizes: dict[str, int] = field(default_factory=lambda: {"reads": 250, "writes": 200})
    rates: dict[str, float] = field(default_factory=lambda: {"reads": 25.0, "writes": 10.0})
    """Tokens that come back in a second."""
    _buckets: dict[tuple[str, str, str], _Bucket] = field(default_factory=dict)

    def take(self, principal: str, subscription: str, method: str, now: float) -> tuple[str, int, int]:
        """Use one token: which kind, how many are left, and after how many seconds to come again (0: go on)."""
        kind = "reads" if method in {"GET", "HEAD"} else "writes"
        size, rate = self.sizes[kind], self.rates[kind]
        bucket = self._buckets.setdefault((principal, subscription.lower(), kind), _Bucket(size, now))
        bucket.left = min(size, bucket.left + max(0.0, now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            return kind, 0, max(1, math.ceil((1 - bucket.left) / rate))
        bucket.left -= 1
        return kind, int(bucket.left), 0
