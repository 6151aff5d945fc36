"""Ready-made stories: incidents that somebody documented, staged line by line.

A story asserts nothing about whoever moves the clusters: it makes the trouble, and tells how each cluster fared.
"""

import re
import threading
from dataclasses import dataclass

from simulator.playground.acts import perform
from simulator.playground.cluster_acts import cluster_named
from simulator.playground.words import DURATION, NotUnderstoodError, seconds
from simulator.playground.world import Playground


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, where it is written down, and the lines that make it happen again."""

    name: str
    about: str
    source: str
    lines: tuple[str, ...]
    """Lines as for `fault`, and `wait DURATION` or `see CLUSTER within DURATION`."""


_ROTATE = "key contoso/la-cmk: rotate"
_BOTH = ("see payments within 2 h", "see web-shop within 2 h")

STORIES = {
    story.name: story
    for story in (
        Story("rotation", "A key is rotated and nothing goes wrong.", "Azure Monitor customer-managed keys",
              (_ROTATE, *_BOTH)),
        Story("duplicates-and-disorder", "Two rotations; their events come late, three times, and newest first.",
              "Event Grid message delivery and retry: at least once, order not guaranteed",
              ("events: hold", _ROTATE, "wait 2 min", _ROTATE, "events: release", "events: duplicate 3",
               "wait 1 min", _ROTATE, *_BOTH)),
        Story("event-never-comes", "The event is lost, as when the resource provider is not registered.",
              "MicrosoftDocs/azure-docs issues 92020, 97415", ("events: lose", _ROTATE, *_BOTH)),
        Story("endpoint-refuses", "A firewall before the function answers 403: Event Grid gives up at once.",
              "Event Grid message delivery and retry: 403 is not retried",
              ("events: answer 403", _ROTATE, *_BOTH)),
        Story("accepted-and-empty", "The update is accepted with an empty body, which a client took for a failure.",
              "hashicorp/terraform-provider-azurerm issues 13166, 17933",
              ("PATCH payments: empty body", _ROTATE, *_BOTH)),
        Story("operation-not-found", "The operation's URL answers 404 while the update goes on.",
              "Azure/azure-sdk-for-net issue 40606",
              ("cluster payments: updates hide operations", _ROTATE, *_BOTH)),
        Story("silent-revert", "200 and an operation that succeeds, and the cluster is back on the old version.",
              "Azure/apiops-cli issue 148 (another service, the same protocol)",
              ("cluster payments: updates have no effect", _ROTATE, "see payments within 1 h",
               "cluster payments: updates go well", "see payments within 2 h")),
        Story("hours-of-provisioning", "A cluster stays in ProvisioningAccount for hours.",
              "MicrosoftDocs/azure-docs pull request 69884",
              ("cluster payments: updates stay in ProvisioningAccount", "cluster payments: updates take 3 h", _ROTATE,
               "see web-shop within 1 h", "see payments within 4 h", "cluster payments: updates go well")),
        Story("lost-answer", "ARM throttles without saying for how long; then it applies an update and the answer is lost.",
              "azure-core retries no PATCH in either case",
              ("PATCH payments: 429 without Retry-After, then reset after applying", _ROTATE, *_BOTH)),
        Story("missing-right", "A cluster's identity lost its role on the vault just before the rotation.",
              "Azure/bicep issue 16601; customer-managed keys, troubleshooting",
              ("right of payments on contoso: take", "wait 10 min", _ROTATE, "see payments within 30 min",
               "right of payments on contoso: give", "see payments within 2 h")),
        Story("late-right", "A missing role is assigned just before the rotation, and does not count yet.",
              "Azure/bicep issue 16601; Troubleshoot Azure RBAC: up to ten minutes",
              ("right of payments on contoso: take", "wait 10 min", "right of payments on contoso: give", _ROTATE,
               "see payments within 2 h")),
        Story("update-fails", "The operation fails and leaves the cluster Failed; the cause goes away.",
              "customer-managed keys, troubleshooting",
              ("cluster payments: updates fail", _ROTATE, "see payments within 1 h",
               "cluster payments: updates go well", "see payments within 2 h")),
        Story("expired-key", "The version in use has expired: logs flow on, and the cluster cannot be moved.",
              "customer-managed keys: extend the expiry, then update",
              ("key contoso/la-cmk: expire newest", _ROTATE, "see payments within 30 min",
               "key contoso/la-cmk: extend previous", *_BOTH)),
        Story("old-version-too-early", "The old version is disabled right after the update, before storage has re-wrapped.",
              "MicrosoftDocs/azure-docs issue 92190, pull request 78100",
              (_ROTATE, "see payments within 1 h", "key contoso/la-cmk: disable previous", "wait 90 min",
               "key contoso/la-cmk: enable previous", "wait 60 min")),
        Story("revocation", "The version in use is disabled: within the hour logs are dropped; then it is enabled again.",
              "customer-managed keys, key revocation",
              ("key contoso/la-cmk: disable newest", "wait 70 min", "key contoso/la-cmk: enable newest", "wait 40 min")),
        Story("deleted-key", "The key is deleted, and recovered from soft delete an hour and a half later.",
              "customer-managed keys, key revocation; Key Vault soft-delete overview",
              ("key contoso/la-cmk: delete", "wait 90 min", "key contoso/la-cmk: recover", "wait 40 min")),
        Story("another-tenant", "The vault trusts another tenant than its subscription does, as after a transfer.",
              "Moving a vault to a different subscription: steps when the subscription is in a new tenant",
              ("vault contoso: other tenant", _ROTATE, "see payments within 20 min", "vault contoso: own tenant", *_BOTH)),
        Story("app-restarts", "The platform ends the app's process in the middle of an update.",
              "Functions hosting options: platform updates and scale-in",
              (_ROTATE, "wait 2 min", "app: crash", *_BOTH)),
        Story("hsm", "A key of a Managed HSM is rotated, and no event tells of it.",
              "Managed HSM key rotation: no Event Grid notifications",
              ("key contoso-hsm/hsm-cmk: rotate", "see ledger within 2 h")),
        Story("region-down", "The region's clusters and vaults answer nothing but 503 for an hour.",
              "Azure status history, as any region",
              ("region westeurope: down for 1 h", _ROTATE, "see payments within 3 h", "see web-shop within 1 h")),
    )
}  # fmt: skip


def tell(playground: Playground, story: Story, closing: threading.Event) -> None:
    """Play a story to its end, on the feed; ends early when `closing` is set."""
    say = playground.feed.say
    say("story", f"{story.name}: {story.about} ({story.source})")
    for line in story.lines:
        if closing.is_set():
            return
        if match := re.fullmatch(rf"wait (?P<span>{DURATION})", line):
            say("story", f"{match['span']} pass")
            closing.wait(playground.clock.real_seconds(seconds(match["span"])))
            continue
        try:
            if match := re.fullmatch(rf"see (?P<name>[\w-]+) within (?P<span>{DURATION})", line):
                _see(playground, match["name"], seconds(match["span"]), closing)
            else:
                say("story", line)
                perform(playground, line)
        except NotUnderstoodError as error:
            # What the story is about may have been taken away by hand.
            say("story", f"cannot be played here: {error}", bad=True)
            return
    say("story", f"{story.name} has ended")


def _see(playground: Playground, name: str, patience: float, closing: threading.Event) -> None:
    clock = playground.azure.clock
    ends = clock.timestamp() + patience
    while clock.timestamp() < ends and not closing.is_set():
        if _follows(playground, name):
            playground.feed.say("story", f"{name} uses the newest version")
            return
        closing.wait(0.1)
    playground.feed.say("story", f"{name} does not use the newest version after {patience / 60:g} min", bad=True)


def _follows(playground: Playground, name: str) -> bool:
    azure = playground.azure
    with azure.lock:
        cluster = cluster_named(playground, name)
        state, key = cluster.shown(azure.arm.clock.timestamp(), azure.arm.behaviour_of(cluster))
        return state == "Succeeded" and key is not None and key.version == azure.newest_version(key)
