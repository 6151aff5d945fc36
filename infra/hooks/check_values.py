"""Whether the templates take the values that azd passes on, as far as that can be seen without Azure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from check_watch import without_identity
from environment import NONE, SCOPE_KINDS, STORAGE_KINDS, VAULT_KINDS, places
from extra_tags import wrong_tags
from given_roles import wrong_roles
from named import wrong_names

PARAMETERS = Path(__file__).resolve().parent.parent / "main.parameters.json"
UNFIT = re.compile(r'[\r\n"\\]')
"""azd writes values into JSON as they are: these would end in 'error unmarshalling Bicep template parameters'."""
LISTS = {
    "CLUSTER_SCOPES": (SCOPE_KINDS, ""),
    "KEY_VAULT_IDS": (VAULT_KINDS, f" ('{NONE}' if every key is in a Managed HSM)"),
    "STORAGE_SCOPES": (STORAGE_KINDS, ""),
}
MAY_BE_EMPTY = ("STORAGE_SCOPES",)
SWITCHES = (
    "VNET_ENABLED",
    "OWN_PRIVATE_ZONES",
    "VAULT_OWNERS_APPROVE",
    "ONLY_EVENT_GRID_INBOUND",
    "CONNECTED_BY_OTHERS",
)
CHOICES = {
    "MODE": ("observe", "enforce"),
    "STORAGE_ACCOUNTS": ("watch", "ignore"),
    "HOSTING_PLAN": ("FlexConsumption", "ElasticPremium"),
    "RECONCILE_EVERY_MINUTES": ("5", "10", "15", "20"),
    "STORAGE_PUBLIC_ACCESS": ("Enabled", "Disabled", "SecuredByPerimeter"),
    **dict.fromkeys(SWITCHES, ("true", "false")),
}
SHUT = ("Disabled", "SecuredByPerimeter")
SUBNETS = ("APP_SUBNET_ID", "ENDPOINT_SUBNET_ID")
RANGES = {"ALWAYS_READY_INSTANCES": (0, 40), "RETENTION_DAYS": (30, 730)}
"""The templates' own, as CHOICES are: a test holds them together."""


def passed_on() -> list[str]:
    """The variables that azd writes into the parameters of main.bicep."""
    return re.findall(r'"\$\{([A-Z_]+)', PARAMETERS.read_text(encoding="utf-8"))


def check_values(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each value that would fail later, with one that would not."""
    return [
        *_unfit(environ),
        *_lists(environ),
        *_outside(environ),
        *wrong_tags(environ),
        *wrong_names(environ),
        *wrong_roles(environ),
        *without_identity(environ),
        *_without_network(environ),
    ]


def _unfit(environ: Mapping[str, str]) -> Iterator[str]:
    for name in passed_on():
        value = environ.get(name, "")
        if UNFIT.search(value) and name not in {*CHOICES, *RANGES}:
            yield (
                f"{name} has line breaks, quotes or backslashes, which azd cannot pass on: "
                f"azd env set {name} '{_fit(value, ',' if name in LISTS else ' ')}'"
            )


def _fit(value: str, between: str) -> str:
    lines = (UNFIT.sub("", line).strip(f" {between}") for line in value.splitlines())
    return between.join(line for line in lines if line)


def _lists(environ: Mapping[str, str]) -> Iterator[str]:
    for name, (kinds, remark) in LISTS.items():
        value = environ.get(name, "")
        found, wrong = places(environ, name, kinds)
        yield from wrong
        if not value.strip():
            if name in MAY_BE_EMPTY:
                continue
            yield (
                f"{name} is not set. azd may have asked you already, and the hooks do not see that answer: azd env set {name} "
                f"'ID,ID'{remark}"
            )
        elif not found and not wrong and value.strip().lower() != NONE:
            yield f"{name} is {value!r}, which names nothing: azd env set {name} 'ID,ID'{remark}"


def _outside(environ: Mapping[str, str]) -> Iterator[str]:
    """Values that are not among those allowed; an empty one stands for the default."""
    for name, allowed in CHOICES.items():
        if _refused(environ, name, allowed):
            yield f"{name} is {environ[name]!r}. azd env set {name} {' or '.join(allowed)}"
    for name, (least, most) in RANGES.items():
        if _refused(environ, name, map(str, range(least, most + 1))):
            yield f"{name} is {environ[name]!r}. azd env set {name} NUMBER, which is from {least} to {most}"


def _refused(environ: Mapping[str, str], name: str, allowed: Iterable[str]) -> bool:
    value = environ.get(name, "")
    return value != "" and value not in allowed


def _without_network(environ: Mapping[str, str]) -> Iterator[str]:
    """Values with which the app could reach something only through its network, where it has none."""
    subnets = [name for name in SUBNETS if environ.get(name, "")]
    if len(subnets) == 1:
        yield f"{subnets[0]} is set alone: {' and '.join(SUBNETS)} are set together, or neither"
    if environ.get("VNET_ENABLED", "") == "true":
        return
    if subnets:
        yield f"{' and '.join(subnets)} would have no effect: azd env set VNET_ENABLED true"
    if environ.get("PRIVATE_LINK_SCOPE_ID", ""):
        yield (
            "PRIVATE_LINK_SCOPE_ID is set, and without a network the app would not reach its own logs: "
            "azd env set VNET_ENABLED true"
        )
    if environ.get("STORAGE_PUBLIC_ACCESS", "") in SHUT:
        yield (
            f"STORAGE_PUBLIC_ACCESS is {environ['STORAGE_PUBLIC_ACCESS']}, and without a network of its own the app would not "
            "reach its storage: azd env set VNET_ENABLED true"
        )
