"""`preflight`, as its user runs it: what is fine, every fault that it is for, and what nobody lets it see."""

import json
from typing import Any

from simulator.azure import FUNCTION, Azure
from simulator.entra.identity import principal_id
from simulator.entra.roles import ROLES, Assignment
from simulator.keyvault.keys import PublicAccess
from simulator.playground.fleet import OPERATOR, SECOND_SUBSCRIPTION
from simulator.state import App, Lock
from simulator.wire.faults import Fault, FaultKind
from tests.e2e.operators import BOTH, WORKSPACE, findings, fleet, run

ENCRYPTION_USER = "Key Vault Crypto Service Encryption User"
OF_ALL = {"scope-can-be-listed", "function-may-move-its-clusters", "evidence-is-apart"}


def told(azure: Azure, app: App, *words: str, code: int, who: str = OPERATOR) -> dict[str, Any]:
    done = run(azure, "preflight", "--json", "--app", app.id, *words, who=who)
    assert done.returncode == code, done.stderr + done.stdout[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_fleet_that_would_rotate_is_fine_but_for_what_nobody_can_know() -> None:
    with fleet() as (azure, app):
        # By a group and from above, in place of the vault's own assignment; the vault lies in another subscription.
        archive = next(one for one in azure.arm.clusters.values() if one.name == "archive")
        azure.rights.unassign(archive.id, azure.vault("contoso").resource_id)
        group = principal_id("a group")
        azure.rights.join(archive.id, group)
        scope = azure.vault("contoso").resource_id.partition("/providers/")[0]
        azure.rights.add(Assignment(group, ROLES[ENCRYPTION_USER], scope, principal_type="Group"))
        shown = told(azure, app, code=0)
        assert findings(shown, "fails") == {}
        assert {check for check, _ in findings(shown, "unknown")} == {"identity-may-use-the-key"}
        fine = findings(shown, "fine")
        assert (
            fine["identity-may-use-the-key", "cluster archive"] == "its identity may get, wrap and unwrap with the key"
        )
        assert (
            fine["identity-may-use-the-key", "cluster fraud"]
            == "an access policy lets its identity get, wrap and unwrap"
        )
        assert fine["function-may-list-its-keys", "vault fabrikam"].endswith("and no more")
        assert fine["alerts-are-on", "fn-rotation"] == "2 alert rules are on"
        assert ("heartbeat-is-new", "fn-rotation") in fine
        assert ("its-events-reach-the-app", "vault contoso") in fine
        assert fine["material-is-fit", "key hsm-cmk"].startswith("RSA-HSM, 2048 bits")
        assert {one["seen"] for one in shown["findings"]} == {"as you", "as the function"}
        some = told(azure, app, "--cluster", "web", code=0)
        assert {about for _, about in findings(some, "fine")} & {"cluster web-shop", "cluster payments"} == {
            "cluster web-shop"
        }
        # An app that looks every six hours is heard that often.
        app.settings["RECONCILE_SCHEDULE"] = "0 0 */6 * * *"
        azure.arm.workspaces[WORKSPACE.lower()].heartbeats = [azure.clock.timestamp() - 5 * 3_600]
        assert ("heartbeat-is-new", "fn-rotation") in findings(told(azure, app, "--cluster", "web", code=0), "fine")
        # An identity that the app does not have gets no token, whatever the app's own may do.
        app.system_assigned = OPERATOR
        app.settings["AZURE_CLIENT_ID"] = "00000000-0000-4000-8000-00000000000f"
        lost = told(azure, app, "--cluster", "web", code=1)
        assert set(findings(lost, "fails")) == {("function-has-its-identity", "fn-rotation")}
        assert "function-may-list-its-keys" in {check for check, _ in findings(lost, "unknown")}
        # Scopes and the app are what they are, whichever cluster is asked about.
        assert [one for one in some["findings"] if one["check"] in OF_ALL] == [
            one for one in shown["findings"] if one["check"] in OF_ALL
        ]


def test_each_fault_is_found_before_it_happens() -> None:
    with fleet() as (azure, app):
        clusters = {one.name: one for one in azure.arm.clusters.values()}
        contoso, fabrikam = azure.vault("contoso"), azure.vault("fabrikam")
        with azure.lock:
            azure.rights.unassign(clusters["payments"].id, contoso.resource_id)
            clusters["web-shop"].identity = {"type": "UserAssigned", "userAssignedIdentities": {"/identities/web": {}}}
            azure.arm.workspaces[clusters["web-shop"].workspaces[0].lower()].sentinel = True
            azure.arm.workspaces[clusters["payments"].workspaces[0].lower()].state = "Failed"
            old = azure.pinned("contoso", "la-cmk").version
            azure.encrypt(azure.storage_account("saved"), contoso.uri, "la-cmk", old)
            linked = azure.arm.workspaces[clusters["reporting"].workspaces[0].lower()]
            linked.linked_accounts["Query"] = [azure.accounts["saved"].resource_id]
            azure.clock.sleep(2)
            contoso.rotate("la-cmk")
            azure.clock.sleep(2)
            azure.locks.append(Lock(clusters["archive"].id.partition("/providers/")[0], "ReadOnly"))
            fabrikam.permit(clusters["fraud"].id, "get")
            fabrikam.purge_protection = False
            fabrikam.firewalled, fabrikam.trusted_services, fabrikam.ip_rules = True, False, ["203.0.113.7/32"]
            fabrikam.location = "northeurope"
            fabrikam.disable("fraud-cmk")
            azure.unregistered.add((SECOND_SUBSCRIPTION, "microsoft.eventgrid"))
            azure.arm.cluster_versions = frozenset({"2022-10-01", "2021-06-01"})
            azure.rights.assign(FUNCTION, "Owner", f"/subscriptions/{SECOND_SUBSCRIPTION}")
            azure.event_grid.subscriptions = []
            azure.alert_rules[0].enabled = False
            azure.arm.workspaces[WORKSPACE.lower()].heartbeats = []
            app.settings["TELEMETRY_WORKSPACE_ID"] = clusters["payments"].workspaces[0]
        shown = told(azure, app, code=1)
        fails, warns = findings(shown, "fails"), findings(shown, "warning")
        assert {
            ("identity-may-use-the-key", "cluster payments"),
            ("identity-may-use-the-key", "cluster web-shop"),
            ("identity-may-use-the-key", "cluster fraud"),
            ("workspaces-are-well", "cluster payments"),
            ("nothing-locks-it", "cluster archive"),
            ("vault-is-near", "cluster fraud"),
            ("version-in-use-is-alive", "cluster fraud"),
            ("vault-is-recoverable", "vault fabrikam"),
            ("azure-monitor-gets-in", "vault fabrikam"),
            ("a-version-is-usable", "key fraud-cmk"),
            ("evidence-is-apart", "fn-rotation"),
            ("heartbeat-is-new", "fn-rotation"),
        } <= fails.keys()
        assert {
            ("sentinel-agrees", "cluster web-shop"),
            ("linked-storage-follows", "cluster reporting"),
            ("its-events-reach-the-app", "vault contoso"),
            ("its-events-reach-the-app", "vault fabrikam"),
            ("function-may-move-its-clusters", f"scope {SECOND_SUBSCRIPTION}"),
            ("mode-is-known", "cluster archive"),
        } <= warns.keys()
        assert principal_id(clusters["payments"].id) in json.dumps(shown)
        with azure.lock:
            contoso.public_access = PublicAccess.SECURED_BY_PERIMETER
        shown = told(azure, app, code=1)
        fails = findings(shown, "fails")
        assert "perimeter" in fails["azure-monitor-gets-in", "vault contoso"]
        text = run(azure, "preflight", "--app", app.id).stdout
        assert text.startswith("WOULD FAIL fn-rotation: ")
        assert f"{len(fails)} would fail, " in text.splitlines()[-1]


def test_what_nobody_lets_you_see_is_unknown_with_the_right_and_never_fine() -> None:
    """Whoever may read the record, and nothing else."""
    with fleet() as (azure, _):
        account = azure.storage_account("cmkrotation").resource_id
        azure.identities.add("guest")
        azure.rights.assign("guest", "Storage Table Data Reader", account)
        mine = [one for one in azure.arm.clusters.values() if one.subscription in BOTH]
        for one in mine:
            azure.rights.assign("guest", "Cluster key updater", one.id)
        settings = {"TELEMETRY_WORKSPACE_ID": WORKSPACE, "CLUSTER_SCOPES": ",".join(one.id for one in mine)}
        done = run(azure, "preflight", "--json", who="guest", **settings)
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        unknown = {check for check, _ in findings(shown, "unknown")}
        assert {
            "storage-can-be-reached",
            "heartbeat-is-new",
            "alerts-are-on",
            "function-may-move-its-clusters",
            "vault-is-recoverable",
            "version-in-use-is-alive",
            "a-version-is-usable",
            "material-is-fit",
            "identity-may-use-the-key",
            "nothing-locks-it",
            "workspaces-are-well",
        } <= unknown
        assert not unknown & {check for check, _ in findings(shown, "fine")} - {"identity-may-use-the-key"}
        remedies = {one["check"]: one["remedy"] for one in shown["findings"] if one["level"] == "unknown"}
        assert "Microsoft.Authorization/locks/read" in remedies["nothing-locks-it"]
        assert "Storage Queue Data Reader" in remedies["storage-can-be-reached"]
        assert "--app" in remedies["function-may-move-its-clusters"]
        # Whoever may see vaults sees them, though Managed HSMs take another right.
        azure.rights.assign("guest", "Key Vault Reader", azure.vault("contoso").resource_id.partition("/resource")[0])
        shown = json.loads(run(azure, "preflight", "--json", who="guest", **settings).stdout)
        assert ("vault-is-recoverable", "vault contoso") in findings(shown, "fine")
        (hsm,) = (
            one
            for one in shown["findings"]
            if (one["check"], one["about"]) == ("vault-is-recoverable", "vault contoso-hsm")
        )
        assert (hsm["level"], "Microsoft.KeyVault/managedHSMs/read" in hsm["remedy"]) == ("unknown", True)


def test_a_scope_that_cannot_be_listed_and_a_firewalled_vault_are_no_good_news() -> None:
    with fleet() as (azure, app):
        contoso = azure.vault("contoso")
        contoso.firewalled = True
        azure.faults.add(
            Fault(kind=FaultKind.ANSWER, status=403, path=f"/subscriptions/{SECOND_SUBSCRIPTION}/*clusters", times=None)
        )
        shown = told(azure, app, code=69)
        unknown = findings(shown, "unknown")
        assert ("scope-can-be-listed", f"scope {SECOND_SUBSCRIPTION}") in unknown
        assert "ForbiddenByFirewall" in unknown["a-version-is-usable", "key la-cmk"]
        assert findings(shown, "fine")["azure-monitor-gets-in", "vault contoso"] == "lets Azure Monitor in"
        azure.faults.clear()
        odd = next(iter(azure.arm.clusters))
        body = json.dumps({"value": [{"id": odd, "properties": None}]}).encode()
        azure.faults.add(Fault(kind=FaultKind.REPLACED_BODY, path="*/clusters", body=body, times=None))
        shown = told(azure, app, code=69)
        assert odd in findings(shown, "unknown")["its-clusters-can-be-read", f"scope {SECOND_SUBSCRIPTION}"]


def test_a_hundred_clusters_are_looked_at_side_by_side_and_nothing_is_read_twice() -> None:
    with fleet() as (azure, app):
        with azure.lock:
            shared = azure.pinned("contoso", "la-cmk")
            for number in range(94):
                cluster = azure.add_cluster(f"cluster-{number:02}", key=shared)
                azure.rights.assign(cluster.id, ENCRYPTION_USER, azure.vault("contoso").resource_id)
            before = len(azure.exchanges)
        shown = told(azure, app, code=0)
        assert len({about for _, about in findings(shown, "fine") if about.startswith("cluster ")}) == 100
        asked = [(one.path, one.query) for one in azure.exchanges[before:] if one.status == 200]
        again = {one[0] for one in asked if asked.count(one) > 1}
        assert len(asked) < 100 * 6
        assert not [path for path in again if "/msi/" not in path and not path.endswith("/clusters")]
