import base64
import math
import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from cmk_rotation.config import clouds
from cmk_rotation.config.settings import SETTINGS, InvalidSettingsError, Settings, Storage, read
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Mode

SUBSCRIPTION = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-Logs"
CLUSTER = f"{GROUP}/providers/Microsoft.OperationalInsights/clusters/Cluster-1"
GUID = "7b7e0b3c-4f0e-4c6f-9b87-0123456789ab"
SECRET = base64.b64encode(b"a very secret key").decode()
LEAST = {"CLUSTER_SCOPES": SUBSCRIPTION, "MODE": "observe", "AzureWebJobsStorage__accountName": "contosofn"}
URIS = {
    "AzureWebJobsStorage__blobServiceUri": "https://fn.blob.core.example",
    "AzureWebJobsStorage__queueServiceUri": "https://fn.queue.core.example/",
    "AzureWebJobsStorage__tableServiceUri": "https://fn.table.core.example",
}
SOVEREIGN = {
    "AZURE_CLOUD": "Custom",
    "ARM_ENDPOINT": "https://management.sovereign.example/",
    "ARM_AUDIENCE": "https://arm.sovereign.example/",
    "KEY_VAULT_SUFFIXES": "vault.sovereign.example, .ManagedHSM.sovereign.example",
}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in LEAST.items() if name not in names}


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettingsError) as error:
        read(environ)
    return error.value.problems


def test_the_least_that_must_be_set_gives_the_documented_defaults() -> None:
    told = read(LEAST)
    assert told.mode is Mode.OBSERVE
    assert told.cloud == clouds.PUBLIC
    assert told.timing == Timing()
    assert told.storage == Storage(
        queue_url="https://contosofn.queue.core.windows.net", table_url="https://contosofn.table.core.windows.net"
    )
    assert (told.client_id, told.outcome_topic_endpoint, told.app_name) == (None, None, "local")


def test_every_problem_is_named_at_once_in_a_sentence_with_its_setting() -> None:
    found = problems(
        {
            "CLUSTER_SCOPES": f"{CLUSTER}/x,nonsense",
            "MODE": "Enforce",
            "AZURE_CLOUD": "Mars",
            "AZURE_CLIENT_ID": "me",
            "POLL_FLOOR_SECONDS": "0",
            "RETRY_FLOOR_SECONDS": "1d",
            "OUTCOME_TOPIC_ENDPOINT": "http://topic.example",
            "RECONCILE_SCHEDULE": "often",
        }
    )
    named = [problem.split()[0] for problem in found]
    assert named == [
        "AZURE_CLOUD",
        "CLUSTER_SCOPES",
        "CLUSTER_SCOPES",
        "MODE",
        "AzureWebJobsStorage",
        "POLL_FLOOR_SECONDS",
        "RETRY_FLOOR_SECONDS",
        "AZURE_CLIENT_ID",
        "OUTCOME_TOPIC_ENDPOINT",
        "RECONCILE_SCHEDULE",
    ]
    assert all("expected" in problem and problem.endswith(".") for problem in found)


@pytest.mark.parametrize("name", ["CLUSTER_SCOPES", "MODE"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_what_is_required_must_not_be_empty(name: str, value: str | None) -> None:
    (problem,) = problems(without(name) | ({} if value is None else {name: value}))
    assert problem.startswith(f"{name} is not set")


@pytest.mark.parametrize("mode", ["Enforce", "ENFORCE", "enforce ", "yes", "observe,enforce"])
def test_a_mode_is_one_of_two_words_to_the_letter(mode: str) -> None:
    (problem,) = problems(LEAST | {"MODE": mode})
    assert problem.startswith("MODE is")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (SUBSCRIPTION, [SUBSCRIPTION]),
        (f"{SUBSCRIPTION}/", [SUBSCRIPTION]),
        (f" {GROUP} ,\r\n{GROUP.upper()},,\n", [GROUP]),
        (f"{CLUSTER}\n{GROUP}\n{SUBSCRIPTION}", [SUBSCRIPTION]),
        (f"{GROUP},{CLUSTER.upper()}", [GROUP]),
        (f"{GROUP},{GROUP}-2", [GROUP, f"{GROUP}-2"]),
        (f"{CLUSTER},{CLUSTER}2", [CLUSTER, f"{CLUSTER}2"]),
    ],
)
def test_scopes_are_kept_once_and_not_within_each_other(text: str, kept: list[str]) -> None:
    assert [scope.text for scope in read(LEAST | {"CLUSTER_SCOPES": text}).scopes] == kept


def test_a_list_of_nothing_names_no_scope() -> None:
    named = "CLUSTER_SCOPES names no scope: expected at least one."
    assert problems(LEAST | {"CLUSTER_SCOPES": ",,"}) == (named,)
    assert named in problems(LEAST | {"CLUSTER_SCOPES": ",,", "AZURE_CLOUD": "Mars"}), "whatever else is wrong"


NUMBERS = {
    "UPDATE_DEADLINE_HOURS": ("update_deadline", timedelta(hours=1)),
    "POLL_FLOOR_SECONDS": ("poll_floor", timedelta(seconds=1)),
    "POLL_CEILING_SECONDS": ("poll_ceiling", timedelta(seconds=1)),
    "RETRY_FLOOR_SECONDS": ("retry_floor", timedelta(seconds=1)),
    "RETRY_CEILING_SECONDS": ("retry_ceiling", timedelta(seconds=1)),
    "KEEP_OLD_VERSION_HOURS": ("keep_old_version", timedelta(hours=1)),
    "EXPIRY_WARNING_DAYS": ("expiry_warning", timedelta(days=1)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_be_a_fraction(name: str) -> None:
    field, unit = NUMBERS[name]
    wide = {"POLL_FLOOR_SECONDS": "0.001", "RETRY_FLOOR_SECONDS": "0.001"}
    wide |= {"POLL_CEILING_SECONDS": "600", "RETRY_CEILING_SECONDS": "600"}
    timing = read(LEAST | wide | {name: " 2.5 "}).timing
    assert getattr(timing, field) == 2.5 * unit


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e3", "1_000", "six", "1,5", "9" * 400])
def test_a_number_is_a_plain_one_above_nothing_and_within_reason(name: str, text: str) -> None:
    (problem,) = problems(LEAST | {name: text})
    assert problem.startswith(f"{name} is '")


def test_every_duration_can_be_set() -> None:
    assert {field for field, _ in NUMBERS.values()} == {field.name for field in fields(Timing)}


@pytest.mark.parametrize("what", ["POLL", "RETRY"])
def test_a_floor_is_no_higher_than_its_ceiling(what: str) -> None:
    equal = {f"{what}_FLOOR_SECONDS": "60", f"{what}_CEILING_SECONDS": "60"}
    assert read(LEAST | equal).timing != Timing()
    (problem,) = problems(LEAST | equal | {f"{what}_FLOOR_SECONDS": "60.5"})
    assert problem.startswith(f"{what}_FLOOR_SECONDS is 60.5")


def test_a_queue_cannot_wait_longer_than_a_week() -> None:
    assert read(LEAST | {"POLL_CEILING_SECONDS": "604800"}).timing.poll_ceiling == timedelta(days=7)
    assert problems(LEAST | {"POLL_CEILING_SECONDS": "604801"})


def test_the_uris_of_all_services_serve_any_cloud() -> None:
    told = read(without("AzureWebJobsStorage__accountName") | URIS | SOVEREIGN)
    assert told.storage == Storage(queue_url="https://fn.queue.core.example", table_url="https://fn.table.core.example")


def test_uris_that_are_not_complete_are_a_problem_each() -> None:
    found = problems(without("AzureWebJobsStorage__accountName") | dict(list(URIS.items())[:1]))
    assert [problem.split()[0] for problem in found] == list(URIS)[1:]


def test_a_uri_wins_over_the_accounts_name() -> None:
    name = "AzureWebJobsStorage__queueServiceUri"
    assert read(LEAST | {name: URIS[name]}).storage == Storage(
        queue_url="https://fn.queue.core.example", table_url="https://contosofn.table.core.windows.net"
    )


def test_a_connection_string_wins_over_all() -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=fn;AccountKey={SECRET};EndpointSuffix=core.windows.net"
    told = read(LEAST | URIS | {"AzureWebJobsStorage": text})
    assert told.storage == Storage(connection_string=text)
    assert SECRET not in repr(told)


def test_the_name_of_an_account_is_enough_where_the_storage_suffix_is_known() -> None:
    told = read(LEAST | {"AZURE_CLOUD": "azureusgovernment"})
    assert told.storage.table_url == "https://contosofn.table.core.usgovcloudapi.net"
    (problem,) = problems(LEAST | SOVEREIGN)
    assert problem.startswith("AzureWebJobsStorage__accountName is not enough")


@pytest.mark.parametrize("name", ["a", "Contoso", "fn.example", "x" * 25])
def test_the_name_of_an_account_is_one(name: str) -> None:
    assert problems(LEAST | {"AzureWebJobsStorage__accountName": name})


def test_the_storage_may_have_an_identity_of_its_own() -> None:
    assert read(LEAST | {"AzureWebJobsStorage__clientId": GUID}).storage.client_id == GUID
    (problem,) = problems(LEAST | {"AzureWebJobsStorage__clientId": "me"})
    assert problem.startswith("AzureWebJobsStorage__clientId is 'me'")


KEY = f"AccountName=devstoreaccount1;AccountKey={SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        "UseDevelopmentStorage=true",
        f"{KEY};EndpointSuffix=core.windows.net",
        f"DefaultEndpointsProtocol=https;{KEY};",
        f"{KEY};QueueEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://localhost:2/a",
        f"DefaultEndpointsProtocol=http;{KEY};QueueEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://[::1]:2/a",
        "QueueEndpoint=https://q.example;TableEndpoint=https://t.example;SharedAccessSignature=sv=1&sig=x",
    ],
)
def test_a_connection_string_may_have_every_usual_form(text: str) -> None:
    assert read(LEAST | {"AzureWebJobsStorage": text}).storage.connection_string == text


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"AccountKey={SECRET}",
        "AccountName=x",
        f"AccountName=x;AccountKey=%{SECRET}",
        "UseDevelopmentStorage=false",
        "SharedAccessSignature=sig=x",
        f"DefaultEndpointsProtocol=http;{KEY}",
        f"DefaultEndpointsProtocol=http;{KEY};QueueEndpoint=http://127.0.0.1:1/a",
        f"{KEY};QueueEndpoint=http://queue.example;TableEndpoint=https://table.example",
        f"{KEY};QueueEndpoint=https://queue.example;TableEndpoint=http://[::1",
        f"{KEY};QueueEndpoint=https://[",
        f"{KEY};QueueEndpoint=https://",
        f"{KEY};QueueEndpoint=http://127.0.0.1:99999",
        f"{KEY};TableEndpoint=http://127.0.0.1:0",
        f"{KEY};TableEndpoint=table.example",
    ],
)
def test_a_connection_string_that_will_not_do_is_a_problem_that_does_not_show_it(text: str) -> None:
    (problem,) = problems(LEAST | {"AzureWebJobsStorage": text})
    assert problem.startswith("AzureWebJobsStorage ")
    assert SECRET not in problem


SCHEDULES = [
    "0 */10 * * * *",
    " 0  0 0 1 1 * ",
    "*/30 * * * * *",
    "59 59 23 31 12 6",
    "0 0-29/10,45 8-18 * * Mon-FRI",
    "0 5/10 0 1,15 jan,June-AUGUST sun",
    "0 0 0 29 2 *",
    "0 0 0 31 4,5 *",
    "0 0 0 31-30 4 *",
    "0 0 22-3 * * t",
    "0 0 0 28/2 2 *",
    "*/10 * * * *",
    "%ScheduleAppSetting%",
    "0 0 22 * * SAT-SUN",
    "0 30-10 * * * *",
    "0 0 9 * * Mo",
    "0 */90 * * * *",
    "0  */010 * * * *",
]


@pytest.mark.parametrize("text", SCHEDULES)
def test_a_schedule_that_the_host_takes_is_taken(text: str) -> None:
    told = read(LEAST | {"RECONCILE_SCHEDULE": text})
    assert told.schedule == (None if text.startswith("%") else text.strip())
    assert replace(told, schedule=read(LEAST).schedule) == read(LEAST)


@pytest.mark.parametrize(("text", "schedule"), [("0 0 */6 * * *", "0 0 */6 * * *"), ("often", None), ("", None)])
def test_a_schedule_that_another_setting_has_is_looked_up_there(text: str, schedule: str | None) -> None:
    assert read(LEAST | {"RECONCILE_SCHEDULE": "%Often%", "Often": text}).schedule == schedule


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("every ten minutes", "it has 3 instead of six fields"),
        ("0 0 0 30 2 *", "it names a day that no month has, so it never comes"),
        ("0 0 0 31 feb,4-6/2 *", "it names a day that no month has, so it never comes"),
        ("0 0 0 30-31 2 Mon", "it names a day that no month has, so it never comes"),
        ("0 */10 * * * * *", "it has 7 instead of six fields"),
        ("00:10:00", "it has 1 instead of six fields"),
        ("0 */10 * *", "it has 4 instead of six fields"),
        ("0\u00a0*/10 * * * *", "its minute"),
        ("0 24 * * *", "its hour"),
        ("60 * * * * *", "its second"),
        ("0 * 24 * * *", "its hour"),
        ("0 0 0 0 * *", "its day cannot"),
        ("0 0 0 32 * *", "its day cannot"),
        ("0 0 0 * 13 *", "its month"),
        ("0 0 0 * * 7", "its day of the week"),
        ("0 0 0 * mon *", "its month"),
        ("0 jan * * * *", "its minute"),
        ("0 1,,2 * * * *", "its minute"),
        ("0 *-5 * * * *", "its minute"),
        ("0 ? * * * *", "its minute"),
        ("0 0 0 L * *", "its day cannot"),
        ("0 \u0661 * * * *", "its minute"),
    ],
)
def test_a_schedule_that_the_timer_would_not_follow_is_a_problem(text: str, why: str) -> None:
    (problem,) = problems(LEAST | {"RECONCILE_SCHEDULE": text})
    assert problem.startswith(f"RECONCILE_SCHEDULE is '{text}', and {why}")
    assert problem.endswith("such as 0 */10 * * * *.")


def test_a_cloud_of_its_own_is_described_by_three_settings() -> None:
    cloud = read(LEAST | URIS | SOVEREIGN).cloud
    assert cloud == clouds.custom(
        "https://management.sovereign.example",
        "https://arm.sovereign.example",
        (".vault.sovereign.example", ".managedhsm.sovereign.example"),
    )
    found = problems(LEAST | URIS | {"AZURE_CLOUD": "custom"})
    assert [problem.split()[0] for problem in found] == ["ARM_ENDPOINT", "ARM_AUDIENCE", "KEY_VAULT_SUFFIXES"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARM_ENDPOINT", "http://management.example"),
        ("ARM_ENDPOINT", "management.example"),
        ("ARM_ENDPOINT", "https://user:secret@management.example"),
        ("ARM_ENDPOINT", "https://management.example/path"),
        ("ARM_ENDPOINT", "https://management.example:8443"),
        ("ARM_ENDPOINT", "https://management.example:99999"),
        ("ARM_ENDPOINT", "https://[::1"),
        ("ARM_AUDIENCE", "arm"),
        ("KEY_VAULT_SUFFIXES", ","),
        ("ARM_AUDIENCE", "https://[::1"),
        ("KEY_VAULT_SUFFIXES", "vault.example vault"),
        ("KEY_VAULT_SUFFIXES", "https://vault.example"),
    ],
)
def test_what_describes_a_cloud_must_make_sense(name: str, value: str) -> None:
    (problem,) = problems(LEAST | URIS | SOVEREIGN | {name: value})
    assert problem.startswith(name)
    assert "secret" not in problem


@pytest.mark.parametrize(
    "url",
    [
        "http://topic.example",
        "https://",
        "https://h/a?sig=secret",
        "https://a b",
        "topic",
        "https://[::1",
        "https://h:port",
        "https://h:99999",
        "https://h:0",
    ],
)
def test_a_topic_is_an_https_url_and_is_not_shown_if_it_is_not(url: str) -> None:
    (problem,) = problems(LEAST | {"OUTCOME_TOPIC_ENDPOINT": url})
    assert problem.startswith("OUTCOME_TOPIC_ENDPOINT is not an https URL")
    assert "secret" not in problem


def test_what_is_optional_is_read_and_an_empty_value_counts_as_unset() -> None:
    topic = "https://t.westeurope-1.eventgrid.azure.net/api/events"
    told = read(LEAST | {"OUTCOME_TOPIC_ENDPOINT": topic, "AZURE_CLIENT_ID": GUID, "WEBSITE_SITE_NAME": "fn-cmk"})
    assert (told.outcome_topic_endpoint, told.client_id, told.app_name) == (topic, GUID, "fn-cmk")
    assert read(LEAST | {setting.name: " " for setting in SETTINGS if setting.name not in LEAST}) == read(LEAST)


def test_the_defaults_in_the_table_are_those_in_the_code() -> None:
    table = {setting.name: setting.default for setting in SETTINGS}
    for name, (field, unit) in NUMBERS.items():
        assert math.isclose(float(table[name]), getattr(Timing(), field) / unit), name
    assert table["AZURE_CLOUD"] == clouds.PUBLIC.name
    assert [name for name, default in table.items() if default == "required"] == [
        "CLUSTER_SCOPES",
        "MODE",
        "AzureWebJobsStorage",
    ]
    assert all(re.fullmatch(r"\S.*[^.]", setting.meaning) for setting in SETTINGS)


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        setattr(read(LEAST), fields(Settings)[0].name, ())


def test_the_workspace_of_the_telemetry_is_an_arm_id_or_nothing() -> None:
    workspace = f"{GROUP}/providers/microsoft.operationalinsights/workspaces/law-of-the-app"
    assert read(LEAST).telemetry_workspace is None
    assert read(LEAST | {"TELEMETRY_WORKSPACE_ID": f" {workspace}/ "}).telemetry_workspace == workspace
    (problem,) = problems(LEAST | {"TELEMETRY_WORKSPACE_ID": CLUSTER})
    assert problem.startswith("TELEMETRY_WORKSPACE_ID is '/subscriptions/")


VERSIONS: dict[str, tuple[str, Callable[[Settings], str]]] = {
    "ARM_API_VERSION": ("2025-02-01", lambda told: told.cloud.arm_api_version),
    "KEY_VAULT_API_VERSION": ("7.6", lambda told: told.cloud.key_vault_api_version),
    "STORAGE_API_VERSION": ("2019-07-07", lambda told: told.storage.api_version),
}


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("more", [{}, SOVEREIGN | URIS])
def test_the_version_of_each_service_can_be_set_in_every_cloud(name: str, more: dict[str, str]) -> None:
    wanted, of = VERSIONS[name]
    assert of(read(LEAST | more | {name: f" {wanted} "})) == wanted
    assert of(read(LEAST | more)) == next(setting.default for setting in SETTINGS if setting.name == name)


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("text", ["latest", "2025", "2025-02-01-", "v7.6", "7.60", "2025-13-01x"])
def test_a_version_that_nobody_speaks_is_named(name: str, text: str) -> None:
    (problem,) = problems(LEAST | {name: text})
    assert problem.startswith(f"{name} is '{text}': expected ")


IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-storage"
BY_ID = "AzureWebJobsStorage__managedIdentityResourceId"


def test_the_identity_of_the_storage_may_be_named_by_its_arm_id() -> None:
    assert read(LEAST | {BY_ID: f" {IDENTITY}/ "}).storage.identity_resource_id == IDENTITY
    assert read(LEAST).storage.identity_resource_id is None


@pytest.mark.parametrize("text", [GUID, GROUP, f"{IDENTITY}/x"])
def test_what_is_no_arm_id_of_an_identity_is_named(text: str) -> None:
    (problem,) = problems(LEAST | {BY_ID: text})
    assert problem.startswith(f"{BY_ID} is '")


def test_the_identity_of_the_storage_is_named_once() -> None:
    (problem,) = problems(LEAST | {BY_ID: IDENTITY, "AzureWebJobsStorage__clientId": GUID})
    assert problem.endswith("are both set: expected one of them.")


def test_storage_accounts_are_watched_or_ignored_and_never_moved() -> None:
    assert read(LEAST).watches_storage
    assert read(LEAST | {"STORAGE_ACCOUNTS": "watch"}).watches_storage
    assert not read(LEAST | {"STORAGE_ACCOUNTS": "ignore"}).watches_storage
    assert list(problems(LEAST | {"STORAGE_ACCOUNTS": "update"})) == [
        "STORAGE_ACCOUNTS is 'update', which is not supported yet: expected 'watch' or 'ignore'."
    ]
    (problem,) = problems(LEAST | {"STORAGE_ACCOUNTS": "Watch"})
    assert problem == "STORAGE_ACCOUNTS is 'Watch': expected exactly 'watch' or 'ignore'."
