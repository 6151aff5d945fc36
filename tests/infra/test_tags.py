"""An operator's tags are on everything that both deployments make and that takes tags; what would be lost is said before."""

from typing import Any

import pytest

from extra_tags import extra_tags
from tests.infra.deployed import Deployment
from tests.infra.hook_stage import PROD, VAULT, Stage
from tests.infra.policies import WITHOUT_TAGS
from tests.infra.test_deployment import PLANS, app, connect
from tests.infra.test_hooks_check import FIRST, wrong

GIVEN = "Cost Center=4 2, owner = ops@contoso.com ,empty="
WANTED = {"Cost Center": "4 2", "owner": "ops@contoso.com", "empty": ""}


def untagged(deployment: Deployment, tags: dict[str, str]) -> list[str]:
    """What takes tags and has not all of these."""
    return [
        one.id
        for one in deployment.everything()
        if one.type not in WITHOUT_TAGS and not tags.items() <= one.body.get("tags", {}).items()
    ]


@pytest.mark.parametrize("plan", PLANS)
def test_everything_that_takes_tags_has_those_that_are_asked_for(plan: str) -> None:
    assert untagged(app(hostingPlan=plan, vnetEnabled=True, extraTags=GIVEN), WANTED) == []
    assert untagged(connect(extraTags=WANTED), WANTED) == []


def test_what_takes_no_tags_is_given_none() -> None:
    for deployment in (app(vnetEnabled=True, extraTags=GIVEN), connect(extraTags=WANTED)):
        assert [one.id for one in deployment.everything() if one.type in WITHOUT_TAGS and "tags" in one.body] == []


def test_a_resource_that_loses_its_tags_would_be_found() -> None:
    deployment = app(extraTags=GIVEN)
    site = deployment.the("Microsoft.Web/sites")
    del site.body["tags"]["owner"]
    assert untagged(deployment, WANTED) == [site.id]


def test_ours_are_there_too_and_stay_what_they_are() -> None:
    deployment = app(extraTags="azd-env-name=other,azd-service-name=other")
    assert deployment.the("Microsoft.Web/sites").body["tags"] == {"azd-env-name": "prod", "azd-service-name": "app"}
    topic = connect(extraTags={"cmk-rotation-app": "other"}).the("Microsoft.EventGrid/systemTopics")
    assert topic.body["tags"]["cmk-rotation-app"].endswith("/sites/func-1")


def test_the_hooks_read_tags_as_the_template_does() -> None:
    for given in (GIVEN, "", " , ", "a=b"):
        group: dict[str, Any] = app(extraTags=given).the("Microsoft.Resources/resourceGroups").body
        assert extra_tags({"EXTRA_TAGS": given}) == {k: v for k, v in group["tags"].items() if k != "azd-env-name"}


def test_whoever_connects_from_another_checkout_has_the_tags_too() -> None:
    assert app(extraTags=GIVEN).outputs["EXTRA_TAGS"] == GIVEN


def test_connecting_gives_the_tags_on(azure: Stage) -> None:
    azure.connect(PROD | {"EXTRA_TAGS": GIVEN})
    assert azure.state["parameters"]["extraTags"] == WANTED


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("owner", "'owner' is no name=value"),
        ("a=b=c", "'a=b=c' is no name=value"),
        ("=b", "a name has 1 to 128 letters"),
        ("a/b=c", "a name has 1 to 128 letters"),
        (f"{'a' * 129}=b", "a name has 1 to 128 letters"),
        (f"a={'b' * 257}", "a value has at most 256 letters"),
        ("AZD-env-name=x", "the name is ours or Azure's own"),
        ("cmk-rotation-app=x", "the name is ours or Azure's own"),
        ("microsoft-x=y", "the name is ours or Azure's own"),
        ("Owner=a,owner=b", "the name was there before"),
        (",".join(f"t{one}=x" for one in range(47)), "room for 46"),
    ],
)
def test_a_tag_that_azure_refuses_or_that_hides_ours_is_refused_before(azure: Stage, given: str, why: str) -> None:
    (found,) = wrong(azure, EXTRA_TAGS=given)
    assert found.startswith("EXTRA_TAGS")
    assert why in found


@pytest.mark.parametrize("given", ["cost center=1", "1st=x", ",".join(f"t{one}=x" for one in range(12))])
def test_a_private_dns_zone_takes_fewer_tags(azure: Stage, given: str) -> None:
    azure.check(FIRST | {"EXTRA_TAGS": given})
    (found,) = wrong(azure, EXTRA_TAGS=given, VNET_ENABLED="true")
    assert found.startswith("EXTRA_TAGS")


def test_tags_that_others_have_set_on_ours_are_named_before_they_go(
    connected: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = ("/systemtopics/", PROD["STORAGE_ACCOUNT_ID"].lower(), PROD["FUNCTION_APP_ID"].lower())
    connected.add(PROD["STORAGE_ACCOUNT_ID"])
    for id_, resource in connected.resources.items():
        if any(part in id_ for part in ours):
            resource["tags"] = {"Owner": "ops", "kept": "x", "hidden-link": "y"} | (resource.get("tags") or {})
    connected.add(VAULT, location="northeurope", properties={"enableRbacAuthorization": True}, tags={"theirs": "1"})
    connected.check(PROD | {"EXTRA_TAGS": "Kept=x"})
    told = capsys.readouterr().out
    assert told.count("goes with this deployment") == 1
    assert "the tag Owner=ops on FUNC-PROD, STPROD" in told
    assert "CMK-ROTATION-" in told.partition("Owner=ops")[2].partition(" goes with")[0], "the topic, at the vault"


def test_tags_that_may_not_be_seen_stop_nothing(connected: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    connected.refuse("get", "/resources", "AuthorizationFailed")
    connected.check(PROD)
    assert "which tags others have set on what is ours could not be seen" in capsys.readouterr().out
