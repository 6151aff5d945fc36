"""The app's own resource group: `azd down` deletes it with all that is in it, so it must be this environment's."""

from azure_cli import AzError, Azure
from environment import Installation

TYPE = "Microsoft.Resources/resourceGroups"


def tags_of_group(azure: Azure, mine: Installation) -> dict[str, str] | None:
    """The group's tags; None if there is no such group."""
    try:
        found = azure.get(mine.group_id, TYPE)
    except AzError as error:
        if not error.gone:
            raise
        return None
    return dict(found.get("tags") or {})


def foreign(tags: dict[str, str] | None, mine: Installation) -> str:
    """A sentence if a group of this name is somebody else's; empty if there is none, or it is this environment's."""
    whose = None if tags is None else tags.get("azd-env-name")
    if tags is None or whose == mine.environment:
        return ""
    owner = f"the azd environment '{whose}'" if whose else "something that azd did not make"
    return (
        f"the resource group {mine.group} is there already and belongs to {owner}, not to '{mine.environment}'. azd would "
        "adopt it, and 'azd down' would delete all that is in it. Take another name: 'azd env new NAME'."
    )
