"""Azure Queue Storage and Table Storage, in memory, as far as their unmodified Python SDKs and this product use them.

Sources are Microsoft's REST references ("Queue Storage REST API", "Table Storage REST API") and their pages of error
codes and limits. Where a document names a limit or an error, it holds here too, also where the Azurite emulator is
more lenient; `tests/simulator/storage/test_contract.py` runs the same tests against both.
"""

from simulator.storage.errors import StorageError
from simulator.storage.messages import Message
from simulator.storage.queues import QueueService
from simulator.storage.tables import TableService

__all__ = ["Message", "QueueService", "StorageError", "TableService"]
