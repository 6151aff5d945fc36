"""App settings as the host reads them: `%NAME%` in a binding, and the storage connection of a binding."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from azure.storage.queue import LinearRetry, QueueClient, QueueServiceClient

from simulator.host.errors import FunctionInError, HostError
from simulator.host.host_json import MessageEncoding

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_NOT_SIMULATED = re.compile("azurefunctionsjobhost__.*|azurewebjobs[._].*[._]disabled")
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")
"""What `Convert.FromBase64String` ignores; it insists on padding (both measured)."""
_QUEUE_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")


class UndecodableMessageError(Exception):
    """A queue message's text is not what `messageEncoding` says."""


def refuse_unknown(settings: Mapping[str, str]) -> None:
    """Some app settings override host.json or disable a function in the real host; here they would silently not.

    https://learn.microsoft.com/azure/azure-functions/functions-app-settings#override-hostjson-values, disable-function
    """
    found = sorted(name for name in settings if _NOT_SIMULATED.fullmatch(name.lower()))
    if found:
        raise HostError(f"these app settings are not simulated: {', '.join(found)}")


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` in a binding's property by the app setting of that name."""

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise FunctionInError(f"'%{match[1]}%' does not resolve to a value.")
        return settings[match[1]]

    return re.sub("%([^%]+)%", value_of, text)


class Queues:
    """The host's own access to queues, with the app's connection settings and the real Storage SDK."""

    def __init__(self, settings: Mapping[str, str], encoding: MessageEncoding) -> None:
        self._settings = settings
        self._encoding = encoding
        self._services: dict[str, QueueServiceClient] = {}

    def client(self, connection: str, name: str) -> QueueClient:
        """A client whose messages are the raw texts on the wire. Names are lower-cased, as the extension does."""
        name = resolve(name, self._settings).lower()
        if not _QUEUE_NAME.fullmatch(name):
            raise FunctionInError(f"'{name}' is not a valid queue name.")
        if connection not in self._services:
            self._services[connection] = _service(connection, self._settings)
        return self._services[connection].get_queue_client(name)

    def encode(self, body: str) -> str:
        """The text of a message whose body is this."""
        return base64.b64encode(body.encode()).decode() if self._encoding is MessageEncoding.BASE64 else body

    def decode(self, text: str) -> bytes:
        """The body of a message whose text is this."""
        if self._encoding is MessageEncoding.NONE:
            return text.encode()
        try:
            return base64.b64decode(text.translate(_WHITE_SPACE), validate=True)
        except binascii.Error as error:
            raise UndecodableMessageError(str(error)) from error


def _service(connection: str, settings: Mapping[str, str]) -> QueueServiceClient:
    """What `connection` in a binding stands for.

    A connection string; or an identity-based connection: `…__accountName`, which the real host completes with the
    public cloud's suffix whatever the cloud, before `…__queueServiceUri`. See
    https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
    """
    # Patience takes simulated time, and this client's would be real: `StorageCalls` has it.
    retries = LinearRetry(backoff=0, retry_total=0, random_jitter_range=0)
    if text := settings.get(connection):
        try:
            return QueueServiceClient.from_connection_string(text, retry_policy=retries)
        except ValueError as error:
            raise FunctionInError(f"Storage account connection string '{connection}' is not valid: {error}") from error
    if account := settings.get(f"{connection}__accountName"):
        uri: str | None = f"https://{account}.queue.core.windows.net"
    else:
        uri = settings.get(f"{connection}__queueServiceUri")
    if not uri:
        raise FunctionInError(
            f"Storage account connection string '{connection}' does not exist. Make sure that it is a defined App Setting."
        )
    return QueueServiceClient(uri, credential=_credential(connection, settings), retry_policy=retries)


def _credential(connection: str, settings: Mapping[str, str]) -> "TokenCredential":
    # azure-identity takes a seventh of a second to import, and a connection string needs none.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    kind = settings.get(f"{connection}__credential")
    if kind is None:
        return DefaultAzureCredential()
    if kind.lower() != "managedidentity":
        raise FunctionInError(f"'{connection}__credential' is '{kind}'; only managedidentity is known.")
    resource_id = settings.get(f"{connection}__managedIdentityResourceId")
    named = {"resource_id": resource_id} if resource_id else None
    return ManagedIdentityCredential(client_id=settings.get(f"{connection}__clientId"), identity_config=named)
