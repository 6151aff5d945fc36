import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.wrappers import Request

from simulator.azure import FUNCTION
from simulator.entra import identity
from simulator.eventgrid.subscriptions import Subscription
from simulator.keyvault.keys import Network
from simulator.operationalinsights.behaviour import KeyCheck, Outcome
from simulator.operationalinsights.clusters import Cluster
from simulator.playground.acts import SUBJECTS, NotUnderstoodError, perform, to_come
from simulator.playground.fleet import ACCOUNT, QUEUE
from simulator.playground.stories import STORIES, Story, tell
from simulator.playground.subject import Subject
from simulator.playground.world import Options, Playground


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    """One that is not started: nothing moves but what a test moves."""
    made = Playground(Options(tmp_path, with_app=False))
    yield made
    made.azure.server.server_close()


def payments(playground: Playground) -> Cluster:
    return next(one for one in playground.azure.arm.clusters.values() if one.name == "payments")


def usable(playground: Playground, name: str) -> bool:
    cluster = next(one for one in playground.azure.arm.clusters.values() if one.name == name)
    assert cluster.key is not None
    vault = playground.azure.vaults[cluster.key.vault_uri.removeprefix("https://").rstrip("/")]
    return vault.usable(cluster, cluster.key)


@pytest.mark.parametrize("story", STORIES.values(), ids=lambda story: story.name)
def test_every_line_of_every_story_is_understood(playground: Playground, story: Story) -> None:
    known = {cluster.name for cluster in playground.azure.arm.clusters.values()}
    assert story.source
    # Without an app, nothing can restart it.
    for line in (line for line in story.lines if not line.startswith("app:")):
        if line.startswith("see "):
            assert line.split()[1] in known
        elif not line.startswith("wait "):
            perform(playground, line)


def test_in_the_beginning_everybody_has_the_rights_they_need(playground: Playground) -> None:
    assert all(usable(playground, one.name) for one in playground.azure.arm.clusters.values())


@pytest.mark.parametrize(
    ("cluster", "vault"), [("payments", "contoso"), ("fraud", "fabrikam"), ("ledger", "contoso-hsm")]
)
def test_a_right_is_taken_and_given_whatever_kind_of_right_it_is(
    playground: Playground, cluster: str, vault: str
) -> None:
    playground.azure.rights.propagation_seconds = 0.0
    perform(playground, f"right of {cluster} on {vault}: take")
    assert not usable(playground, cluster)
    perform(playground, f"right of {cluster} on {vault}: give")
    assert usable(playground, cluster)


def test_the_function_loses_its_right_to_read_keys(playground: Playground) -> None:
    playground.azure.rights.propagation_seconds = 0.0
    perform(playground, "right of function on contoso: take")
    vault = playground.azure.vault("contoso")
    assert not vault.grants(FUNCTION, "read")
    assert vault.grants("operator", "read")


def test_keys_are_rotated_disabled_expired_deleted_and_recovered(playground: Playground) -> None:
    vault = playground.azure.vault("contoso")
    perform(playground, "key contoso/la-cmk: rotate")
    perform(playground, "key contoso/la-cmk: disable previous")
    perform(playground, "key contoso/la-cmk: expire newest")
    new = vault.keys["la-cmk"].newest
    assert [one.enabled for one in vault.keys["la-cmk"].versions] == [False, True]
    assert new.expires is not None
    perform(playground, "key contoso/la-cmk: enable previous")
    assert [one.enabled for one in vault.keys["la-cmk"].versions] == [True, True]
    perform(playground, "key contoso/la-cmk: delete")
    assert not usable(playground, "payments")
    perform(playground, "key contoso/la-cmk: recover")
    assert usable(playground, "payments")


def test_vaults_clocks_and_clusters_change(playground: Playground) -> None:
    azure = playground.azure
    perform(playground, "vault contoso: private")
    perform(playground, "vault contoso: no bypass")
    assert azure.vault("contoso").network is Network.PRIVATE
    assert not usable(playground, "payments")
    perform(playground, "clock of ARM: 10 min ahead")
    assert azure.arm.clock.timestamp() - azure.clock.timestamp() == pytest.approx(600, abs=5)
    perform(playground, "clock of contoso: 1 h behind")
    assert azure.vault("contoso").clock.timestamp() - azure.clock.timestamp() == pytest.approx(-3_600, abs=5)
    perform(playground, "cluster payments: updates fail")
    perform(playground, "cluster payments: updates take 3 h")
    mine = payments(playground)
    assert mine.behaviour is not None
    assert (mine.behaviour.outcome, mine.behaviour.update_seconds) == (Outcome.FAILED, 10_800)
    perform(playground, "cluster payments: state Failed")
    assert mine.state == "Failed"
    perform(playground, "workspace law-payments: state Failed")
    assert azure.arm.workspaces[mine.workspaces[0].lower()].state == "Failed"
    perform(playground, "cluster payments: updates check the key late")
    perform(playground, "cluster payments: links fail")
    assert mine.behaviour.key_check is KeyCheck.IN_OPERATION
    assert mine.behaviour.links_fail
    assert mine.behaviour.outcome is Outcome.FAILED, "one thing does not undo another"
    perform(playground, "cluster payments: replicate to northeurope")
    assert mine.replication.state(azure.clock.timestamp()) == "EnableRequested"
    account = azure.storage_account(ACCOUNT)
    perform(playground, "clock of storage: 1 h behind")
    account.queues.put("jobs", "text")
    (message,) = account.queues.messages("jobs")
    assert message.inserted_at.timestamp() - azure.clock.timestamp() == pytest.approx(-3_600, abs=5)
    perform(playground, "clear")
    assert [one for one in azure.arm.clusters.values() if one.behaviour] == []
    assert azure.arm.clock is azure.clock


def test_a_vault_is_walled_off_and_moves_to_another_tenant(playground: Playground) -> None:
    vault = playground.azure.vault("contoso")
    perform(playground, "vault contoso: firewall")
    assert usable(playground, "payments"), "Azure Monitor is trusted"
    perform(playground, "vault contoso: perimeter")
    assert not usable(playground, "payments")
    perform(playground, "vault contoso: open")
    perform(playground, "vault contoso: other tenant")
    assert not usable(playground, "payments")
    perform(playground, "vault contoso: own tenant")
    assert usable(playground, "payments")
    assert vault.network is Network.OPEN


def test_clear_takes_back_all_that_was_to_go_wrong(playground: Playground) -> None:
    azure = playground.azure
    grid, queues = azure.event_grid, azure.storage_account(ACCOUNT).queues
    vault = azure.vault("contoso")
    # Nobody is there: each try is recorded, without an answer.
    grid.subscriptions.append(Subscription(source=vault.resource_id, url="http://127.0.0.1:9/nobody"))
    for line in (
        *("GET contoso: 503 always", "events: lose 5", "events: hold", "events: answer 403", "events: delay 2 h"),
        *("queue: lose", "clock of ARM: 1 h ahead", "clock of storage: 1 h ahead", "clock of contoso: 1 h ahead"),
        *("cluster payments: updates fail", "vault contoso: no bypass"),
        "clear",
    ):
        perform(playground, line)
    assert azure.faults.take("GET", vault.host, "/keys/la-cmk", azure.clock.timestamp()) is None
    assert {azure.arm.clock, vault.clock} == {azure.clock}
    assert (payments(playground).behaviour, playground.app_clock) == (None, azure.clock)
    queues.put(QUEUE, "first")
    token = identity.issue("https://storage.azure.com", FUNCTION)
    sent = Request.from_values(
        f"/{QUEUE}/messages",
        base_url=f"https://{ACCOUNT}.queue.core.windows.net",
        method="POST",
        data="<QueueMessage><MessageText>second</MessageText></QueueMessage>",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert queues(sent).status_code == 201
    messages = queues.messages(QUEUE)
    assert {one.text for one in messages} == {"first", "second"}
    assert messages[0].inserted_at.timestamp() == pytest.approx(azure.clock.timestamp(), abs=600)
    perform(playground, "key contoso/la-cmk: rotate")
    assert azure.clock.until(lambda: grid.attempts)
    assert [one.status for one in grid.attempts] == [None]
    assert not vault.trusted_services, "vaults stay as they are"
    perform(playground, "vault contoso: bypass")
    assert vault.trusted_services


def test_a_story_about_what_is_no_more_says_so(playground: Playground) -> None:
    del playground.azure.arm.clusters[payments(playground).id.lower()]
    tell(playground, STORIES["rotation"], threading.Event())
    assert playground.feed.after(0)[-1].text.startswith("cannot be played here: there is no cluster 'payments'")


@pytest.mark.parametrize(
    ("line", "own", "others"),
    [
        ("cluster payments: explode", "updates never end", "429"),
        ("key contoso/la-cmk: explode", "rotate | delete", "updates"),
        ("events: delay", "duplicate 3", "rotate"),
        ("vault contoso: explode", "perimeter", "rotate"),
        ("PATCH payments: explode", "empty body", "updates never end"),
        ("nothing", "SUBJECT: WHAT", "429"),
    ],
)
def test_who_is_not_understood_hears_what_that_subject_understands_and_no_other(
    playground: Playground, line: str, own: str, others: str
) -> None:
    with pytest.raises(NotUnderstoodError) as refused:
        perform(playground, line)
    assert own in str(refused.value)
    assert others not in str(refused.value)


_EXAMPLES = {
    "cluster NAME": "cluster payments",
    "workspace NAME": "workspace law-payments",
    "key VAULT/NAME": "key contoso/la-cmk",
    "vault NAME": "vault contoso",
    "right of CLUSTER on VAULT": "right of payments on contoso",
    "rights": "rights",
    "region NAME": "region westeurope",
    "clock of VAULT": "clock of contoso",
    "app": "app",
    "queue": "queue",
    "events": "events",
}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.form)
def test_all_that_is_said_to_be_understood_is(playground: Playground, subject: Subject) -> None:
    for line in subject.understands:
        for what in re.sub(r" \(.*\)", "", line).split(" | "):
            assert "is not understood" not in tried(playground, f"{_EXAMPLES[subject.form]}: {what}"), what


def tried(playground: Playground, line: str) -> str:
    """What was said of a line, or why it could not be done."""
    try:
        return perform(playground, line)
    except NotUnderstoodError as error:
        return str(error)


def test_a_tag_holds_a_cluster_until_it_is_taken_away(playground: Playground) -> None:
    mine = payments(playground)
    assert perform(playground, "cluster payments: tag hold") == "payments has the tag cmk-rotation = hold now"
    assert mine.tags == {"cmk-rotation": "hold"}
    assert perform(playground, "cluster payments: no tag") == "payments has no tag cmk-rotation any more"
    assert mine.tags == {}


def test_a_version_is_named_by_the_beginning_of_its_id(playground: Playground) -> None:
    perform(playground, "key contoso/la-cmk: rotate")
    old, new = playground.azure.vault("contoso").keys["la-cmk"].versions
    said = perform(playground, f"key contoso/la-cmk: disable {old.version[:8]}")
    assert said == f"version {old.version} of la-cmk in contoso is disabled"
    assert (old.enabled, new.enabled) == (False, True)


def test_what_is_still_to_go_wrong_is_listed_until_it_is_cleared(playground: Playground) -> None:
    assert to_come(playground) == []
    for line in (
        *("PATCH payments: 429", "events: lose 2", "events: delay 2 h", "events: answer 403", "events: hold"),
        *("queue: delay 10 min", "clock of contoso: 10 min ahead", "clock of ARM: 1 h behind", "queue: lose"),
        *("cluster payments: updates never end", "cluster payments: updates take 3 h", "events: duplicate 3"),
        "cluster web-shop: updates answer 200",
    ):
        perform(playground, line)
    assert to_come(playground) == [
        "the next PATCH of payments is answered 429, once",
        "events to lose: 2",
        "more copies of the next event: 3",
        "seconds by which the next events are late: 7200",
        "what the next tries are answered: 403",
        "events kept back: 0",
        "the next message of a queue: 0:10:00 late",
        "the next message of a queue: lost",
        "the clock of ARM is 3600 s behind",
        "the clock of contoso is 600 s ahead",
        "payments: updates never end",
        "payments: updates take 10800 s",
        "web-shop: updates answer 200",
    ]
    perform(playground, "clear")
    assert to_come(playground) == []


def test_a_role_takes_its_time_to_count(playground: Playground) -> None:
    perform(playground, "rights: take 1 h to count")
    perform(playground, "right of payments on contoso: take")
    assert usable(playground, "payments")
    assert playground.azure.rights.propagation_seconds == 3_600


def test_queue_messages_are_lost_doubled_and_delayed(playground: Playground) -> None:
    queues = playground.azure.storage_account(ACCOUNT).queues
    queues.put(QUEUE, "now")
    for line in ("queue: lose", "queue: double", "queue: delay 10 min"):
        perform(playground, line)
    assert len(queues.messages(QUEUE)) == 1


def test_a_region_is_down_for_its_clusters_and_vaults_and_not_for_storage(playground: Playground) -> None:
    azure = playground.azure
    perform(playground, "region westeurope: down for 1 h")
    now = azure.clock.timestamp()
    cluster = next(iter(azure.arm.clusters.values()))
    for host, path in ((azure.cloud.arm_host, cluster.id), ("contoso.vault.azure.net", "/keys/la-cmk")):
        for _ in range(3):
            fault = azure.faults.take("GET", host, path, now)
            assert fault is not None
            assert fault.status == 503
    assert azure.faults.take("GET", f"{ACCOUNT}.queue.core.windows.net", "/", now) is None
    assert azure.faults.take("GET", azure.cloud.arm_host, cluster.id, now + 3_700) is None


@pytest.mark.parametrize(
    "line",
    [
        "cluster nobody: updates fail",
        "key contoso/nothing: rotate",
        "key nowhere/la-cmk: rotate",
        "key contoso/la-cmk: disable previous",
        "key contoso/la-cmk: recover",
        "region atlantis: down for 1 h",
        "events: delay",
        "cluster payments: updates explode",
        "cluster payments: replicate to atlantis",
        "workspace nothing: state Failed",
        "app: crash",
        "clock of app: 1 h ahead",
        "cluster payments: state Bananas",
        "workspace law-payments: state Bananas",
        "cluster payments: updates take 0 h",
        "events: lose 0",
        "events: answer 999",
        "events: answer 200",
        "key contoso/la-cmk: disable 0000",
        "list",
        "",
    ],
)
def test_what_is_not_there_or_not_said_right_is_refused(playground: Playground, line: str) -> None:
    with pytest.raises(NotUnderstoodError):
        perform(playground, line)
