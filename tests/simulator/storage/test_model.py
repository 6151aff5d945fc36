"""Entities under any sequence of changes, against a dict that knows what a table should hold."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableClient, UpdateMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.storage.backends import Backend, azurite, simulated

ROWS = ("r", "s")
PROPERTIES = st.dictionaries(st.sampled_from("AB"), st.integers(0, 9), max_size=2)
OPERATIONS = st.sampled_from(("create", "update", "replace", "upsert", "upsert-replace", "delete"))
VERSIONS = st.sampled_from(("any", "latest", "stale"))
STEPS = st.lists(st.tuples(OPERATIONS, st.sampled_from(ROWS), PROPERTIES, VERSIONS), max_size=12)

STALE = "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""


@pytest.fixture(scope="module", params=["simulated", "azurite"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with simulated() if request.param == "simulated" else azurite() as running:
        yield running


def apply(model: dict[str, dict[str, int]], operation: str, row: str, properties: dict[str, int], version: str) -> str:
    """What should happen, done to the model."""
    there = row in model
    match operation:
        case "create" if there:
            return "exists"
        case "update" | "replace" if not there:
            return "not found"
        case "update" | "replace" if version == "stale":
            return "modified"
        case "delete" if not there:
            return "done"  # the SDK takes an absent entity for a deleted one
        case "delete" if version == "stale":
            return "modified"
        case "delete":
            del model[row]
        case "update" | "upsert":
            model[row] = {**model.get(row, {}), **properties}
        case _:
            model[row] = properties
    return "done"


def perform(table: TableClient, operation: str, row: str, properties: dict[str, int], condition: dict[str, Any]) -> str:
    """What does happen."""
    entity = {"PartitionKey": "p", "RowKey": row, **properties}
    mode = UpdateMode.REPLACE if operation in ("replace", "upsert-replace") else UpdateMode.MERGE
    try:
        match operation:
            case "create":
                table.create_entity(entity)
            case "delete":
                table.delete_entity("p", row, **condition)
            case "update" | "replace":
                table.update_entity(entity, mode=mode, **condition)
            case _:
                table.upsert_entity(entity, mode=mode)
    except ResourceExistsError:
        return "exists"
    except ResourceNotFoundError:
        return "not found"
    except ResourceModifiedError:
        return "modified"
    except HttpResponseError as error:
        return str(error)
    return "done"


def stored(table: TableClient) -> tuple[dict[str, dict[str, int]], dict[str, str | None]]:
    """What the table holds, and the version of each row."""
    entities = list(table.list_entities())
    rows = {entity["RowKey"]: {name: entity[name] for name in "AB" if name in entity} for entity in entities}
    return rows, {entity["RowKey"]: entity.metadata["etag"] for entity in entities}


# Each example makes its own table, so nothing is left over from the one before.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_sequence_of_changes_leaves_what_a_dict_would_hold(
    backend: Backend, steps: list[tuple[str, str, dict[str, int], str]]
) -> None:
    model: dict[str, dict[str, int]] = {}
    with TableClient.from_connection_string(backend.connection_string(), f"T{uuid.uuid4().hex}") as table:
        table.create_table()
        for operation, row, properties, version in steps:
            before, etags = stored(table)
            condition: dict[str, Any] = {}
            if version != "any":
                etag = STALE if version == "stale" else etags.get(row, STALE)
                condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            outcome = perform(table, operation, row, properties, condition)
            assert outcome == apply(model, operation, row, properties, version)
            after, new_etags = stored(table)
            assert after == model
            changed = outcome == "done" and row in after and operation != "delete"
            assert (new_etags.get(row) != etags.get(row)) == (changed or before.keys() != after.keys())
