"""Bicep files as plain data, by a parser from PyPI. This is no compiler: expressions stay text, and nothing is resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parent.parent.parent
INFRA = ROOT / "infra"
_PARSER = Parser(Language(tree_sitter_bicep.language()))


class Expression(str):
    """Text of the file that is no literal."""

    __slots__ = ()


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: Any
    required: bool
    decorators: tuple[str, ...]

    @property
    def described(self) -> bool:
        return any(decorator.startswith("@description('") for decorator in self.decorators)


@dataclass(frozen=True)
class Resource:
    """A resource; `body` is that of each item for a loop."""

    symbol: str
    type: str
    version: str
    existing: bool
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["properties"]
        return found


@dataclass(frozen=True)
class Module:
    symbol: str
    path: Path
    body: dict[str, Any]


@dataclass(frozen=True)
class File:
    path: Path
    text: str
    scope: str
    parameters: dict[str, Parameter]
    variables: dict[str, Any]
    resources: tuple[Resource, ...]
    modules: tuple[Module, ...]
    outputs: dict[str, Any]
    undescribed: tuple[str, ...]
    """Outputs without a description."""

    def the(self, kind: str) -> Resource:
        """The one resource of a type that is not merely referred to."""
        (found,) = (resource for resource in self.resources if resource.type == kind and not resource.existing)
        return found


def files() -> list[Path]:
    return sorted(INFRA.rglob("*.bicep"))


def tree(source: str) -> Node:
    """The parsed file."""
    return _PARSER.parse(source.encode()).root_node


def text(node: Node) -> str:
    """What the file has there."""
    return (node.text or b"").decode()


def problems(source: str) -> list[str]:
    """What the parser could not read."""
    return [
        f"line {node.start_point[0] + 1}: {text(node)[:60]}"
        for node in walk(tree(source))
        if node.is_error or node.is_missing
    ]


@cache
def read(path: str) -> File:
    """A file, by its path in infra/."""
    return parse(INFRA / path)


def parse(path: Path) -> File:
    source = path.read_text(encoding="utf-8")
    scope = "resourceGroup"
    parameters: dict[str, Parameter] = {}
    variables: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    resources: list[Resource] = []
    modules: list[Module] = []
    undescribed: list[str] = []
    decorators: tuple[str, ...] = ()
    for node in tree(source).named_children:
        if node.type == "decorators":
            decorators = tuple(text(child) for child in node.named_children)
            continue
        match node.type:
            case "target_scope_assignment":
                scope = str(value(node.named_children[-1]))
            case "parameter_declaration":
                parameter = _parameter(node, decorators)
                parameters[parameter.name] = parameter
            case "variable_declaration":
                variables[text(node.named_children[0])] = value(node.named_children[-1])
            case "output_declaration":
                name = text(node.named_children[0])
                outputs[name] = value(node.named_children[-1])
                if not any(decorator.startswith("@description('") for decorator in decorators):
                    undescribed.append(name)
            case "resource_declaration":
                resources += _resources(node)
            case "module_declaration":
                symbol, target = node.named_children[:2]
                modules.append(Module(text(symbol), path.parent / str(value(target)), _body(node)))
            case _:
                pass
        decorators = ()
    return File(
        path, source, scope, parameters, variables, tuple(resources), tuple(modules), outputs, tuple(undescribed)
    )


def value(node: Node) -> Any:
    """A literal as Python has it; anything else as its text."""
    match node.type:
        case "string":
            inner = text(node)[1:-1]
            return Expression(inner) if any(child.type == "interpolation" for child in node.named_children) else inner
        case "number":
            return int(text(node))
        case "boolean":
            return text(node) == "true"
        case "null":
            return None
        case "array":
            return [value(child) for child in node.named_children if child.type != "comment"]
        case "object":
            return dict(_pairs(node))
        case _:
            return Expression(text(node))


def _pairs(node: Node) -> Iterator[tuple[str, Any]]:
    for child in node.named_children:
        if child.type == "object_property" and len(child.named_children) > 1:
            key, item = child.named_children[0], child.named_children[-1]
            yield str(value(key)) if key.type == "string" else text(key), value(item)


def _parameter(node: Node, decorators: tuple[str, ...]) -> Parameter:
    name, kind, *rest = node.named_children
    return Parameter(text(name), text(kind), value(rest[0]) if rest else None, not rest, decorators)


def _resources(node: Node, above: Resource | None = None) -> Iterator[Resource]:
    """A resource and those nested in it, which have its version and the rest of their type below it."""
    symbol, kind = node.named_children[:2]
    name, _, version = str(value(kind)).partition("@")
    if above is not None:
        name, version = f"{above.type}/{name}", above.version
    existing = any(child.type == "existing" or text(child) == "existing" for child in node.children)
    resource = Resource(text(symbol), name, version, existing, _body(node))
    yield resource
    for child in walk(node):
        if child.type == "object_property" and child.named_children[0].type == "resource_declaration":
            yield from _resources(child.named_children[0], resource)


def _body(node: Node) -> dict[str, Any]:
    """The object that makes a resource or module, within its condition and loop."""
    for child in node.named_children[2:]:
        if child.type == "object":
            return dict(_pairs(child))
        if child.type in {"if_statement", "for_statement"}:
            found = _inner(child)
            if found is not None:
                return found
    raise AssertionError(f"no body: {text(node)[:80]}")


def _inner(node: Node) -> dict[str, Any] | None:
    for child in reversed(node.named_children):
        if child.type == "object":
            return dict(_pairs(child))
        if child.type == "if_statement":
            return _inner(child)
    return None


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)
