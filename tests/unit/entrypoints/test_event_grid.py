import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmk_rotation.entrypoints.event_grid import Ignored, KeyChanged, Rejected, parse
from tests.unit.support.builders import KEY, V2

TYPE = "Microsoft.KeyVault.KeyNewVersionCreated"
DATA: dict[str, Any] = {
    "Id": f"https://contoso.vault.azure.net/keys/la-cmk/{V2}",
    "VaultName": "contoso",
    "ObjectType": "Key",
    "ObjectName": "la-cmk",
    "Version": V2,
    "NBF": 1559081980,
    "EXP": 1559082102,
}
SOURCE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso"


def grid(data: object = None, **changes: object) -> str:
    """An event in Event Grid's own schema."""
    event = {
        "id": "event-1",
        "topic": SOURCE,
        "subject": "la-cmk",
        "eventType": TYPE,
        "eventTime": "2026-03-01T11:00:00.2932321Z",
        "data": DATA if data is None else data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }
    return json.dumps(event | changes)


def cloud(data: object = None, **changes: object) -> str:
    """A CloudEvent 1.0."""
    event = {
        "id": "event-1",
        "source": SOURCE,
        "specversion": "1.0",
        "type": TYPE,
        "subject": "la-cmk",
        "time": "2026-03-01T11:00:00.2932321Z",
        "data": DATA if data is None else data,
    }
    return json.dumps(event | changes)


def changed(payload: str) -> KeyChanged:
    event = parse(payload)
    assert isinstance(event, KeyChanged), event
    return event


@pytest.mark.parametrize("payload", [grid(), cloud()], ids=["event-grid", "cloud-events"])
def test_both_schemas_name_the_key_that_changed(payload: str) -> None:
    expires = datetime(2019, 5, 28, 22, 21, 42, tzinfo=UTC)
    assert changed(payload) == KeyChanged(KEY, TYPE, "event-1", V2, expires)


@pytest.mark.parametrize("word", ["KeyNewVersionCreated", "KeyNearExpiry", "KeyExpired", "KeySomethingToCome"])
def test_every_key_event_is_a_reason_to_look(word: str) -> None:
    assert changed(grid(eventType=f"Microsoft.KeyVault.{word}")).key == KEY
    assert changed(cloud(type=f"microsoft.keyvault.{word.lower()}")).key == KEY


@pytest.mark.parametrize(
    "data",
    [
        {name.lower(): value for name, value in DATA.items()},
        {name[0].lower() + name[1:]: value for name, value in DATA.items()},
        {f"{name} ": value for name, value in DATA.items()},
        DATA | {"Id": f" {DATA['Id']} ", "Version": f" {V2}"},
        DATA | {"Id": DATA["Id"].upper().replace("HTTPS", "https")},
        DATA | {"Id": DATA["Id"].replace(".net/", ".net:443/")},
        DATA | {"Id": DATA["Id"] + "/"},
        {"Id": DATA["Id"]},
        DATA | {"VaultName": "another", "ObjectName": "another"},
        DATA | {"ObjectType": "KEY"},
        DATA | {"ObjectType": None},
    ],
)
def test_casing_and_blanks_that_have_been_seen_change_nothing(data: dict[str, object]) -> None:
    event = changed(grid(data))
    assert event.key == KEY
    assert (event.version or "").lower() == V2


def test_a_key_id_without_a_version_names_the_key_and_the_version_comes_from_its_own_field() -> None:
    assert changed(grid(DATA | {"Id": "https://contoso.vault.azure.net/keys/la-cmk"})).version == V2


def test_of_two_names_that_are_the_same_but_for_case_the_first_counts() -> None:
    data = json.dumps({"Id": DATA["Id"]})[:-1] + ', "id": "https://evil.example.net/keys/other/1"}'
    assert changed(grid().replace(json.dumps(DATA), data)).key == KEY


@pytest.mark.parametrize(
    ("exp", "expires"),
    [
        (1559082102, datetime(2019, 5, 28, 22, 21, 42, tzinfo=UTC)),
        (1559082102.0, datetime(2019, 5, 28, 22, 21, 42, tzinfo=UTC)),
        ("1559082102", datetime(2019, 5, 28, 22, 21, 42, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("soon", None),
        (True, None),
        ([], None),
        ("nan", None),
        ("inf", None),
        (10**30, None),
        (-(10**30), None),
        (10**400, None),
    ],
)
def test_an_expiry_comes_as_a_number_a_string_or_null_and_nonsense_is_null(exp: object, expires: datetime) -> None:
    assert changed(grid(DATA | {"EXP": exp, "NBF": exp})).expires_at == expires


@pytest.mark.parametrize(
    "payload",
    [
        cloud(json.dumps(DATA)),
        cloud()
        .replace('"data"', '"x"')
        .replace('"id"', f'"data_base64": "{b64encode(json.dumps(DATA).encode()).decode()}", "id"'),
    ],
    ids=["string", "base64"],
)
def test_data_may_come_as_text(payload: str) -> None:
    assert changed(payload).key == KEY


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (grid(eventType="Microsoft.KeyVault.SecretNewVersionCreated"), "do not concern keys"),
        (grid(eventType="Microsoft.Storage.BlobCreated"), "do not concern keys"),
        (cloud(type="Microsoft.KeyVault.VaultAccessPolicyChanged"), "do not concern keys"),
        (grid(DATA | {"ObjectType": "Secret"}), "about a Secret"),
    ],
)
def test_proper_events_that_are_none_of_ours_are_ignored(payload: str, why: str) -> None:
    event = parse(payload)
    assert isinstance(event, Ignored)
    assert why in event.why
    assert event.event_id == "event-1"


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "key changed",
        "null",
        "7",
        "[]",
        f"[{grid()}]",
        "[" * 100_000,
        '{"id": ' * 100_000,
        "9" * 5000,
        "{}",
        grid(eventType=None),
        grid(eventType=5),
        grid(eventType=" "),
        cloud(type={}),
        cloud(type=None, eventType=TYPE),
        grid([]),
        grid("not JSON"),
        grid("[" * 100_000),
        grid(7),
        cloud(data=None).replace('"data"', '"data_base64"'),
        cloud().replace('"data"', '"x"').replace('"id"', '"data_base64": "?", "id"'),
        cloud().replace('"data"', '"x"').replace('"id"', '"data_base64": "//8=", "id"'),
        grid({}),
        grid(DATA | {"Id": None}),
        grid(DATA | {"Id": {"nested": DATA}}),
        grid(DATA | {"Id": "la-cmk"}),
        grid(DATA | {"Id": "https://[::1/keys/la-cmk/1"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net/secrets/la-cmk/1"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net/keys"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net/keys/la-cmk/1/2"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net/keys/la cmk/1"}),
        grid(DATA | {"Id": "http://contoso.vault.azure.net/keys/la-cmk/1"}),
        grid(DATA | {"Id": "https://me@contoso.vault.azure.net/keys/la-cmk/1"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net:8443/keys/la-cmk/1"}),
        grid(DATA | {"Id": "https://contoso.vault.azure.net/keys/" + "a" * 1_000_000}),
    ],
)
def test_what_cannot_be_understood_is_rejected(payload: str) -> None:
    event = parse(payload)
    assert isinstance(event, Rejected), event
    assert event.why.startswith("the event")


def test_a_forged_event_may_name_any_vault_since_its_name_is_only_compared() -> None:
    event = changed(grid(DATA | {"Id": "https://contoso.vault.azure.net.evil.example/keys/la-cmk/1"}))
    assert event.key.vault == "contoso.vault.azure.net.evil.example"
    assert event.key != KEY


def test_an_id_as_long_as_an_event_may_be_still_fits_into_a_queue_message() -> None:
    event = changed(grid(id="x" * 1_000_000))
    assert len(event.event_id or "") <= 500


@pytest.mark.parametrize("event_id", [None, 5, "", "  ", "\x00"])
def test_an_event_needs_no_id(event_id: object) -> None:
    assert changed(grid(id=event_id)).event_id is None


@given(st.text())
def test_no_text_makes_parse_raise(text: str) -> None:
    assert isinstance(parse(text), KeyChanged | Ignored | Rejected)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["id", "eventType", "type", "specversion", "data", "data_base64", "Id", "ObjectType", "EXP"])
VALUES = JSON | st.sampled_from([TYPE, DATA, DATA["Id"], "https://", "key", "1.0"])


@given(st.dictionaries(FIELDS, VALUES | st.dictionaries(FIELDS, VALUES)))
def test_no_json_makes_parse_raise(event: dict[str, object]) -> None:
    assert isinstance(parse(json.dumps(event)), KeyChanged | Ignored | Rejected)
