import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmk_rotation.domain.identifiers import AppId, ClusterId, Key, Scope, StorageId, operation_id, vault_host
from tests.unit.support.builders import ARM, CLUSTER, OPERATION, SUBSCRIPTION, cluster_id, must, operation_url

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-logs"
ID = f"{GROUP}/providers/Microsoft.OperationalInsights/clusters/law-one"


def test_cluster_ids_that_differ_only_in_case_are_equal() -> None:
    shouted = must(ClusterId.parse(ID.upper()))
    assert shouted == CLUSTER
    assert hash(shouted) == hash(CLUSTER)
    assert (shouted.name, CLUSTER.name) == ("LAW-ONE", "law-one")


def test_a_cluster_id_knows_its_parts_and_is_written_in_one_way() -> None:
    parsed = must(ClusterId.parse(ID.replace("resourceGroups", "resourcegroups").replace("Microsoft", "microsoft")))
    assert (parsed.subscription, parsed.resource_group, parsed.name) == (SUBSCRIPTION, "rg-logs", "law-one")
    assert parsed.text == ID


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        ID + "/",
        ID + "\n",
        " " + ID,
        ID + "?api-version=1",
        ID + "/../law-two",
        ID.replace("law-one", "-law"),
        ID.replace("law-one", "ab"),
        ID.replace("law-one", "a" * 64),
        ID.replace("clusters", "workspaces"),
        ID.replace("rg-logs", "rg."),
        ID.replace("rg-logs", "rg/logs"),
        ID.replace("rg-logs", ""),
        ID.replace(SUBSCRIPTION, "me"),
        "https://" + ARM + ID,
        ID.replace("law-one", "law-\N{KELVIN SIGN}1"),
    ],
)
def test_whatever_is_not_exactly_a_cluster_id_is_none(text: object) -> None:
    assert ClusterId.parse(text) is None


@pytest.mark.parametrize("name", ["abc", "a-1", "a" * 63, "Law-2026"])
def test_cluster_names_have_three_to_63_letters_digits_and_hyphens(name: str) -> None:
    assert cluster_id(name).name == name


@pytest.mark.parametrize(
    ("scope", "contains"),
    [
        (f"/subscriptions/{SUBSCRIPTION}", True),
        (f" /SUBSCRIPTIONS/{SUBSCRIPTION.upper()}/ ", True),
        (GROUP, True),
        (GROUP.lower() + "/", True),
        (ID, True),
        (ID.upper(), True),
        (GROUP + "2", False),
        (GROUP[:-1], False),
        (ID + "2", False),
        (f"/subscriptions/{'0' * 8}-0000-0000-0000-{'0' * 12}", False),
    ],
)
def test_a_scope_contains_what_lies_below_it_and_nothing_beside_it(scope: str, *, contains: bool) -> None:
    assert must(Scope.parse(scope)).contains(CLUSTER) is contains


def test_a_scope_knows_its_parts() -> None:
    whole, group, one = (must(Scope.parse(text)) for text in (f"/subscriptions/{SUBSCRIPTION}", GROUP, ID))
    assert [scope.subscription for scope in (whole, group, one)] == [SUBSCRIPTION] * 3
    assert [scope.resource_group for scope in (whole, group, one)] == [None, "rg-logs", "rg-logs"]
    assert [scope.cluster for scope in (whole, group, one)] == [None, None, CLUSTER]


@pytest.mark.parametrize("text", ["", "/", "/subscriptions", "/subscriptions/me", GROUP + "/providers", ID + "/x"])
def test_whatever_is_not_a_scope_is_none(text: str) -> None:
    assert Scope.parse(text) is None


@pytest.mark.parametrize(
    "uri",
    [
        "https://contoso.vault.azure.net",
        "https://contoso.vault.azure.net/",
        "https://CONTOSO.Vault.Azure.Net:443/",
        "contoso.vault.azure.net",
        " https://contoso.vault.azure.net. ",
    ],
)
def test_every_way_to_write_a_vault_is_the_same_vault(uri: str) -> None:
    assert Key.of(uri, " LA-CMK ") == Key("contoso.vault.azure.net", "la-cmk")


@pytest.mark.parametrize(
    "uri",
    [
        None,
        b"https://contoso.vault.azure.net",
        "",
        "contoso",
        "http://contoso.vault.azure.net",
        "https://contoso.vault.azure.net:8443",
        "https://contoso.vault.azure.net:port",
        "https://me@contoso.vault.azure.net",
        "https://[::1]",
        "https://[contoso.vault.azure.net",
        "https://-contoso.vault.azure.net",
        "https://con_toso.vault.azure.net",
        "https://" + "a." * 130 + "net",
    ],
)
def test_whatever_is_not_a_vault_is_none(uri: object) -> None:
    assert vault_host(uri) is None
    assert Key.of(uri, "la-cmk") is None


@pytest.mark.parametrize("name", [None, 5, "", "la cmk", "la/cmk", "a" * 128, "../keys"])
def test_whatever_is_not_a_key_name_is_none(name: object) -> None:
    assert Key.of("https://contoso.vault.azure.net", name) is None


@given(st.text())
def test_no_text_makes_a_parser_raise(text: str) -> None:
    ClusterId.parse(text)
    Scope.parse(text)
    Key.of(text, text)
    operation_id(text, arm_host=ARM, subscription=SUBSCRIPTION)


@pytest.mark.parametrize(
    "url",
    [
        operation_url(),
        operation_url(host="westeurope." + ARM),
        operation_url(host=ARM + ":443"),
        operation_url(host=ARM.upper()),
        operation_url(subscription=SUBSCRIPTION.upper()),
        operation_url().replace("operationStatuses", "operationstatuses"),
        operation_url() + "&long=" + "x" * 4096,
    ],
)
def test_the_documented_operation_url_on_the_arm_host_is_trusted(url: str) -> None:
    assert operation_id(url, arm_host=ARM, subscription=SUBSCRIPTION) == OPERATION


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        operation_url().replace("https", "http"),
        operation_url(host="evil.example"),
        operation_url(host="evil" + ARM),
        operation_url(host=ARM + ".evil.example"),
        operation_url(host=ARM + ":8443"),
        operation_url(host=ARM + ":port"),
        operation_url(host="me@" + ARM),
        operation_url(host="evil.example\\@" + ARM),
        operation_url(host="evil.example#@" + ARM),
        operation_url(host="[::1"),
        operation_url(subscription="0" * 8 + SUBSCRIPTION[8:]),
        operation_url(operation=".."),
        operation_url(operation="a/../../b"),
        operation_url(operation="%2e%2e"),
        operation_url(operation=""),
        operation_url() + "\n",
        operation_url() + "é",
        operation_url() + "x" * 16 * 1024,
        ID,
    ],
)
def test_any_other_operation_url_is_never_called_with_our_token(url: object) -> None:
    assert operation_id(url, arm_host=ARM, subscription=SUBSCRIPTION) is None


def test_a_long_url_that_is_almost_right_is_turned_down() -> None:
    """How many steps that takes is counted in tests/repository/test_patterns.py."""
    assert operation_id(operation_url(operation="a" * 16_000 + "/"), arm_host=ARM, subscription=SUBSCRIPTION) is None


def test_the_id_of_an_app_is_read_strictly_and_knows_its_parts() -> None:
    app = must(AppId.parse(f" {GROUP}/providers/Microsoft.Web/sites/fn-one/ "))
    assert (app.subscription, app.name) == (SUBSCRIPTION, "fn-one")
    assert must(AppId.parse(f"{GROUP}/providers/Microsoft.Web/sites/FNX//")).name == "FNX"
    assert AppId.parse(ID) is None
    assert AppId.parse(f"{GROUP}/providers/Microsoft.Web/sites/fn/slots/one") is None


def test_the_id_of_an_account_or_a_workspace_is_read_strictly_and_knows_its_parts() -> None:
    account = must(StorageId.parse(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/Saved/"))
    assert (account.name, account.is_account) == ("Saved", True)
    assert account == StorageId.parse(account.text.upper())
    workspace = must(StorageId.parse(f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/ws-one"))
    assert (workspace.name, workspace.is_account) == ("ws-one", False)
    for odd in (None, 1, ID, f"{account.text}/blobServices/default", f" {account.text}", f"{account.text}?a=b"):
        assert StorageId.parse(odd) is None


def test_a_scope_keeps_its_last_letter_and_an_operation_s_url_may_be_as_long_as_it_may_be() -> None:
    assert must(Scope.parse(f"{GROUP}X//")).text == f"{GROUP}X"
    url = operation_url()
    longest = url + "s" * (16 * 1024 - len(url))
    assert operation_id(longest, arm_host=ARM, subscription=SUBSCRIPTION) == OPERATION
    assert operation_id(f"{longest}s", arm_host=ARM, subscription=SUBSCRIPTION) is None
    assert operation_id(f"{url}\\", arm_host=ARM, subscription=SUBSCRIPTION) is None
