"""Reading each thing once, however many threads ask for it."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any


class Once:
    """What was read, by what it is. Whoever comes later waits for whoever reads."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._held: dict[Hashable, Future[Any]] = {}

    def __call__[T](self, key: Hashable, read: Callable[[], T]) -> T:
        """What was read, or is read now."""
        with self._mutex:
            mine = key not in self._held
            held: Future[T] = self._held.setdefault(key, Future())
        if mine:
            try:
                held.set_result(read())
            except BaseException as error:  # noqa: BLE001 - whoever waits is to hear of it too
                held.set_exception(error)
        return held.result()
