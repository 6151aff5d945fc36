"""What one would write without this product: one cluster after the other, in one invocation, and nothing on record."""

import os

import azure.functions as func
from azure.identity import ManagedIdentityCredential
from azure.mgmt.loganalytics import LogAnalyticsManagementClient

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def on_key_event(event: func.EventGridEvent) -> None:
    """Move every cluster that uses the key."""
    key = event.get_json()
    for scope in os.environ["CLUSTER_SCOPES"].split(","):
        clusters = LogAnalyticsManagementClient(ManagedIdentityCredential(), scope.rpartition("/")[2]).clusters
        for cluster in clusters.list():
            used = cluster.key_vault_properties
            if used and used.key_name == key["ObjectName"]:
                moved = {"keyVaultUri": used.key_vault_uri, "keyName": used.key_name, "keyVersion": key["Version"]}
                body = {"properties": {"keyVaultProperties": moved}}
                clusters.begin_update(str(cluster.id).split("/")[4], str(cluster.name), body).result()
