"""From settings to a world: the only place that builds clients."""

import functools
import logging
import os
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from azure.identity import ManagedIdentityCredential

from cmk_rotation import clock, logs
from cmk_rotation.adapters.arm import Arm
from cmk_rotation.adapters.clusters import ArmClusters
from cmk_rotation.adapters.errors import TIMEOUTS
from cmk_rotation.adapters.keys import VaultKeys
from cmk_rotation.adapters.linked_accounts import ArmLinkedAccounts
from cmk_rotation.adapters.rotations_table import TableRecords
from cmk_rotation.adapters.visit_queue import QueueRequests
from cmk_rotation.adapters.wire import Wire
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.config.settings import Settings, read_cloud
from cmk_rotation.config.settings import read as read_settings
from cmk_rotation.controller.ports import World
from cmk_rotation.domain.identifiers import AppId

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from cmk_rotation.adapters.outcomes import TopicOutcomes
    from cmk_rotation.adapters.surroundings import Surroundings

_WEB_VERSION = "2022-03-01"


def world(
    settings: Settings, credential: "TokenCredential", storage_credential: "TokenCredential | None" = None
) -> World:
    """The outside world as the settings have it, seen by whoever signs in. Nothing is called yet."""
    return World(
        clusters=ArmClusters(credential, settings.cloud),
        keys=VaultKeys(credential, settings.cloud),
        records=TableRecords(settings.storage, storage_credential or credential),
        requests=QueueRequests(settings.storage, storage_credential or credential),
        outcomes=_outcomes(settings, credential),
        log=logs.write,
        now=clock.utc_now,
        new_id=lambda: str(uuid.uuid4()),
        mode=settings.mode,
        scopes=settings.scopes,
        timing=settings.timing,
        arm_host=settings.cloud.arm_host,
        vault_suffixes=settings.cloud.vault_suffixes,
        telemetry_workspace=settings.telemetry_workspace,
        storage=ArmLinkedAccounts(Arm(credential, settings.cloud)) if settings.watches_storage else None,
    )


@functools.cache
def function_world() -> World:
    """The world of the function app, by its managed identity; one for the process, so that tokens and connections last.

    Raises `InvalidSettingsError`, and does so again at the next call: only a world is kept.
    """
    _quiet_the_sdks()
    settings = read_settings(os.environ)
    credential = _managed_identity(settings.client_id)
    own = settings.storage
    apart = own.client_id or own.identity_resource_id
    return world(
        settings, credential, _managed_identity(own.client_id, own.identity_resource_id) if apart else credential
    )


def operator_world(settings: Settings) -> World:
    """The world of the command line: the same settings, but the operator's own sign-in."""
    return world(settings, _own_sign_in(settings.cloud))


def surroundings(settings: Settings) -> "Surroundings":
    """What `preflight` reads with the operator's own sign-in."""
    from cmk_rotation.adapters.surroundings import Surroundings  # noqa: PLC0415 - the function needs none of it

    return Surroundings(_own_sign_in(settings.cloud), settings.cloud)


def app_settings(app: AppId, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The settings of a deployed function app, as its operator may read them. The environment names the cloud, if any does.

    Raises `InvalidSettingsError` and `AzureCallError`.
    """
    cloud = read_cloud(environ)
    found = Arm(_own_sign_in(cloud), cloud).post(f"{app.text}/config/appsettings/list", _WEB_VERSION).get("properties")
    values = found if isinstance(found, Mapping) else {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def _outcomes(settings: Settings, credential: "TokenCredential") -> "TopicOutcomes | None":
    if settings.outcome_topic_endpoint is None:
        return None
    from cmk_rotation.adapters.outcomes import TopicOutcomes  # noqa: PLC0415 - an app without a topic needs none of it

    return TopicOutcomes(settings.outcome_topic_endpoint, settings.app_name, credential)


def _own_sign_in(cloud: Cloud) -> "TokenCredential":
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import, and the function needs none of it

    _quiet_the_sdks()
    authority = {"authority": cloud.authority_host} if cloud.authority_host else {}
    # MSAL would ask the public cloud whether it knows the authority of another one.
    return DefaultAzureCredential(
        disable_instance_discovery=cloud.authority_host is None, transport=Wire(), **authority
    )


def _quiet_the_sdks() -> None:
    """Before any of them is used: a credential says at INFO that it was made.

    The SDKs log each request at INFO, each failed try at WARNING, some with a traceback, and an answer that is no XML at
    CRITICAL: lines that name no cluster, no reason and no remedy. Our own line says what came of a call. urllib3, below them,
    logs each URL at DEBUG with its query, which is the signature of an operation's.
    """
    for name in ("azure", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _managed_identity(client_id: str | None, resource_id: str | None = None) -> ManagedIdentityCredential:
    named = {"resource_id": resource_id} if resource_id else None
    return ManagedIdentityCredential(
        client_id=client_id, identity_config=named, retry_total=2, transport=Wire(), **TIMEOUTS
    )
