"""Microsoft.EventGrid in ARM: system topics and their event subscriptions."""

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from simulator.arm.answers import EITHER, GROUP, Handler, answer, check_method, check_right, envelope, listed, not_found
from simulator.entra.roles import within
from simulator.eventgrid.subscriptions import Subscription
from simulator.state import State


class SystemTopics:
    """The handlers for these paths, over one Azure's event subscriptions."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> Mapping[str, Handler]:
        """Handlers by the pattern of their paths."""
        topics = r"/providers/Microsoft\.EventGrid/systemTopics"
        return {
            rf"{EITHER}{topics}": self._system_topics,
            rf"(?P<id>{GROUP}{topics}/[^/]+)": self._system_topic,
            rf"(?P<id>{GROUP}{topics}/[^/]+)/eventSubscriptions": self._event_subscriptions,
            rf"(?P<id>{GROUP}{topics}/[^/]+)/eventSubscriptions/(?P<name>[^/]+)/getFullUrl": self._full_url,
        }

    def _topics_in(self, scope: str) -> dict[str, list[Subscription]]:
        """Event subscriptions by the id of their topic: each vault that has any has one topic, in its own group."""
        topics: dict[str, list[Subscription]] = {}
        for one in self.state.event_grid.subscriptions:
            group, name = one.source.partition("/providers/")[0], one.source.rpartition("/")[2]
            id_ = f"{group}/providers/Microsoft.EventGrid/systemTopics/{name}-events"
            if within(id_, scope):
                topics.setdefault(id_, []).append(one)
        return topics

    def _topic(self, wanted: str) -> tuple[str, list[Subscription]]:
        for id_, found in self._topics_in(wanted).items():
            return id_, found
        raise not_found(wanted)

    def _system_topics(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.state.rights, principal, "Microsoft.EventGrid/systemTopics/read", path["scope"])
        return listed(_topic_body(id_, found) for id_, found in self._topics_in(path["scope"]).items())

    def _system_topic(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        check_right(self.state.rights, principal, "Microsoft.EventGrid/systemTopics/read", path["id"])
        return answer(_topic_body(*self._topic(path["id"])))

    def _event_subscriptions(self, _: Request, principal: str, path: dict[str, str]) -> Response:
        action = "Microsoft.EventGrid/systemTopics/eventSubscriptions/read"
        check_right(self.state.rights, principal, action, path["id"])
        id_, found = self._topic(path["id"])
        return listed(_event_subscription_body(id_, one) for one in found)

    def _full_url(self, request: Request, principal: str, path: dict[str, str]) -> Response:
        check_method(request, "POST")
        action = "Microsoft.EventGrid/systemTopics/eventSubscriptions/getFullUrl/action"
        check_right(self.state.rights, principal, action, path["id"])
        for one in self._topic(path["id"])[1]:
            if one.name.lower() == path["name"].lower():
                return answer({"endpointUrl": one.url})
        raise not_found(request.path.rpartition("/")[0])


def _topic_body(id_: str, subscriptions: list[Subscription]) -> dict[str, Any]:
    properties = {
        "provisioningState": "Succeeded",
        "source": subscriptions[0].source,
        "topicType": "Microsoft.KeyVault.Vaults",
    }
    return {**envelope(id_, "Microsoft.EventGrid/systemTopics"), "properties": properties}


def _event_subscription_body(topic_id: str, one: Subscription) -> dict[str, Any]:
    id_ = f"{topic_id}/eventSubscriptions/{one.name}"
    body = envelope(id_, "Microsoft.EventGrid/systemTopics/eventSubscriptions", None)
    return {
        **body,
        "properties": {
            "topic": topic_id,
            "provisioningState": "Succeeded",
            "destination": _destination(one),
            "filter": {"includedEventTypes": sorted(one.event_types)},
            "eventDeliverySchema": one.schema.value,
            **({"deadLetterDestination": {"endpointType": "StorageBlob"}} if one.dead_letter else {}),
            "retryPolicy": {
                "maxDeliveryAttempts": one.max_attempts,
                "eventTimeToLiveInMinutes": int(one.ttl_seconds // 60),
            },
        },
    }


def _destination(one: Subscription) -> dict[str, Any]:
    if one.function_id:
        return {"endpointType": "AzureFunction", "properties": {"resourceId": one.function_id}}
    # Without its query, which holds the key: Azure shows the full URL only to a call of its own.
    return {"endpointType": "WebHook", "properties": {"endpointBaseUrl": one.url.partition("?")[0]}}
