"""The calls of a rotation, made with the SDKs as they are: nothing is decided, checked or said.

Messages that name a cluster come as this product's do, and each makes the calls of the visit that it stands for: as many
of each kind, and rows as long.
"""

import json
import logging
import os
from contextlib import suppress
from functools import cache
from typing import Any

import azure.functions as func
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.core.rest import HttpRequest
from azure.data.tables import TableClient, UpdateMode
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

QUEUE, STORAGE = "cluster-visits", "AzureWebJobsStorage"
SPARE_AFTER, LOOK_AFTER = 180, 10
COLUMNS = {f"column{number:02}": "a value of some forty characters, as many" for number in range(25)}

app = func.FunctionApp()
logging.getLogger("azure").setLevel(logging.ERROR)  # a line or two for each request, else
credential = ManagedIdentityCredential()


@cache
def table() -> TableClient:
    """The record."""
    found = TableClient.from_connection_string(os.environ[STORAGE], "rotations")
    with suppress(ResourceExistsError):
        found.create_table()
    return found


@cache
def queue() -> QueueClient:
    """The visits to come."""
    return QueueClient.from_connection_string(
        os.environ[STORAGE], QUEUE, message_encode_policy=TextBase64EncodePolicy()
    )


@cache
def arm(subscription: str) -> LogAnalyticsManagementClient:
    """A subscription's clusters."""
    return LogAnalyticsManagementClient(credential, subscription)


@cache
def keys(vault: str) -> KeyClient:
    """A vault's keys."""
    return KeyClient(vault, credential)


@app.queue_trigger(arg_name="message", queue_name=QUEUE, connection=STORAGE)
def on_visit(message: func.QueueMessage) -> None:
    """One visit."""
    body = json.loads(message.get_body())
    cluster_id, step = body["cluster"], body.get("step", "send")
    client, (group, name) = arm(cluster_id.split("/")[2]), (cluster_id.split("/")[4], cluster_id.split("/")[8])
    partition = cluster_id.lower().replace("/", "|")
    list(table().query_entities("PartitionKey eq @partition and RowKey le '~'", parameters={"partition": partition}))
    if step == "spare":
        return
    own = {"PartitionKey": partition, **COLUMNS}
    if step == "send":
        used = look(client, group, name)
        claim = [("create", {**own, "RowKey": body["version"]}), ("create", {**own, "RowKey": "~history|1"})]
        etag = table().submit_transaction(claim)[0]["etag"]
        point_to(f"to|{body['version']}", name)
        look(client, group, name)
        request(cluster_id, "spare", SPARE_AFTER)
        moved = {"keyVaultUri": used.key_vault_uri, "keyName": used.key_name, "keyVersion": body["version"]}
        body_of = {"properties": {"keyVaultProperties": moved}}
        started: Any = client.clusters.begin_update(group, name, body_of, polling=False).polling_method()
        operation = started._initial_response.http_response.headers["Azure-AsyncOperation"]  # noqa: SLF001 - no other way
        note(own, body["version"], etag, "~history|2", operation)
        request(cluster_id, "end", LOOK_AFTER, version=body["version"], operation=operation)
    else:
        client.clusters._client.send_request(HttpRequest("GET", body["operation"])).json()  # noqa: SLF001 - as above
        look(client, group, name)
        (row,) = table().query_entities(
            "PartitionKey eq @partition and RowKey eq @row", parameters={"partition": partition, "row": body["version"]}
        )
        etag = note(own, body["version"], str(row.metadata["etag"]), "~history|3", body["operation"])
        point_to(f"to|{body['version']}", name)
        table().delete_entity("from", name)
        replace({**own, "RowKey": body["version"]}, etag)
    table().upsert_entity({**own, "RowKey": "~cluster"}, mode=UpdateMode.REPLACE)


def look(client: LogAnalyticsManagementClient, group: str, name: str) -> Any:
    """Read the cluster and its key's versions."""
    used = client.clusters.get(group, name).key_vault_properties
    list(keys(used.key_vault_uri).list_properties_of_key_versions(used.key_name))
    return used


def note(own: dict[str, Any], version: str, etag: str, history: str, operation: str) -> str:
    """Replace the rotation's row, with a line of history."""
    row = {**own, "RowKey": version, "operation": operation}
    guarded = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
    answers = table().submit_transaction([("update", row, guarded), ("create", {**own, "RowKey": history})])
    return str(answers[0]["etag"])


def replace(row: dict[str, Any], etag: str) -> None:
    """Replace a row."""
    table().update_entity(row, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified)


def point_to(partition: str, name: str) -> None:
    """Write a row of an index."""
    table().upsert_entity({"PartitionKey": partition, "RowKey": name}, mode=UpdateMode.REPLACE)


def request(cluster: str, step: str, after: int, **more: str) -> None:
    """Put a message on the queue."""
    queue().send_message(json.dumps({"cluster": cluster, "step": step, **more}), visibility_timeout=after)
