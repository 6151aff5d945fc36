"""The check of shapes finds what it is there to find, in models of both styles."""

import pytest
from azure.keyvault.keys._generated.models import KeyBundle
from azure.mgmt.authorization.v2022_04_01.models import RoleAssignmentCreateParameters
from azure.mgmt.eventgrid.models import EventSubscription, SystemTopic
from azure.mgmt.loganalytics.models import Cluster, OperationStatus

from tests.simulator.sdk.shapes import paths, problems


def in_cluster(**properties: object) -> dict[str, object]:
    return {"location": "westeurope", "properties": properties}


def in_subscription(**properties: object) -> dict[str, object]:
    return {"name": "key-events", "properties": properties}


GOOD: list[tuple[object, type]] = [
    (
        in_cluster(createdDate="2026-01-15T09:30:00Z", billingType="Cluster", keyVaultProperties={"keyRsaSize": 1}),
        Cluster,
    ),
    ({"location": "w", "identity": {"type": "None", "userAssignedIdentities": {"/x": {"clientId": "c"}}}}, Cluster),
    (in_cluster(associatedWorkspaces=[], clusterId=None), Cluster),
    ({"error": {"error": {"details": [{"code": "c"}]}}}, OperationStatus),
    ({"key": {"kty": "RSA", "n": "AQ-_", "key_ops": ["wrapKey"]}, "attributes": {"created": 1}}, KeyBundle),
    ({"location": "w", "tags": {"a": "b"}, "properties": {"source": "s"}}, SystemTopic),
    (
        in_subscription(destination={"endpointType": "WebHook", "properties": {"maxEventsPerBatch": 1}}),
        EventSubscription,
    ),
    ({"properties": {"roleDefinitionId": "r", "principalId": "p"}}, RoleAssignmentCreateParameters),
]


@pytest.mark.parametrize(("body", "model"), GOOD)
def test_nothing_is_said_of_a_body_in_the_models_shape(body: object, model: type) -> None:
    assert problems(body, model) == []


BAD: list[tuple[object, type, list[str]]] = [
    ([], Cluster, ["[] is not an object"]),
    ({}, Cluster, ["location is missing"]),
    ({"location": None}, Cluster, ["location is missing"]),
    ({"location": "w", "identity": {}}, Cluster, ["identity: type is missing"]),
    (in_cluster(colour=1), Cluster, ["properties: colour is not in the model"]),
    (in_cluster(cluster_id="x"), Cluster, ["properties: cluster_id is not in the model"]),
    (in_cluster(clusterId=1), Cluster, ["properties.clusterId: 1 is not str"]),
    (in_cluster(isDoubleEncryptionEnabled=1), Cluster, ["properties.isDoubleEncryptionEnabled: 1 is not bool"]),
    ({"location": "w", "sku": {"capacity": True}}, Cluster, ["sku.capacity: True is not int"]),
    ({"location": "w", "sku": {"capacity": 1.0}}, Cluster, ["sku.capacity: 1.0 is not int"]),
    ({"location": "w", "sku": {"name": "Free"}}, Cluster, ["sku.name: 'Free' is not ClusterSkuNameEnum"]),
    ({"location": "w", "tags": {"a": 1}}, Cluster, ["tags.a: 1 is not str"]),
    ({"location": "w", "tags": []}, Cluster, ["tags: [] is not dict[str, str]"]),
    (in_cluster(createdDate="2026-01-15"), Cluster, ["properties.createdDate: '2026-01-15' is not datetime"]),
    (
        in_cluster(createdDate="2026-01-15T09:30"),
        Cluster,
        ["properties.createdDate: '2026-01-15T09:30' is not datetime"],
    ),
    (
        in_cluster(associatedWorkspaces=[{}, {"workspaceId": 1, "colour": 1}]),
        Cluster,
        [
            "properties.associatedWorkspaces[1].workspaceId: 1 is not str",
            "properties.associatedWorkspaces[1]: colour is not in the model",
        ],
    ),
    ({"key": {"n": "a+b/"}}, KeyBundle, ["key.n: 'a+b/' is not bytes"]),
    ({"key": {"key_ops": "wrapKey"}}, KeyBundle, ["key.key_ops: 'wrapKey' is not list[str]"]),
    ({"attributes": {"created": "1"}}, KeyBundle, ["attributes.created: '1' is not int"]),
    ({"properties": {}}, SystemTopic, ["location is missing"]),
    ({"location": "w", "properties": []}, SystemTopic, ["properties: [] is not an object"]),
    ({"location": "w", "source": "s"}, SystemTopic, ["source is not in the model"]),
    (
        {"location": "w", "properties": {"provisioningState": "Fine", "colour": 1}},
        SystemTopic,
        [
            "properties.provisioningState: 'Fine' is not ResourceProvisioningState",
            "properties: colour is not in the model",
        ],
    ),
    (
        {},
        RoleAssignmentCreateParameters,
        ["properties: principalId is missing", "properties: roleDefinitionId is missing"],
    ),
    (
        in_subscription(destination={"endpointType": "Pigeon"}),
        EventSubscription,
        ["properties.destination: endpointType 'Pigeon' is no kind of EventSubscriptionDestination"],
    ),
    (
        in_subscription(destination={"endpointType": "WebHook", "properties": {"maxEventsPerBatch": "1"}}),
        EventSubscription,
        ["properties.destination.properties.maxEventsPerBatch: '1' is not int"],
    ),
    (
        in_subscription(filter={"includedEventTypes": ["a", 1]}),
        EventSubscription,
        ["properties.filter.includedEventTypes[1]: 1 is not str"],
    ),
    (
        in_subscription(expirationTimeUtc=1),
        EventSubscription,
        ["properties.expirationTimeUtc: 1 is not datetime"],
    ),
]


@pytest.mark.parametrize(("body", "model", "found"), BAD)
def test_what_is_not_in_the_models_shape_is_said_with_its_path(body: object, model: type, found: list[str]) -> None:
    assert problems(body, model) == found


def test_the_paths_of_a_body_go_into_lists_and_skip_the_names_that_are_ids() -> None:
    body = {"a": [{"b": 1}, {"c": {}}], "d": {"/subscriptions/x": {"e": None}}, "f": []}
    assert paths(body) == {"a[].b", "a[].c", "d.*.e", "f"}
