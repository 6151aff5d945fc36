"""Two rules of the Bicep linter, as far as these files can break them. The compiler is not needed for this, nor replaced by it.

`what-if-short-circuiting`: what only Azure knows must not become a name, a scope or a condition in a module, or a what-if cannot
look into the module. `use-resource-id-functions`: a property that is an id gets one that is made as such, not text or an item of
a loop. Both are read off the compiler's behaviour; a line above may switch a rule off, as in Bicep.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tree_sitter import Node

from tests.infra import bicep

_ID_FUNCTIONS = {
    "extensionResourceId",
    "guid",
    "reference",
    "resourceId",
    "subscription",
    "subscriptionResourceId",
    "tenantResourceId",
}
_NOT_IDS = {"clientid", "objectid", "principalid", "subscriptionid", "tenantid", "tags"}
_KNOWN_BEFORE = {"apiVersion", "id", "name", "type"}
"""What a resource's declaration says of it."""


class _File:
    """The declarations of a file, by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = path.read_text(encoding="utf-8").splitlines()
        self.root = bicep.tree(path.read_text(encoding="utf-8"))
        self.of: dict[str, dict[str, Node]] = {"parameter": {}, "variable": {}, "resource": {}, "module": {}}
        for node in bicep.walk(self.root):
            kind = node.type.removesuffix("_declaration")
            if kind in self.of and kind != node.type:
                self.of[kind][bicep.text(node.named_children[0])] = node

    def allows(self, node: Node, rule: str) -> bool:
        """Whether the line above switches the rule off."""
        return f"#disable-next-line {rule}" in self.lines[node.start_point[0] - 1]

    def behind(self, node: Node) -> Iterator[Node]:
        """A node, all below it, and what the variables in it stand for."""
        for one in bicep.walk(node):
            yield one
            variable = self.of["variable"].get(bicep.text(one)) if one.type == "identifier" else None
            if variable is not None and variable.named_children[0] != one:
                yield from self.behind(variable.named_children[-1])

    def names(self, node: Node) -> set[str]:
        return {bicep.text(one) for one in self.behind(node) if one.type == "identifier"}

    def known_later(self, node: Node) -> bool:
        """Whether a value is an output, or a property that a resource gets from Azure."""
        text = " ".join(bicep.text(one) for one in self.behind(node) if one.type in {"member_expression", "identifier"})
        resources = "|".join(self.of["resource"]) or "-"
        found = re.findall(rf"\b(?:{resources})!?\.(\w+)", text)
        return ".outputs." in text or any(name not in _KNOWN_BEFORE for name in found)


def problems(path: Path) -> list[str]:
    """What breaks one of the two rules, with its line."""
    return [*_short_circuits(_File(path)), *_ids_that_are_text(_File(path))]


def _short_circuits(file: _File) -> Iterator[str]:
    for node in file.of["module"].values():
        target = _File(file.path.parent / bicep.text(node.named_children[1]).strip("'"))
        deciding = _deciding(target)
        for key, value in _properties(_property(_body(node), "params")):
            if (
                bicep.text(key) in deciding
                and file.known_later(value)
                and not file.allows(key, "what-if-short-circuiting")
            ):
                yield f"what-if-short-circuiting {_where(key)}"


def _deciding(file: _File) -> set[str]:
    """The parameters that make a name, a scope or a condition of anything in the file."""
    found: set[str] = set()
    for node in [*file.of["resource"].values(), *file.of["module"].values()]:
        body = _body(node)
        for key in ("name", "scope"):
            value = _property(body, key)
            found |= file.names(value) if value is not None else set()
        condition = next((one for one in bicep.walk(node) if one.type == "if_statement"), None)
        found |= file.names(condition.named_children[0]) if condition is not None else set()
    return found & file.of["parameter"].keys()


def _ids_that_are_text(file: _File) -> Iterator[str]:
    for node in file.of["resource"].values():
        properties = _property(_body(node), "properties")
        if properties is None or properties.type != "object":
            continue
        for child in bicep.walk(properties):
            if child.type == "object_property" and len(child.named_children) > 1:
                key, value = child.named_children
                name = bicep.text(key)
                if name.lower().endswith("id") and name.lower() not in _NOT_IDS and not _is_id(file, value):
                    yield f"use-resource-id-functions {_where(key)}"


def _is_id(file: _File, value: Node) -> bool:
    """Whether the rule is content with a value: it names a resource, or is of a form that may be an id."""
    if file.names(value) & (file.of["resource"].keys() | file.of["module"].keys()):
        return True
    match value.type:
        case "string":
            return "/" not in bicep.text(value) and "${" not in bicep.text(value)
        case "identifier":
            variable = file.of["variable"].get(bicep.text(value))
            if variable is not None:
                return _is_id(file, variable.named_children[-1])
            return bicep.text(value) in file.of["parameter"]
        case "member_expression":
            return bicep.text(value).partition(".")[0] in file.of["parameter"]
        case "call_expression":
            return bicep.text(value.named_children[0]) in _ID_FUNCTIONS
        case "ternary_expression" | "object" | "array" | "null":
            return True
        case _:
            return False


def _body(node: Node) -> Node:
    body = node.named_children[-1]
    while body.type in {"for_statement", "if_statement"}:
        body = body.named_children[-1]
    return body


def _properties(node: Node | None) -> Iterator[tuple[Node, Node]]:
    for child in node.named_children if node is not None else []:
        if child.type == "object_property" and len(child.named_children) > 1:
            yield child.named_children[0], child.named_children[1]


def _property(node: Node, name: str) -> Node | None:
    return next((value for key, value in _properties(node) if bicep.text(key) == name), None)


def _where(key: Node) -> str:
    return f"{key.start_point[0] + 1} {bicep.text(key)}"
