"""Every query is right for Microsoft's Kusto parser, with semantic analysis; every rule and tile has one."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.infra import bicep, kusto, queries
from tests.infra.bicep import INFRA
from tests.infra.queries import RUNBOOK
from tests.infra.test_deployment import SCOPE, app
from tests.repository.test_readme import reasons_table

RULES = "Microsoft.Insights/scheduledQueryRules"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def loaded(path: str) -> list[str]:
    """The names of the queries that a Bicep file loads, in order."""
    return re.findall(r"loadTextContent\('\.\./queries/([a-z-]+)\.kql'\)", bicep.read(path).text)


def workbook_queries() -> dict[str, str]:
    """The queries of the workbook as Azure runs them: with what the parameters leave of their rows."""
    items = json.loads(app().the("Microsoft.Insights/workbooks").properties["serializedData"])["items"]
    found = {item["name"]: item["content"]["query"] for item in items if "query" in item["content"]}
    return {name: query.replace("{Key}", "la-cmk").replace("{Version}", "") for name, query in found.items()}


def alert_queries() -> dict[str, str]:
    return {rule.name: rule.properties["criteria"]["allOf"][0]["query"] for rule in app().all(RULES)}


def everything() -> dict[str, str]:
    return {query.name: query.text for query in queries.every()} | workbook_queries() | alert_queries()


def test_every_query_passes_the_kusto_parser() -> None:
    found = queries.diagnostics(everything())
    assert {name: said for name, said in found.items() if said} == {}
    assert len(found) > 50


def test_no_query_is_an_error_where_its_table_has_no_row_yet() -> None:
    """Azure makes a table when its first row comes, and disables an alert rule whose query fails for a week."""
    found = queries.diagnostics(everything(), tables={})
    assert {line.partition(":")[0] for said in found.values() for line in said} == {"Warning KS205"}


def test_the_kusto_parser_notices_mistakes() -> None:
    mistakes = {
        "column": "AppTraces | where Massage == ''",
        "table": "AppTrace | count",
        "function": "AppTraces | extend Line = parse_jason(Message)",
        "operator": "AppTraces | wher true",
        "type": "AppTraces | where Message > 3",
    }
    assert all(said for said in queries.diagnostics(mistakes).values())


def test_every_word_in_a_query_is_one_of_the_products() -> None:
    for query in queries.every():
        assert query.events <= set(LogEvent), query.name
        assert query.reasons <= set(Reason), query.name
        assert query.stages <= set(Stage), query.name
        assert query.events or not query.fields, query.name


def test_every_event_that_calls_for_a_person_raises_an_alert() -> None:
    alerting = {event for name in loaded("watch/alerts.bicep") for event in queries.of_files()[name].events}
    assert alerting >= {
        LogEvent.UPDATE_OVERDUE,
        LogEvent.ROTATION_FINISHED,
        LogEvent.CLUSTER_ATTENTION,
        LogEvent.KEY_EXPIRING,
        LogEvent.OLD_VERSION_DISABLED_EARLY,
        LogEvent.VISIT_FAILED,
        LogEvent.VISIT_LOST,
        LogEvent.RECORD_UNREADABLE,
        LogEvent.CLUSTER_UNREADABLE,
        LogEvent.VISIT_REJECTED,
        LogEvent.EVENT_REJECTED,
        LogEvent.RECONCILE_FINISHED,
        LogEvent.SETTINGS_INVALID,
    }


def test_the_alerts_on_what_is_said_of_clusters_share_out_all_reasons() -> None:
    query = kusto.Query(queries.trees({"": queries.of_files()["alert-attention"].text})[""])
    shared = {str(reason): [row["Rule"] for row in query(NOW, {"AppTraces": [called(reason)]})] for reason in Reason}
    asked = {rule for text in alert_queries().values() for rule in re.findall(r"where Rule == '([a-z-]+)'", text)}
    assert {rule for (rule,) in shared.values()} == asked
    assert len(asked) == 4


def test_a_section_of_the_runbook_names_the_reasons_that_its_alert_is_called_for() -> None:
    """Another alert's reasons only with that alert's name beside them."""
    query = kusto.Query(queries.trees({"": queries.of_files()["alert-attention"].text})[""])
    rule_of = {str(one): query(NOW, {"AppTraces": [called(one)]})[0]["Rule"] for one in Reason}
    alerts = RUNBOOK.read_text(encoding="utf-8").partition("## Alerts")[2].partition("## Reasons")[0]
    sections = {text.partition("\n")[0]: text for text in re.split(r"^### ", alerts, flags=re.MULTILINE)[1:]}
    named = 0
    for alert, text in sections.items():
        for sentence in re.split(r"(?<=[.:])\s", text):
            elsewhere = set(re.findall(r"\*([a-z-]+)\*", sentence)) & sections.keys()
            reasons = [one for one in re.findall(r"`([a-z-]+)`", sentence) if one in rule_of]
            named += len(reasons)
            assert {rule_of[one] for one in reasons} <= (elsewhere or {alert}), sentence
    assert named > 10


def called(reason: Reason) -> dict[str, object]:
    line = {"event": "cluster.attention", "clusterId": "/a/b/c", "reason": str(reason), "since": NOW.isoformat()}
    return {"TimeGenerated": NOW, "Message": json.dumps(line), "SeverityLevel": 3}


def test_every_file_is_loaded_or_in_the_runbook() -> None:
    used = {*loaded("watch/alerts.bicep"), *loaded("watch/workbook.bicep")}
    in_runbook = {query.text.strip() for query in queries.of_runbook().values()}
    left = {
        name for name, query in queries.of_files().items() if name not in used and query.text.strip() not in in_runbook
    }
    assert left == set()


def test_every_alert_has_a_severity_and_a_section_in_the_runbook_and_says_where_to_look() -> None:
    rules = app().all(RULES)
    headings = re.findall(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    names = [rule.name.removeprefix("cmk-rotation-") for rule in rules]
    assert {*names, "events-not-delivered", "rule-disabled"} <= set(headings)
    page = app().the("Microsoft.Insights/workbooks").id
    for name, rule in zip(names, rules, strict=True):
        assert rule.properties["severity"] in {0, 1, 2, 3}
        told = rule.properties["description"]
        assert f"Where to look: https://portal.example/#resource{page}/workbook and docs/runbook.md#{name}" in told
        assert len(told) < 600
    without = app(workbookStorageId="none")
    workspace = without.the("Microsoft.OperationalInsights/workspaces").id
    assert f"#resource{workspace}/logs and" in without.all(RULES)[0].properties["description"]


def test_an_alert_is_split_by_columns_of_its_query() -> None:
    """Each names what it is about; `silent` and the app's own telemetry are about the app as a whole."""
    trees = queries.trees(alert_queries())
    for rule in app().all(RULES):
        (criterion,) = rule.properties["criteria"]["allOf"]
        split = {one["name"] for one in criterion["dimensions"]}
        assert {one["operator"] for one in criterion["dimensions"]} <= {"Include"}
        columns = shown_by(trees[rule.name])
        assert split <= columns, rule.name
        assert "TimeGenerated" not in columns, "Azure would count by windows"


def shown_by(tree: Any) -> set[str]:
    """The columns of a query's rows: those that its last `project` names; `silent` has a single number."""
    node = kusto.elements(tree[2])[-1][1]
    while node[3][0] == "FilterOperator":
        node = node[1]
    return {kusto.named(one)[0] for one in kusto.elements(node[3][2 if node[3][0] == "ProjectOperator" else 3])}


def test_an_alert_looks_at_two_days_and_says_when_it_is_over() -> None:
    for rule in app().all(RULES):
        assert rule.properties["autoMitigate"] is True
        assert "muteActionsDuration" not in rule.properties
        if rule.name != "cmk-rotation-silent":
            assert (rule.properties["windowSize"], rule.properties["overrideQueryTimeRange"]) == ("P1D", "P2D")


@pytest.mark.parametrize(("minutes", "window"), [(5, "PT30M"), (10, "PT30M"), (15, "PT45M"), (20, "PT60M")])
def test_silence_is_three_periods_long_and_longer_than_a_line_is_on_its_way(minutes: int, window: str) -> None:
    (silent,) = (rule for rule in app(reconcileEveryMinutes=minutes).all(RULES) if rule.name == "cmk-rotation-silent")
    assert (silent.properties["windowSize"], silent.properties["overrideQueryTimeRange"]) == (window, window)


def test_a_rule_that_is_switched_off_calls_too() -> None:
    told = app().the("Microsoft.Insights/activityLogAlerts").properties
    assert told["condition"]["allOf"][1]["equals"] == "Microsoft.Insights/ScheduledQueryRules/disable/action"
    assert told["scopes"] == [app().all(RULES)[0].id.partition("/providers/")[0]]


THEIRS = f"{SCOPE}/providers/Microsoft.Insights/actionGroups/theirs"


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ({}, ["ours"]),
        ({"alertEmail": "a@b.c"}, ["ours"]),
        ({"actionGroupIds": f"{THEIRS}, {THEIRS}2,"}, [THEIRS, f"{THEIRS}2"]),
        ({"actionGroupIds": THEIRS, "alertEmail": "a@b.c"}, ["ours", THEIRS]),
    ],
)
def test_alerts_call_the_action_groups_that_are_named_or_one_of_our_own(
    given: dict[str, Any], called: list[str]
) -> None:
    deployment = app(**given)
    ours = [one.id for one in deployment.all("Microsoft.Insights/actionGroups")]
    assert len(ours) == called.count("ours")
    wanted = [ours[0] if one == "ours" else one for one in called]
    assert all(rule.properties["actions"]["actionGroups"] == wanted for rule in deployment.all(RULES))
    disabled = deployment.the("Microsoft.Insights/activityLogAlerts").properties["actions"]["actionGroups"]
    assert [one["actionGroupId"] for one in disabled] == wanted
    assert deployment.outputs["CALLED_ACTION_GROUP_IDS"] == ",".join(wanted)


def test_each_of_the_six_questions_has_a_tile_and_a_query_in_the_runbook() -> None:
    questions = ["clusters", "rotations", "attention", "under-way", "old-versions", "alive"]
    assert loaded("watch/workbook.bicep")[:6] == questions
    in_runbook = [query.text for query in queries.of_runbook().values()]
    assert [name for name in questions if queries.of_files()[name].text not in in_runbook] == []


def test_the_workbook_draws_every_tile() -> None:
    workbook = bicep.read("watch/workbook.bicep")
    tiles = workbook.variables["tiles"]
    assert len(tiles) == len(loaded("watch/workbook.bicep")) == len({tile["title"] for tile in tiles})
    assert {tile["shown"] for tile in tiles} == {"table", "timechart"}
    items = json.loads(app().the("Microsoft.Insights/workbooks").properties["serializedData"])["items"]
    assert {item["content"]["gridSettings"]["rowLimit"] for item in items[1:]} == {10_000}, "250 are the default"
    asked = {one["name"] for one in items[0]["content"]["parameters"]}
    assert asked == {"TimeRange", "Key", "Version"}
    assert workbook.variables["items"].startswith("map(tiles, tile => {")
    assert "items: concat([timeRange], items)" in workbook.text
    assert list((INFRA / "queries").glob("*.kql"))


def test_the_runbook_has_every_reason_with_its_remedy() -> None:
    assert reasons_table() in RUNBOOK.read_text(encoding="utf-8")
