"""Tags that the operator wants on everything, which many organisations require."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from azure_cli import AzError, Azure
from belongings import TAG
from environment import Installation

OURS = frozenset({"azd-env-name", "azd-service-name", TAG, "cmk-rotation-environment"})
"""By these azd and the hooks know their own."""
RESERVED = ("azure", "microsoft", "windows")
UNFIT = re.compile(r"[<>%&\\?/]")
LONGEST_NAME, LONGEST_VALUE, MOST = 128, 256, 50
"""learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations; names of a storage account's tags are
the shortest."""
MOST_IN_A_NETWORK = 15
"""A private DNS zone has no more; nor blanks in a name, or one that begins with a digit."""
PLACES_SHOWN = 3


def extra_tags(environ: Mapping[str, str]) -> dict[str, str]:
    """EXTRA_TAGS, read as main.bicep reads it."""
    pairs = (pair.partition("=") for pair in environ.get("EXTRA_TAGS", "").split(",") if "=" in pair)
    return {name.strip(): value.strip() for name, _, value in pairs}


def wrong_tags(environ: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each tag that Azure would refuse, or by which something of ours would no longer be known."""
    names: set[str] = set()
    for pair in (one.strip() for one in environ.get("EXTRA_TAGS", "").split(",")):
        if pair.count("=") != 1:
            if pair:
                yield f"EXTRA_TAGS: '{pair}' is no name=value: azd env set EXTRA_TAGS 'NAME=VALUE,NAME=VALUE'"
            continue
        name, value = (one.strip() for one in pair.split("="))
        why = _refused(name, value, names, in_a_network=environ.get("VNET_ENABLED", "") == "true")
        if why:
            yield f"EXTRA_TAGS: {why}: '{pair}'"
        names.add(name.lower())
    most = (MOST_IN_A_NETWORK if environ.get("VNET_ENABLED", "") == "true" else MOST) - len(OURS)
    if len(names) > most:
        yield f"EXTRA_TAGS has {len(names)} tags, and beside ours there is room for {most}"


def _refused(name: str, value: str, earlier: Iterable[str], *, in_a_network: bool) -> str:
    low = name.lower()
    if not name or UNFIT.search(name) or len(name) > LONGEST_NAME:
        return f"a name has 1 to {LONGEST_NAME} letters and none of < > % & \\ ? /"
    if len(value) > LONGEST_VALUE:
        return f"a value has at most {LONGEST_VALUE} letters"
    if low in OURS or low.startswith(RESERVED):
        return "the name is ours or Azure's own"
    if in_a_network and re.search(r"^\d|\s", name):
        return "with VNET_ENABLED there are private DNS zones, whose tags have no blank in a name and no digit at its beginning"
    return "the name was there before; Azure takes all casings for one" if low in earlier else ""


def check_tags_of_others(
    azure: Azure, environ: Mapping[str, str], mine: Installation, subscriptions: Iterable[str], notes: list[str]
) -> None:
    """Remark the tags on what is ours that a deployment takes away: it writes them as a whole."""
    lost: dict[str, list[str]] = {}
    try:
        for resource in _ours(azure, environ, mine, subscriptions):
            for name, value in _foreign(environ, resource):
                lost.setdefault(f"{name}={value}", []).append(str(resource["id"]).rsplit("/", 1)[-1])
    except AzError as error:
        notes.append(f"which tags others have set on what is ours could not be seen: {error.short}")
    for tag, places in lost.items():
        more = f" and {len(places) - PLACES_SHOWN} more" if len(places) > PLACES_SHOWN else ""
        notes.append(
            f"the tag {tag} on {', '.join(places[:PLACES_SHOWN])}{more} goes with this deployment, which writes tags as a whole. "
            "To have it on everything, put it into EXTRA_TAGS; what a policy adds comes back by itself."
        )


def _ours(
    azure: Azure, environ: Mapping[str, str], mine: Installation, subscriptions: Iterable[str]
) -> Iterator[dict[str, Any]]:
    """What is there of this installation, in its own group and outside."""
    app = environ.get("FUNCTION_APP_ID", "").strip().lower()
    if not app:
        return
    yield azure.get(mine.group_id, "Microsoft.Resources/resourceGroups")
    yield from azure.pages(f"{mine.group_id}/resources", "Microsoft.Resources/resourceGroups")
    for one in sorted(set(subscriptions)):
        named = f"$filter=tagName eq '{TAG}' and tagValue eq '{app}'"
        yield from azure.pages(f"/subscriptions/{one}/resources", "Microsoft.Resources/resourceGroups", named)


def _foreign(environ: Mapping[str, str], resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kept = {name.lower(): value for name, value in extra_tags(environ).items()}
    for name, value in (resource.get("tags") or {}).items():
        low = str(name).lower()
        # Azure's portal writes its own under this beginning, and again when it needs them.
        if low not in OURS and not low.startswith("hidden-") and kept.get(low) != value:
            yield str(name), str(value)
