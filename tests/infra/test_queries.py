"""Every query is right for Microsoft's Kusto parser, with semantic analysis; every rule and tile has one."""

import re

from cmk_rotation.domain.log_events import LogEvent
from cmk_rotation.domain.vocabulary import Reason, Stage
from tests.infra import bicep, queries
from tests.infra.bicep import INFRA
from tests.infra.queries import RUNBOOK
from tests.repository.test_readme import reasons_table


def loaded(path: str) -> list[str]:
    """The names of the queries that a Bicep file loads, in order."""
    return re.findall(r"loadTextContent\('\.\./queries/([a-z-]+)\.kql'\)", bicep.read(path).text)


def test_every_query_passes_the_kusto_parser() -> None:
    found = queries.diagnostics({query.name: query.text for query in queries.every()})
    assert {name: said for name, said in found.items() if said} == {}
    assert len(found) > 30


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


def test_the_two_alerts_on_attention_share_out_all_reasons() -> None:
    lost, rest = (queries.of_files()[name].text for name in ("alert-key-lost", "alert-cluster-attention"))
    assert lost.replace(" in (", " !in (", 1) == rest


def test_every_file_is_loaded_or_in_the_runbook() -> None:
    used = {*loaded("watch/alerts.bicep"), *loaded("watch/workbook.bicep")}
    in_runbook = {query.text.strip() for query in queries.of_runbook().values()}
    left = {
        name for name, query in queries.of_files().items() if name not in used and query.text.strip() not in in_runbook
    }
    assert left == set()


def test_every_alert_is_named_after_its_query_has_a_severity_and_a_section_in_the_runbook() -> None:
    rules = bicep.read("watch/alerts.bicep").variables["rules"]
    names = [rule["name"] for rule in rules]
    assert [f"alert-{name}" for name in names] == loaded("watch/alerts.bicep")
    headings = re.findall(r"^### (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(names) | {"events-not-delivered"} <= set(headings)
    for rule in rules:
        assert rule["severity"] in {0, 1, 2, 3}
        assert rule["what"].endswith(".")
        text = queries.of_files()[f"alert-{rule['name']}"].text
        dimensions = ["ClusterId", "Reason"] if rule["dimensions"] == "aboutCluster" else rule["dimensions"]
        assert all(re.search(rf"\b{dimension}\b", text) for dimension in dimensions), rule["name"]


def test_an_alert_does_not_repeat_itself() -> None:
    told = bicep.read("watch/alerts.bicep").the("Microsoft.Insights/scheduledQueryRules").properties
    assert told["autoMitigate"] == "rule.stateful"
    assert told["muteActionsDuration"] == "rule.stateful ? null : 'PT30M'"


def test_silence_is_three_periods_long() -> None:
    (silent,) = (rule for rule in bicep.read("watch/alerts.bicep").variables["rules"] if rule["name"] == "silent")
    assert silent["window"] == "PT${3 * reconcileEveryMinutes}M"
    assert silent["stateful"] is True


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
    assert workbook.variables["items"].startswith("map(tiles, tile => {")
    assert "items: concat([timeRange], items)" in workbook.text
    assert list((INFRA / "queries").glob("*.kql"))


def test_the_runbook_has_every_reason_with_its_remedy() -> None:
    assert reasons_table() in RUNBOOK.read_text(encoding="utf-8")
