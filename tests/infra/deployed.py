"""What a deployment makes, as `evaluation.py` finds it."""

from dataclasses import dataclass, field
from typing import Any


class Runtime(str):
    """What is known only when the resource is there."""

    __slots__ = ()


@dataclass(frozen=True)
class Reference:
    """A resource or resource group, before it is there."""

    id: str
    name: str


@dataclass(frozen=True)
class Resource:
    """A resource that is deployed."""

    type: str
    version: str
    id: str
    name: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["properties"]
        return found


@dataclass
class Deployment:
    """What a file and its modules deploy."""

    scope: str
    name: str = ""
    resources: list[Resource] = field(default_factory=list)
    nested: list["Deployment"] = field(default_factory=list)
    """Those of modules."""
    outputs: dict[str, Any] = field(default_factory=dict)

    def everything(self) -> list[Resource]:
        return [*self.resources, *(resource for one in self.nested for resource in one.everything())]

    def deployments(self) -> list["Deployment"]:
        return [below for one in self.nested for below in (one, *one.deployments())]

    def all(self, kind: str) -> list[Resource]:
        return [resource for resource in self.everything() if resource.type == kind]

    def the(self, kind: str) -> Resource:
        (found,) = self.all(kind)
        return found
