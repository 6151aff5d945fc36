"""A deployment, evaluated: which resources, with which names and properties, for given parameters.

This is no compiler and knows no types. It reads what the parser of `bicep.py` reads, follows modules, loops and conditions, and
stops at what it does not know. What only Azure knows, such as a new identity's id, is text in angle brackets.
"""

import itertools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tree_sitter import Node

from tests.infra import bicep, functions
from tests.infra.deployed import Deployment, Reference, Resource, Runtime
from tests.infra.functions import Place, World, resource_id

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "Microsoft.Resources/resourceGroups"
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
type Names = dict[str, Any]


@dataclass(frozen=True)
class _Instance:
    """One item of a declaration's loop, or the declaration without a loop."""

    names: Names
    body: Node
    wanted: bool


def deploy(path: Path, given: Names, world: World | None = None, scope: str = SUBSCRIPTION) -> Deployment:
    """Evaluate a file with these parameters; those that it does not have are an error."""
    return _File(Place(world or World(), scope, path), given).run()


class _File:
    """One file. Its symbols are evaluated when they are asked for, once, in any order."""

    def __init__(self, place: Place, given: Names) -> None:
        nodes = bicep.tree(place.path.read_text(encoding="utf-8")).named_children
        named = [(bicep.text(node.named_children[0]), node) for node in nodes if len(node.named_children) > 1]
        self.place, self.given = place, given
        self.outputs = {name: node for name, node in named if node.type == "output_declaration"}
        self.declared = {name: node for name, node in named if node.type in _DECLARATIONS}
        self.found: Names = {}
        unknown = given.keys() - {name for name, node in named if node.type == "parameter_declaration"}
        assert not unknown, (place.path, unknown)

    def run(self) -> Deployment:
        into = Deployment(self.place.scope)
        for name, node in self.declared.items():
            if node.type == "resource_declaration":
                into.resources += self.deployed(node)
            if node.type == "module_declaration":
                found = self.symbol(name)
                into.nested += [one for one in (found if isinstance(found, list) else [found]) if one]
        into.outputs = {name: self.value(node.named_children[-1], {}) for name, node in self.outputs.items()}
        return into

    def symbol(self, name: str) -> Any:
        if name not in self.found:
            assert name in self.declared, f"{self.place.path}: {name} is not declared"
            node = self.declared[name]
            self.found[name] = getattr(self, _DECLARATIONS[node.type])(node)
        return self.found[name]

    def parameter(self, node: Node) -> Any:
        name, _, *default = node.named_children
        if bicep.text(name) in self.given:
            return self.given[bicep.text(name)]
        return self.value(default[0], {})

    def variable(self, node: Node) -> Any:
        return self.value(node.named_children[-1], {})

    def function(self, node: Node) -> Callable[..., Any]:
        names = [bicep.text(one.named_children[0]) for one in node.named_children[1].named_children]
        return lambda *given: self.value(node.named_children[-1], dict(zip(names, given, strict=True)))

    def references(self, node: Node) -> Any:
        found = [self.reference(node, instance) for instance in self.instances(node)]
        return found if _loops(node) else found[0]

    def module(self, node: Node) -> Any:
        found = [self.submodule(node, instance) for instance in self.instances(node)]
        return found if _loops(node) else found[0]

    # --- resources and modules ------------------------------------------------------------------------------------------

    def instances(self, node: Node, names: Names | None = None) -> Iterator[_Instance]:
        """A declaration once, or for each item of its loop; unwanted if its condition does not hold."""
        body = node.named_children[-1]
        if body.type == "for_statement":
            for inner in self.turns(body, names or {}):
                yield self.instance(body.named_children[-1], inner)
        else:
            yield self.instance(body, names or {})

    def instance(self, body: Node, names: Names) -> _Instance:
        if body.type != "if_statement":
            return _Instance(names, body, wanted=True)
        return _Instance(names, body.named_children[-1], bool(self.value(body.named_children[0], names)))

    def turns(self, loop: Node, names: Names) -> Iterator[Names]:
        variables = loop.named_children[0]
        called = [bicep.text(one) for one in (variables.named_children or [variables])]
        for place, item in enumerate(self.value(loop.named_children[-2], names)):
            yield names | dict(zip(called, (item, place), strict=False))

    def reference(self, node: Node, instance: _Instance, above: Reference | None = None) -> Reference:
        """Where a resource is or will be: below the one that it is nested in, its parent or its scope, or the file's scope."""
        kind = str(self.value(node.named_children[1], {})).partition("@")[0]
        given = {key: value for key, value in _properties(instance.body) if key in {"name", "parent", "scope"}}
        found = {key: self.value(value, instance.names) for key, value in given.items()}
        name, parent = found["name"], above or found.get("parent")
        if parent is not None:
            return Reference(f"{parent.id}/{kind.rpartition('/')[2]}/{name}", f"{parent.name}/{name}")
        if kind == RESOURCE_GROUP:
            return Reference(f"{self.place.scope}/resourceGroups/{name}", name)
        base = _id(found["scope"]) if "scope" in found else self.place.scope
        return Reference(resource_id(base, kind, *name.split("/")), name)

    def deployed(self, node: Node, within: tuple[str, Reference, Names] | None = None) -> Iterator[Resource]:
        """The resources that a declaration makes, and those nested in it."""
        kind, above, names = within or ("", None, {})
        name, _, version = str(self.value(node.named_children[1], {})).partition("@")
        called = f"{kind.partition('@')[0]}/{name}" if kind else name
        version = version or kind.partition("@")[2]
        for instance in self.instances(node, names):
            if not instance.wanted:
                continue
            reference = self.reference(node, instance, above)
            if not any(child.type == "existing" for child in node.children):
                body = self.value(instance.body, instance.names)
                yield Resource(called, version, reference.id, reference.name, body)
            for nested in _nested(instance.body):
                yield from self.deployed(nested, (f"{called}@{version}", reference, instance.names))

    def submodule(self, node: Node, instance: _Instance) -> Deployment | None:
        if not instance.wanted:
            return None
        body = self.value(instance.body, instance.names)
        path = self.place.path.parent / str(self.value(node.named_children[1], {}))
        scope = _id(body["scope"]) if "scope" in body else self.place.scope
        found = deploy(path, body["params"], self.place.world, scope)
        found.name = body["name"]
        return found

    # --- expressions ----------------------------------------------------------------------------------------------------

    def value(self, node: Node, names: Names) -> Any:
        assert node.type in _EXPRESSIONS, f"{self.place.path}: {node.type}: {bicep.text(node)[:80]}"
        return _EXPRESSIONS[node.type](self, node, names)

    def string(self, node: Node, names: Names) -> str:
        return "".join(self.part(child, names) for child in node.children[1:])

    def part(self, node: Node, names: Names) -> str:
        """The parser takes blanks between two others of these for the beginning of the second."""
        text = bicep.text(node)
        if node.type == "string_content":
            return text
        token = text.lstrip()
        blanks = text.removesuffix(token)
        if node.type == "interpolation":
            found = self.value(node.named_children[0], names)
            return blanks + (str(found).lower() if isinstance(found, bool) else str(found))
        if node.type == "escape_sequence":
            return blanks + {"\\n": "\n", "\\r": "\r", "\\t": "\t"}.get(token, token[1:])
        return blanks

    def identifier(self, node: Node, names: Names) -> Any:
        name = bicep.text(node)
        return names[name] if name in names else self.symbol(name)

    def array(self, node: Node, names: Names) -> list[Any]:
        items = [child for child in node.named_children if child.type != "comment"]
        for one, other in itertools.pairwise(items):
            # The parser takes the call f(x) for two items, f and (x).
            assert one.end_byte != other.start_byte, f"{self.place.path}: an item begins with a call: {bicep.text(one)}"
        return [self.value(child, names) for child in items]

    def object(self, node: Node, names: Names) -> dict[str, Any]:
        found = {}
        for child in node.named_children:
            if child.type == "object_property" and len(child.named_children) > 1:
                key, value = child.named_children
                name = self.string(key, names) if key.type == "string" else bicep.text(key)
                assert name not in found, f"{self.place.path}: {name} is there twice"
                found[name] = self.value(value, names)
        return found

    def access(self, node: Node, names: Names) -> Any:
        """What properties and indexes lead to."""
        steps: list[Node] = []
        while node.type in {"member_expression", "subscript_expression"}:
            steps.insert(0, node.named_children[-1])
            node = node.named_children[0]
        return self.reach(node, names, steps)

    def reach(self, node: Node, names: Names, steps: list[Node]) -> Any:
        """The parser takes `a ? b : c.d` for `(a ? b : c).d`, and `x => x.y` likewise, so steps belong to the last operand."""
        if node.type == "ternary_expression":
            condition, consequence, alternative = node.named_children
            chosen = self.value(condition, names)
            return self.value(consequence, names) if chosen else self.reach(alternative, names, steps)
        if node.type == "lambda_expression":
            variable, body = node.named_children
            return lambda item: self.reach(body, names | {bicep.text(variable): item}, steps)
        if node.type == "binary_expression":
            return self.operate(node, names, lambda right: self.reach(right, names, steps))
        if node.type == "unary_expression":
            return not self.reach(node.named_children[0], names, steps)
        whole = self.value(node, names)
        for step in steps:
            whole = _member(whole, bicep.text(step)) if _is_name(step) else whole[self.value(step, names)]
        return whole

    def nested(self, node: Node, _: Names) -> Reference:
        outer, inner = (bicep.text(child) for child in node.named_children)
        (instance,) = self.instances(self.declared[outer])
        (found,) = [one for one in _nested(instance.body) if bicep.text(one.named_children[0]) == inner]
        (below,) = self.instances(found)
        return self.reference(found, below, self.symbol(outer))

    def call(self, node: Node, names: Names) -> Any:
        name = bicep.text(node.named_children[0])
        given = [self.value(child, names) for child in node.named_children[1].named_children if child.type != "comment"]
        if name in self.declared:
            return self.symbol(name)(*given)
        return functions.call(name, self.place, given)

    def operators(self, node: Node, names: Names) -> Any:
        return self.reach(node, names, [])

    def operate(self, node: Node, names: Names, right_of: Callable[[Node], Any]) -> Any:
        left, sign, right = node.children
        match bicep.text(sign):
            case "&&":
                return self.value(left, names) and right_of(right)
            case "||":
                return self.value(left, names) or right_of(right)
            case other:
                return _OPERATORS[other](self.value(left, names), right_of(right))

    def loop(self, node: Node, names: Names) -> list[Any]:
        return [self.value(node.named_children[-1], inner) for inner in self.turns(node, names)]


_DECLARATIONS = {
    "parameter_declaration": "parameter",
    "variable_declaration": "variable",
    "user_defined_function": "function",
    "resource_declaration": "references",
    "module_declaration": "module",
}
_EXPRESSIONS: dict[str, Callable[[_File, Node, Names], Any]] = {
    "array": _File.array,
    "binary_expression": _File.operators,
    "boolean": lambda _, node, __: bicep.text(node) == "true",
    "call_expression": _File.call,
    "for_statement": _File.loop,
    "identifier": _File.identifier,
    "lambda_expression": _File.operators,
    "member_expression": _File.access,
    "null": lambda *_: None,
    "number": lambda _, node, __: int(bicep.text(node)),
    "object": _File.object,
    "parenthesized_expression": lambda file, node, names: file.value(node.named_children[0], names),
    "resource_expression": _File.nested,
    "string": _File.string,
    "subscript_expression": _File.access,
    "ternary_expression": _File.operators,
    "unary_expression": _File.operators,
}


def _loops(node: Node) -> bool:
    return node.named_children[-1].type == "for_statement"


def _properties(body: Node) -> Iterator[tuple[str, Node]]:
    for child in body.named_children:
        if child.type == "object_property" and len(child.named_children) > 1:
            yield bicep.text(child.named_children[0]), child.named_children[1]


def _nested(body: Node) -> list[Node]:
    """The resources that are declared in another's body."""
    inner = [child.named_children[0] for child in body.named_children if child.type == "object_property"]
    return [node for node in inner if node.type == "resource_declaration"]


def _is_name(step: Node) -> bool:
    return step.type == "property_identifier"


def _member(whole: Any, name: str) -> Any:
    match whole:
        case Reference():
            return {"id": whole.id, "name": whole.name}.get(name) or Runtime(f"<{whole.id}>.{name}")
        case Runtime():
            return Runtime(f"{whole}.{name}")
        case Deployment():
            return {"outputs": whole.outputs, "name": whole.name}[name]
        case _:
            return whole[name]


def _id(scope: Any) -> str:
    found: str = scope.id if isinstance(scope, Reference) else scope["id"]
    return found
