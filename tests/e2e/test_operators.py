"""Operators of a deployed app: its settings, its storage, and large fleets. No app runs here."""

import json
import re
from pathlib import Path

import pytest
from azure.data.tables import TableClient

from cmk_rotation.adapters import rotations_rows
from cmk_rotation.cli.exit_codes import ExitCode
from simulator.playground.fleet import ACCOUNT, OPERATOR
from tests.e2e.operators import fleet, on_a_terminal, run
from tests.unit.support.builders import cluster_id, status

NOWHERE = {"CLUSTER_SCOPES": "", "MODE": "", "AzureWebJobsStorage__accountName": ""}


def test_settings_come_from_the_deployed_app_or_a_file_and_each_problem_says_where_it_was_looked_for(
    tmp_path: Path,
) -> None:
    with fleet() as (azure, app):
        assert run(azure, "status", "--app", app.id, **NOWHERE).returncode == 0
        file = tmp_path / "local.settings.json"
        file.write_text(json.dumps({"IsEncrypted": False, "Values": app.settings}), encoding="utf-8-sig")
        assert run(azure, "status", "--settings", str(file), **NOWHERE).returncode == 0
        file.write_text(json.dumps({"Values": {"MODE": "enforce"}}), encoding="utf-8")
        half = run(azure, "plan", "--settings", str(file))
        assert half.returncode == ExitCode.SETTINGS
        assert [line.split()[0] for line in half.stderr.splitlines()] == [
            "CLUSTER_SCOPES",
            "AzureWebJobsStorage",
            "These",
        ]
        assert str(file) in half.stderr
        for text, told in (
            ("{", "cannot be read"),
            ('{"IsEncrypted": true}', "func settings decrypt"),
            ('{"Values": [1]}', "no object `Values`"),
        ):
            file.write_text(text, encoding="utf-8")
            done = run(azure, "plan", "--settings", str(file))
            assert (done.returncode, told in done.stderr) == (ExitCode.SETTINGS, True)
        app.settings["CLUSTER_SCOPES"] = "@Microsoft.KeyVault(VaultName=contoso;SecretName=scopes)"
        hidden = run(azure, "plan", "--app", app.id)
        assert hidden.returncode == ExitCode.SETTINGS
        assert hidden.stderr.startswith("CLUSTER_SCOPES: kept in Key Vault")
        gone = run(azure, "plan", "--app", f"{app.id}-2")
        assert gone.returncode == ExitCode.UNREACHABLE
        azure.identities.add("reader")
        azure.rights.assign("reader", "Reader", app.id)
        refused = run(azure, "plan", "--app", app.id, who="reader")
        assert refused.returncode == ExitCode.UNREACHABLE
        why, remedy = refused.stderr.splitlines()
        assert "AuthorizationFailed" in why
        assert "Microsoft.Web/sites/config/list/action on the app" in remedy
        assert "--settings FILE" in remedy


def test_an_operator_reads_the_record_and_asks_for_visits_by_the_roles_of_the_deployment_alone() -> None:
    with fleet() as (azure, _):
        account = azure.storage_account(ACCOUNT)
        azure.identities.add("on-call")
        azure.rights.assign(
            "on-call", "Cluster key updater", f"/subscriptions/{next(iter(azure.arm.clusters)).split('/')[2]}"
        )
        refused = run(azure, "status", who="on-call")
        assert refused.returncode == ExitCode.UNREACHABLE
        assert len(refused.stderr.splitlines()) == 2
        assert "Storage Table Data Reader" in refused.stderr
        for role in ("Storage Table Data Reader", "Storage Queue Data Reader"):
            azure.rights.assign("on-call", role, account.resource_id)
        assert (run(azure, "status", who="on-call").returncode, account.queues.messages("cluster-visits")) == (0, [])
        assert run(azure, "visit", "payments", who="on-call").returncode == ExitCode.UNREACHABLE
        run(azure, "visit", "payments")  # makes the queue
        azure.rights.assign("on-call", "Storage Queue Data Message Sender", account.resource_id)
        assert run(azure, "visit", "payments", who="on-call").returncode == 0
        assert len(account.queues.messages("cluster-visits")) == 2


def test_no_cluster_and_a_thousand_clusters_are_told_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet() as (azure, _):
        none = run(azure, "status")
        assert (none.returncode, none.stdout) == (0, "No clusters.\n\nNo rotations.\n")
        assert "None on record." in run(azure, "report").stdout
        for name, value in azure.environment().items():
            monkeypatch.setenv(name, value)
        table = TableClient.from_connection_string(azure.storage_account(ACCOUNT).connection_string, "rotations")
        table.create_table()
        for number in range(1_000):
            one = status(cluster_id=cluster_id(f"cluster-{number:04}"))
            table.upsert_entity(rotations_rows.from_status(one))
        many = run(azure, "status")
        assert many.returncode == 0
        assert len(many.stdout.splitlines()) == 1 + 1_000 + 2
        assert len(json.loads(run(azure, "status", "--cluster", "cluster-09", "--json").stdout)["clusters"]) == 100
        assert run(azure, "report", "--output", str(tmp_path / "report.html")).returncode == 0
        assert (tmp_path / "report.html").read_text(encoding="ascii").count('<th scope="row"') == 1_000


def test_a_thousand_clusters_are_planned_for_and_each_key_is_read_once() -> None:
    with fleet() as (azure, _):
        # Azure allows five in a region and subscription.
        subscriptions = [f"00000000-0000-4000-8000-{number:012}" for number in range(200)]
        with azure.lock:
            keys = [azure.pinned("contoso", "la-cmk"), azure.pinned("contoso-hsm", "hsm-cmk")]
            for subscription in subscriptions:
                azure.rights.assign(OPERATOR, "Reader", f"/subscriptions/{subscription}")
                for number in range(5):
                    azure.add_cluster(f"cluster-{number}", key=keys[number % 2], subscription=subscription)
            before = len(azure.exchanges)
        planned = run(azure, "plan", CLUSTER_SCOPES=",".join(f"/subscriptions/{one}" for one in subscriptions))
        assert planned.returncode == 0, planned.stderr
        rows = [line for line in planned.stdout.splitlines() if line.endswith("  nothing")]
        assert len(rows) == 1_000
        listings = [
            one.path for one in azure.exchanges[before:] if one.path.endswith("/versions") and one.status == 200
        ]
        assert sorted(listings) == sorted(set(listings))
        assert len(listings) == len(keys)


def test_a_terminal_gets_colour_where_it_wants_it_and_no_line_that_is_too_wide() -> None:
    with fleet() as (azure, _):
        azure.arm.clusters.pop(next(id_ for id_, one in azure.arm.clusters.items() if one.name == "reporting"))
        azure.vault("contoso").disable("la-cmk")
        coloured = on_a_terminal(azure, "plan", columns=60)
        assert "\x1b[1;31m" in coloured, "what calls for a person is red"
        for settings in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
            sent = on_a_terminal(azure, "plan", columns=60, **settings)
            shown = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\n]*\r", "", sent)
            assert max(map(len, shown.splitlines())) <= 60, shown
            assert "payments" in shown
            assert "in-use-disabled" in shown
            if settings:
                assert not re.search(r"\x1b\[[0-9;]*3[0-9]", sent)
        wide = on_a_terminal(azure, "plan", columns=200, NO_COLOR="1")
        assert "(now)" in wide, "since when, also told from now"
        assert "what to do: Is this a revocation?" in wide


def test_without_its_extra_the_command_is_plain_and_says_what_it_lacks(tmp_path: Path) -> None:
    for name in ("rich", "jinja2", "shtab"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')", encoding="utf-8")
    with fleet() as (azure, _):
        plain = on_a_terminal(azure, "plan", columns=120, PYTHONPATH=str(tmp_path))
        assert "payments" in plain
        assert "\x1b" not in plain
        refused = run(azure, "report", PYTHONPATH=str(tmp_path))
        assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
        assert "'.[cli]'" in refused.stderr
        assert run(azure, "--print-completion", "bash", PYTHONPATH=str(tmp_path)).returncode == ExitCode.USAGE
        completion = run(azure, "--print-completion", "bash")
        assert (completion.returncode, "preflight" in completion.stdout) == (0, True)
