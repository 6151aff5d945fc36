"""Wait until Azure shows the function: Event Grid takes no subscription to one that it cannot see."""

from azure_cli import AzError, Azure, StoppedError, say

NAME = "on_key_event"
SITES = "Microsoft.Web/sites"
FUNCTIONS = "Microsoft.Web/sites/functions"
POLLS = 60
POLL_SECONDS = 15
"""Together a quarter of an hour: a first remote build and indexing take a few minutes."""
SYNC_EVERY = 10
STARTING = (500, 502, 503, 504)
"""What the host answers through ARM while it starts."""


def wait_for_function(azure: Azure, app_id: str, *, premium: bool = False) -> None:
    """Return once the function is there, or once it is clear that the app may not be asked."""
    premium = _is_premium(azure, app_id) or premium
    for poll in range(1, POLLS + 1):
        if premium and poll % SYNC_EVERY == 1:
            _sync_triggers(azure, app_id)
        if _shown(azure, app_id):
            return
        say(f"Waiting for the function {NAME} to be indexed ({poll} of {POLLS}) ...")
        azure.sleep(POLL_SECONDS)
    raise StoppedError(
        f"the function {NAME} was not indexed in {POLLS * POLL_SECONDS // 60} minutes. Look at the deployment log and "
        "the app's log for errors at its start, then run 'azd deploy' again."
    )


def _is_premium(azure: Azure, app_id: str) -> bool:
    try:
        site = azure.get(app_id, SITES)
    except AzError as error:
        if not error.gone:
            raise
        raise StoppedError(f"there is no function app {app_id}: run 'azd up'") from error
    return "elastic" in str(site["properties"].get("sku") or "").lower()


def _shown(azure: Azure, app_id: str) -> bool:
    try:
        azure.get(f"{app_id}/functions/{NAME}", FUNCTIONS)
    except AzError as error:
        match error.status:
            case 403 if error.code != "AuthorizationFailed":
                # ONLY_EVENT_GRID_INBOUND keeps Azure's own question out too. Event Grid says by itself what it misses.
                say(
                    "The app refuses to be asked for its functions (403: inbound traffic is restricted); going on without."
                )
                return True
            case 404:
                # Of an app that answers, the function is what is missing; of one that does not, the error is the news.
                azure.get(app_id, SITES)
            case status if status not in STARTING and "host runtime" not in str(error):
                raise
        return False
    return True


def _sync_triggers(azure: Azure, app_id: str) -> None:
    """Premium with a package learns of its triggers only so. The host may be too young to answer; it is asked again."""
    try:
        azure.post(f"{app_id}/syncfunctiontriggers", SITES)
    except AzError as error:
        say(f"The app's triggers could not be synced yet: {error.short}")
