"""The commands that a person is told to paste: right for every vault and cloud, and nothing in them that a shell would run."""

import json
import re
import shlex
from dataclasses import replace

import pytest

from cmk_rotation.domain import repairs
from cmk_rotation.domain.azure_resources import OperationError
from cmk_rotation.domain.identifiers import StorageId
from cmk_rotation.domain.remedies import remedy_for
from cmk_rotation.domain.repairs import ALL, Names, Repair, with_refused
from cmk_rotation.domain.vocabulary import Reason
from tests.unit.support.builders import (
    CLUSTER,
    KEY_NAME,
    NOW,
    OPERATION,
    SCOPE,
    SUBSCRIPTION,
    V1,
    V2,
    VAULT,
    WORKSPACE,
    must,
)

APP, IDENTITY = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ALL_NAMES = Names(
    place=CLUSTER,
    vault_host="contoso.vault.azure.net",
    key_name=KEY_NAME,
    key_vault_uri=VAULT,
    key_rsa_size=3072,
    version=V1,
    identity=IDENTITY,
    until=NOW,
    caller=APP,
    address="203.0.113.7",
    operation_id=OPERATION,
    correlation_id=APP,
)
ACCOUNT = must(
    StorageId.parse(f"{SCOPE.text}/resourceGroups/rg-(old)/providers/Microsoft.Storage/storageAccounts/saved")
)
OF_AN_ACCOUNT = replace(ALL_NAMES, place=ACCOUNT, newest=V2)
HSM = replace(ALL_NAMES, vault_host="contoso-hsm.managedhsm.azure.net")
WHO = f"--assignee-object-id {APP} --assignee-principal-type ServicePrincipal"
IT = f"--assignee-object-id {IDENTITY} --assignee-principal-type ServicePrincipal"
THE_VAULT = "$(az keyvault show --name contoso --query id --output tsv)"

IN_A_VAULT = {
    repairs.ENABLE: f"az keyvault key set-attributes --vault-name contoso --name la-cmk --version {V1} --enabled true",
    repairs.EXTEND: f"az keyvault key set-attributes --vault-name contoso --name la-cmk --version {V1} "
    "--expires 2026-03-01T12:00:00Z",
    repairs.ROTATE: "az keyvault key rotate --vault-name contoso --name la-cmk",
    repairs.RECOVER: "az keyvault key recover --vault-name contoso --name la-cmk",
    repairs.ADMIT: "az keyvault network-rule add --name contoso --ip-address 203.0.113.7",
    repairs.PROTECT: "az keyvault update --name contoso --enable-purge-protection true",
    repairs.LET_APP_UPDATE: f"az role assignment create {WHO} --role 'Log Analytics Contributor' --scope {CLUSTER.text}",
    repairs.LET_APP_READ: f"az role assignment create {WHO} --role 'Key Vault Reader' --scope {THE_VAULT}",
    repairs.LET_APP_READ_BY_POLICY: f"az keyvault set-policy --name contoso --object-id {APP} --key-permissions list get",
    repairs.LET_CLUSTER_USE: f"az role assignment create {IT} --role 'Key Vault Crypto Service Encryption User' "
    f"--scope {THE_VAULT}",
    repairs.LET_CLUSTER_USE_BY_POLICY: f"az keyvault set-policy --name contoso --object-id {IDENTITY} "
    "--key-permissions get wrapKey unwrapKey",
    repairs.VISIT: f"cmk-rotation visit {CLUSTER.text}",
}
IN_AN_HSM = {
    repairs.ENABLE: f"az keyvault key set-attributes --hsm-name contoso-hsm --name la-cmk --version {V1} --enabled true",
    repairs.EXTEND: f"az keyvault key set-attributes --hsm-name contoso-hsm --name la-cmk --version {V1} "
    "--expires 2026-03-01T12:00:00Z",
    repairs.ROTATE: "az keyvault key rotate --hsm-name contoso-hsm --name la-cmk",
    repairs.RECOVER: "az keyvault key recover --hsm-name contoso-hsm --name la-cmk",
    repairs.ADMIT: None,
    repairs.PROTECT: "az keyvault update-hsm --hsm-name contoso-hsm --enable-purge-protection true",
    repairs.LET_APP_READ: None,
    repairs.LET_APP_READ_BY_POLICY: None,
    repairs.LET_CLUSTER_USE: f"az keyvault role assignment create {IT} --role 'Managed HSM Crypto Service Encryption User' "
    "--hsm-name contoso-hsm --scope /keys/la-cmk",
    repairs.LET_CLUSTER_USE_BY_POLICY: None,
}


@pytest.mark.parametrize(("repair", "command"), IN_A_VAULT.items())
def test_a_command_names_what_is_known(repair: Repair, command: str) -> None:
    assert repair.command(ALL_NAMES) == command
    assert repair.told(ALL_NAMES) == f"{repair.aim}: `{command}`."


@pytest.mark.parametrize(("repair", "command"), IN_AN_HSM.items())
def test_a_managed_hsm_has_commands_of_its_own(repair: Repair, command: str | None) -> None:
    assert repair.command(HSM) == command


def test_a_cluster_is_given_a_version_by_a_patch_of_its_key_alone() -> None:
    words = shlex.split(repairs.set_version(ALL_NAMES) or "")
    assert words[:-1] == ["az", "resource", "patch", "--ids", CLUSTER.text, "--properties"]
    key = {"keyVaultUri": VAULT, "keyName": KEY_NAME, "keyVersion": V1}
    assert json.loads(words[-1]) == {"keyVaultProperties": key | {"keyRsaSize": 3072}}
    plain = shlex.split(repairs.set_version(replace(ALL_NAMES, key_rsa_size=None)) or "")
    assert json.loads(plain[-1]) == {"keyVaultProperties": key}


def test_an_account_is_given_the_newest_version_and_only_an_account_is() -> None:
    told = (
        f"az storage account update --ids '{ACCOUNT.text}' --encryption-key-source Microsoft.Keyvault "
        f"--encryption-key-vault {VAULT} --encryption-key-name {KEY_NAME} --encryption-key-version {V2}"
    )
    assert repairs.move_account(OF_AN_ACCOUNT) == told
    assert repairs.move_account(replace(OF_AN_ACCOUNT, newest=None)) is None
    for other in (CLUSTER, SCOPE, must(StorageId.parse(WORKSPACE))):
        assert repairs.move_account(replace(OF_AN_ACCOUNT, place=other)) is None


@pytest.mark.parametrize("host", ["contoso.vault.usgovcloudapi.net", "contoso.vault.azure.cn", "contoso.vault.example"])
def test_a_vault_goes_by_its_name_for_the_azure_cli_knows_its_cloud_s_endpoints(host: str) -> None:
    assert repairs.rotate_key(replace(ALL_NAMES, vault_host=host)) == IN_A_VAULT[repairs.ROTATE]


@pytest.mark.parametrize("host", ["contoso-hsm.managedhsm.usgovcloudapi.net", "contoso-hsm.managedhsm.azure.cn"])
def test_a_managed_hsm_is_known_as_one_in_every_cloud(host: str) -> None:
    assert repairs.rotate_key(replace(ALL_NAMES, vault_host=host)) == IN_AN_HSM[repairs.ROTATE]


@pytest.mark.parametrize("repair", ALL)
def test_where_no_name_is_known_there_is_no_command(repair: Repair) -> None:
    assert repair.command(Names()) is None
    assert repair.told(Names()) == repair.look_up
    assert not re.search(r"`|\$|<|--", repair.look_up)


FOREIGN = ["x; rm -rf /", "$(id)", "`id`", "a'b", 'a"b', "a\nb", "-x", "--query", "", "ä", "a b", "a" * 200]


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    "field",
    [
        *("key_name", "version", "newest", "identity", "caller", "address"),
        *("key_vault_uri", "operation_id", "correlation_id"),
    ],
)
@pytest.mark.parametrize("names", [ALL_NAMES, HSM, OF_AN_ACCOUNT], ids=["vault", "hsm", "account"])
def test_what_is_not_of_its_own_grammar_is_not_printed(names: Names, field: str, name: str) -> None:
    before, odd = names, replace(names, **{field: name})  # type: ignore[arg-type]
    for repair in ALL:
        assert repair.command(odd) in {None, repair.command(before)}
    assert name not in {*shlex.split(repairs.for_support(odd))}


@pytest.mark.parametrize("host", [f"{name}.vault.azure.net" for name in FOREIGN if name != "a" * 200])
def test_a_vault_of_an_odd_name_is_not_printed(host: str) -> None:
    odd = replace(ALL_NAMES, vault_host=host)
    of_a_cluster = {repairs.LET_APP_UPDATE, repairs.VISIT}
    assert {repair.command(odd) for repair in ALL if repair not in of_a_cluster} == {None}


def test_an_address_that_is_none_is_not_admitted() -> None:
    for address in ("999.1.1.1", "1.2.3", "...", "not an address"):
        refused = OperationError("Forbidden", f"Client address: {address}\r\n")
        assert repairs.admit_address(with_refused(ALL_NAMES, refused)) is None


@pytest.mark.parametrize(
    ("words", "caller", "address"),
    [
        (f"The client '{IDENTITY}' with object id '{APP}' does not have authorization", APP, None),
        (
            f"Caller is not authorized.  Caller: name=X;appid={IDENTITY};oid={APP};iss=https://sts.windows.net/x/",
            APP,
            None,
        ),
        (
            f"Client address is not authorized  Client address: 203.0.113.7  Caller: appid=x;oid={APP};iss=y",
            APP,
            "203.0.113.7",
        ),
        ("Client address: 2001:db8::7 ", None, "2001:db8::7"),
        ("Not authorized to access Microsoft.KeyVault/managedHsm/keys/read/action on /keys/x", None, None),
        ("with object id 'nobody; rm -rf /'", None, None),
    ],
)
def test_a_refusal_says_who_was_refused_and_from_where(words: str, caller: str | None, address: str | None) -> None:
    found = with_refused(Names(), OperationError("Forbidden", words))
    assert (found.caller, found.address) == (caller, address)


def test_without_a_refusal_nobody_was_refused() -> None:
    assert with_refused(ALL_NAMES, None).caller is None


# --- which of them a remedy has ---


@pytest.mark.parametrize(
    ("reason", "error", "wanted"),
    [
        (Reason.IN_USE_DISABLED, None, [repairs.ENABLE]),
        (Reason.IN_USE_EXPIRED, None, [repairs.EXTEND]),
        (Reason.KEY_NOT_FOUND, None, [repairs.RECOVER]),
        (Reason.ORDER_UNKNOWN, None, [repairs.ROTATE]),
        (Reason.MOVED_BACK, None, [repairs.SET_VERSION]),
        (Reason.KEY_VAULT_BLOCKED, ("Forbidden", "ForbiddenByFirewall: no"), [repairs.ADMIT]),
        (Reason.KEY_VAULT_BLOCKED, ("Forbidden", "ForbiddenByConnection: no"), []),
        (Reason.KEY_ACCESS_DENIED, ("Forbidden", "ForbiddenByRbac: no"), [repairs.LET_APP_READ]),
        (Reason.KEY_ACCESS_DENIED, ("Forbidden", "AccessDenied: no"), [repairs.LET_APP_READ_BY_POLICY]),
        (Reason.KEY_ACCESS_DENIED, ("Forbidden", "no"), [repairs.LET_APP_READ, repairs.LET_APP_READ_BY_POLICY]),
        (Reason.KEY_ACCESS_DENIED, ("Unauthorized", "AKV10032: Invalid issuer."), []),
        (Reason.CLUSTER_ACCESS_DENIED, ("AuthorizationFailed", "no"), [repairs.LET_APP_UPDATE]),
        (Reason.UPDATE_REFUSED, ("AuthorizationFailed", "no"), [repairs.LET_APP_UPDATE, repairs.VISIT]),
        (Reason.UPDATE_REFUSED, ("ScopeLocked", "no"), []),
        (Reason.UPDATE_REFUSED, ("Odd", "no"), [repairs.VISIT]),
        (
            Reason.UPDATE_FAILED,
            ("BadRequest", "Failed to validate key in Key Vault"),
            [repairs.LET_CLUSTER_USE, repairs.LET_CLUSTER_USE_BY_POLICY, repairs.VISIT],
        ),
        (Reason.UPDATE_FAILED, ("BadRequest", "Key isn't recoverable."), [repairs.PROTECT, repairs.VISIT]),
        (Reason.CLUSTER_FAILED, None, [repairs.VISIT]),
        (Reason.STORAGE_BEHIND, None, [repairs.MOVE_ACCOUNT]),
        (Reason.STORAGE_KEY_DISABLED, None, [repairs.ENABLE, repairs.MOVE_ACCOUNT]),
        (Reason.STORAGE_KEY_EXPIRED, None, [repairs.EXTEND, repairs.MOVE_ACCOUNT]),
        (Reason.CLUSTER_STUCK, None, []),
        (Reason.UP_TO_DATE, None, []),
    ],
)
def test_a_remedy_has_the_commands_that_carry_it_out(
    reason: Reason, error: tuple[str, str] | None, wanted: list[Repair]
) -> None:
    names = OF_AN_ACCOUNT if repairs.MOVE_ACCOUNT in wanted else ALL_NAMES
    told = remedy_for(reason, names, OperationError(*error) if error else None)
    assert re.findall(r"`([^`]+)`\.(?: |$)", told.text)[-len(wanted) or 99 :] == [one.command(names) for one in wanted]


def test_a_missing_right_is_named_with_whom_it_is_missing() -> None:
    refused = OperationError("AuthorizationFailed", "no")
    lacks = remedy_for(Reason.UPDATE_REFUSED, ALL_NAMES, refused).lacks
    assert lacks == repairs.Right(APP, "Log Analytics Contributor")
    unusable = OperationError("BadRequest", "Failed to validate key in Key Vault")
    assert remedy_for(Reason.UPDATE_FAILED, ALL_NAMES, unusable).lacks == repairs.Right(IDENTITY, repairs.KEY_USER)
    assert remedy_for(Reason.UPDATE_FAILED, HSM, unusable).lacks == repairs.Right(IDENTITY, repairs.HSM_USER)
    assert remedy_for(Reason.KEY_ACCESS_DENIED, ALL_NAMES).lacks == repairs.Right(APP, repairs.KEY_READER)
    by_policy = OperationError("Forbidden", "AccessDenied: no")
    assert remedy_for(Reason.KEY_ACCESS_DENIED, HSM).lacks == repairs.Right(APP, repairs.HSM_READER)
    assert remedy_for(Reason.KEY_ACCESS_DENIED, ALL_NAMES, by_policy).lacks == repairs.Right(
        APP, "access policy Key: List"
    )
    assert remedy_for(Reason.IN_USE_DISABLED, ALL_NAMES).lacks is None


def test_what_nobody_but_support_can_end_says_so_with_the_ids_that_support_asks_for() -> None:
    told = remedy_for(Reason.UPDATE_OVERDUE, ALL_NAMES).text
    assert "No command repairs this." in told
    assert told.endswith(f"asks for: the operation id {OPERATION} and the correlation id {APP}.")
    unknown = remedy_for(Reason.UPDATE_OVERDUE, replace(ALL_NAMES, operation_id=None)).text
    assert f"the operation id (Azure gave none) and the correlation id {APP}" in unknown
    assert "no command" in remedy_for(Reason.CLUSTER_STUCK, ALL_NAMES).text


def test_a_scope_that_may_not_be_listed_is_where_the_right_is_given() -> None:
    told = remedy_for(Reason.CLUSTER_ACCESS_DENIED, replace(ALL_NAMES, place=SCOPE))
    assert f"--scope /subscriptions/{SUBSCRIPTION}`" in told.text
    assert repairs.visit_now(replace(ALL_NAMES, place=SCOPE)) is None


def test_what_is_to_be_looked_up_is_said_once() -> None:
    told = remedy_for(Reason.KEY_ACCESS_DENIED, replace(ALL_NAMES, caller=None)).text
    assert told.count("Look up") == 1
    assert "`" not in told
