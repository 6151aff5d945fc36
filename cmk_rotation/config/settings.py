"""The app settings: the environment read once, checked as a whole, and frozen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from cmk_rotation.config import api_versions, clouds, connection_string, ncrontab
from cmk_rotation.config.clouds import Cloud
from cmk_rotation.config.durations import timing_of
from cmk_rotation.domain.identifiers import Scope
from cmk_rotation.domain.redaction import one_line
from cmk_rotation.domain.timing import Timing
from cmk_rotation.domain.vocabulary import Mode


@dataclass(frozen=True, slots=True)
class Setting:
    """One app setting, as it is documented."""

    name: str
    default: str
    """`required`, or empty where there is none."""
    meaning: str


_SCHEDULE = "0 */10 * * * *"
SETTINGS = (
    Setting("CLUSTER_SCOPES", "required", "subscriptions, resource groups and clusters, comma- or newline-separated"),
    Setting("MODE", "required", "`enforce` updates clusters; `observe` decides, logs and reports what it would do"),
    Setting("AzureWebJobsStorage", "required", "connection string of the storage that the host uses too, or …"),
    Setting("AzureWebJobsStorage__accountName", "", "… its account's name, for an identity in the public cloud, or …"),
    Setting("AzureWebJobsStorage__blobServiceUri", "", "… the URIs of its services, for an identity in any cloud"),
    Setting("AzureWebJobsStorage__queueServiceUri", "", "as above"),
    Setting("AzureWebJobsStorage__tableServiceUri", "", "as above"),
    Setting("AzureWebJobsStorage__credential", "", "`managedidentity`; read by the host alone"),
    Setting("AzureWebJobsStorage__clientId", "", "user-assigned identity to use for the storage"),
    Setting(
        "AzureWebJobsStorage__managedIdentityResourceId",
        "",
        "the same identity by its ARM id, in place of the client id",
    ),
    Setting("AZURE_CLIENT_ID", "", "user-assigned identity to use"),
    Setting("RECONCILE_SCHEDULE", _SCHEDULE, "NCRONTAB: when to look at every cluster"),
    Setting("AZURE_CLOUD", "AzurePublic", "`AzurePublic`, `AzureUSGovernment`, `AzureChina` or `Custom`"),
    Setting("ARM_ENDPOINT", "", "with `Custom`: URL of Azure Resource Manager"),
    Setting("ARM_AUDIENCE", "", "with `Custom`: the audience of its tokens"),
    Setting("KEY_VAULT_SUFFIXES", "", "with `Custom`: DNS suffixes of vaults and managed HSMs"),
    Setting("ARM_API_VERSION", api_versions.ARM, "of Azure Resource Manager, for a cloud that does not know this one"),
    Setting("KEY_VAULT_API_VERSION", api_versions.KEY_VAULT, "likewise of Key Vault and Managed HSM"),
    Setting("STORAGE_API_VERSION", api_versions.STORAGE, "likewise of queues and tables"),
    Setting("UPDATE_DEADLINE_HOURS", "6", "after this an unfinished update is `update-overdue`"),
    Setting("POLL_FLOOR_SECONDS", "5", "the shortest wait between two looks at an update"),
    Setting("POLL_CEILING_SECONDS", "300", "the longest"),
    Setting("RETRY_FLOOR_SECONDS", "3600", "a refused or failed update is tried again after this, doubling …"),
    Setting("RETRY_CEILING_SECONDS", "86400", "… up to this"),
    Setting("KEEP_OLD_VERSION_HOURS", "24", "how long the previous version must stay enabled after a verified update"),
    Setting("EXPIRY_WARNING_DAYS", "30", "warn when the version in use expires within this"),
    Setting("OUTCOME_TOPIC_ENDPOINT", "", "Event Grid topic that gets one CloudEvent per finished rotation"),
    Setting(
        "STORAGE_ACCOUNTS",
        "watch",
        "`watch` reads the storage accounts linked to the clusters' workspaces, and counts them; `ignore` does not",
    ),
    Setting(
        "TELEMETRY_WORKSPACE_ID", "", "workspace that this log goes to: an ERROR if a cluster in scope is linked to it"
    ),
)

_STORAGE = "AzureWebJobsStorage"
_SERVICES = ("blob", "queue", "table")
_BETWEEN_SCOPES = re.compile(r"[,\r\n]")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_BETWEEN_SUFFIXES = re.compile(r"[,\s]+")
_SUFFIX = re.compile(r"\.?([a-z0-9-]+(?:\.[a-z0-9-]+)+)")
_IDENTITY = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
    re.IGNORECASE,
)
_WORKSPACE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.OperationalInsights/workspaces/[^/]+",
    re.IGNORECASE,
)


class InvalidSettingsError(Exception):
    """The settings do not make sense. `problems` names everything that is wrong, in sentences without secrets."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Storage:
    """The storage account that the host uses: a connection string, or URLs for an identity."""

    connection_string: str | None = field(default=None, repr=False)
    queue_url: str | None = None
    table_url: str | None = None
    client_id: str | None = None
    """A user-assigned identity for the storage alone."""
    identity_resource_id: str | None = None
    """The same, named by its ARM id."""
    api_version: str = api_versions.STORAGE


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app was told."""

    scopes: tuple[Scope, ...]
    """None of them lies within another."""
    mode: Mode
    cloud: Cloud
    storage: Storage
    timing: Timing
    client_id: str | None = None
    outcome_topic_endpoint: str | None = None
    telemetry_workspace: str | None = None
    watches_storage: bool = True
    schedule: str | None = _SCHEDULE
    """When the timer rings; None where another setting that is not known says it."""
    app_name: str = "local"
    """The function app's name, as App Service has it in `WEBSITE_SITE_NAME`."""


def read(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment. An empty value counts as unset; what `SETTINGS` lacks is not seen."""
    given = {setting.name: environ[setting.name] for setting in SETTINGS if environ.get(setting.name, "").strip()}
    problems: list[str] = []
    versions = api_versions.read(given, problems)
    arm, key_vault = versions["ARM_API_VERSION"], versions["KEY_VAULT_API_VERSION"]
    cloud = replace(_cloud(given, problems), arm_api_version=arm, key_vault_api_version=key_vault)
    settings = Settings(
        scopes=_scopes(given, problems),
        mode=_mode(given, problems),
        cloud=cloud,
        storage=replace(_storage(given, cloud, problems), api_version=versions["STORAGE_API_VERSION"]),
        timing=timing_of(given, problems),
        client_id=_guid(given, "AZURE_CLIENT_ID", problems),
        outcome_topic_endpoint=_https_url(given, "OUTCOME_TOPIC_ENDPOINT", problems),
        telemetry_workspace=_workspace(given, problems),
        watches_storage=_watches_storage(given, problems),
        schedule=_schedule(given, environ, problems),
        app_name=environ.get("WEBSITE_SITE_NAME") or "local",
    )
    if problems:
        raise InvalidSettingsError(tuple(problems))
    return settings


def read_cloud(environ: Mapping[str, str]) -> Cloud:
    """The cloud that an environment names, and nothing else of it. Raises `InvalidSettingsError`."""
    problems: list[str] = []
    cloud = _cloud({name: value for name, value in environ.items() if value.strip()}, problems)
    if problems:
        raise InvalidSettingsError(tuple(problems))
    return cloud


def _scopes(given: Mapping[str, str], problems: list[str]) -> tuple[Scope, ...]:
    if "CLUSTER_SCOPES" not in given:
        problems.append("CLUSTER_SCOPES is not set: expected at least one subscription, resource group or cluster.")
        return ()
    found: dict[str, Scope] = {}
    entries = list(filter(None, map(str.strip, _BETWEEN_SCOPES.split(given["CLUSTER_SCOPES"]))))
    for entry in entries:
        scope = Scope.parse(entry)
        if scope is None:
            problems.append(
                f"CLUSTER_SCOPES has the entry '{one_line(entry)}': expected the ARM id of a subscription, a resource "
                "group or a Microsoft.OperationalInsights cluster, such as /subscriptions/<id>/resourceGroups/<name>."
            )
        else:
            found.setdefault(scope.key, scope)
    if not entries:
        problems.append("CLUSTER_SCOPES names no scope: expected at least one.")
    return tuple(scope for scope in found.values() if not any(scope.key.startswith(key + "/") for key in found))


def _mode(given: Mapping[str, str], problems: list[str]) -> Mode:
    word = given.get("MODE")
    if word in set(Mode):
        return Mode(word)
    message = "is not set" if word is None else f"is '{one_line(word)}'"
    problems.append(f"MODE {message}: expected exactly 'enforce' or 'observe'.")
    return Mode.OBSERVE


def _watches_storage(given: Mapping[str, str], problems: list[str]) -> bool:
    word = given.get("STORAGE_ACCOUNTS", "watch")
    if word == "update":
        problems.append("STORAGE_ACCOUNTS is 'update', which is not supported yet: expected 'watch' or 'ignore'.")
    elif word not in {"watch", "ignore"}:
        problems.append(f"STORAGE_ACCOUNTS is '{one_line(word)}': expected exactly 'watch' or 'ignore'.")
    return word != "ignore"


def _cloud(given: Mapping[str, str], problems: list[str]) -> Cloud:
    name = given.get("AZURE_CLOUD", clouds.PUBLIC.name).strip()
    if name.lower() != clouds.CUSTOM.lower():
        cloud = clouds.named(name)
        if cloud is None:
            problems.append(
                f"AZURE_CLOUD is '{one_line(name)}': expected AzurePublic, AzureUSGovernment, AzureChina or Custom."
            )
        return cloud or clouds.PUBLIC
    problems.extend(
        f"{name} is not set: with AZURE_CLOUD=Custom it is required."
        for name in ("ARM_ENDPOINT", "ARM_AUDIENCE", "KEY_VAULT_SUFFIXES")
        if name not in given
    )
    endpoint = _https_url(given, "ARM_ENDPOINT", problems) or "https://unknown.invalid"
    if urlsplit(endpoint).path.strip("/") or urlsplit(endpoint).port not in (None, 443):
        problems.append("ARM_ENDPOINT has a path or a port: expected only https:// and a host name.")
    audience = _https_url(given, "ARM_AUDIENCE", problems) or endpoint
    return clouds.custom(f"https://{urlsplit(endpoint).hostname}", audience, _suffixes(given, problems))


def _suffixes(given: Mapping[str, str], problems: list[str]) -> tuple[str, ...]:
    suffixes: dict[str, None] = {}
    entries = list(filter(None, _BETWEEN_SUFFIXES.split(given.get("KEY_VAULT_SUFFIXES", ""))))
    if not entries and "KEY_VAULT_SUFFIXES" in given:
        problems.append("KEY_VAULT_SUFFIXES names no suffix: expected at least one like .vault.azure.net.")
    for entry in entries:
        found = _SUFFIX.fullmatch(entry.lower())
        if found:
            suffixes["." + found[1]] = None
        else:
            problems.append(
                f"KEY_VAULT_SUFFIXES has the entry '{one_line(entry)}': expected one like .vault.azure.net."
            )
    return tuple(suffixes)


def _storage(given: Mapping[str, str], cloud: Cloud, problems: list[str]) -> Storage:
    """Find the storage account as the host does: a connection string wins over URIs, and these over a name.

    (learn.microsoft.com/azure/azure-functions/functions-reference, "Connections".) The host itself looks for a bare
    `__accountName` under core.windows.net, whatever the cloud, so outside the public cloud it needs the URIs.
    """
    client_id = _guid(given, f"{_STORAGE}__clientId", problems)
    identity = _identity(given, f"{_STORAGE}__managedIdentityResourceId", problems)
    if client_id and identity:
        problems.append(
            f"{_STORAGE}__clientId and {_STORAGE}__managedIdentityResourceId are both set: expected one of them."
        )
    text = given.get(_STORAGE)
    if text is not None:
        problems.extend(connection_string.problems_of(_STORAGE, text.strip()))
        return Storage(connection_string=text.strip())
    uris = {service: f"{_STORAGE}__{service}ServiceUri" for service in _SERVICES}
    missing = [name for name in uris.values() if name not in given]
    account = given.get(f"{_STORAGE}__accountName", "").strip()
    if account and not _ACCOUNT.fullmatch(account):
        problems.append(
            f"{_STORAGE}__accountName is not a storage account's name: expected 3 to 24 letters and digits."
        )
    if not account and len(missing) == len(uris):
        problems.append(
            f"{_STORAGE} is not set: expected it, {_STORAGE}__accountName, or {', '.join(uris.values())} together."
        )
    elif missing and not account:
        problems.extend(f"{name} is not set: the URIs of blob, queue and table go together." for name in missing)
    elif missing and cloud.storage_suffix is None:
        problems.append(f"{_STORAGE}__accountName is not enough in this cloud: expected {', '.join(missing)} as well.")
    urls = {
        service: _https_url(given, name, problems) or f"https://{account}.{service}.{cloud.storage_suffix}"
        for service, name in uris.items()
    }
    return Storage(None, urls["queue"], urls["table"], client_id, identity)


def _schedule(given: Mapping[str, str], environ: Mapping[str, str], problems: list[str]) -> str | None:
    """Check what only the host uses: it would say no more than that a function could not start."""
    text = given.get("RECONCILE_SCHEDULE", _SCHEDULE).strip()
    if text.startswith("%") and not ncrontab.problem_of(text):
        named = environ.get(text.strip("%"), "").strip()
        return named if named and not named.startswith("%") and not ncrontab.problem_of(named) else None
    why = ncrontab.problem_of(text)
    if why is not None:
        problems.append(
            f"RECONCILE_SCHEDULE is '{one_line(text)}', and {why}: expected six fields of NCRONTAB, the second first, "
            "such as 0 */10 * * * *."
        )
    return text


def _guid(given: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    text = given.get(name, "").strip()
    if text and not _GUID.fullmatch(text):
        problems.append(f"{name} is '{one_line(text)}': expected the client id of an identity, a GUID.")
    return text or None


def _identity(given: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    text = given.get(name, "").strip().rstrip("/")
    if text and not _IDENTITY.fullmatch(text):
        problems.append(f"{name} is '{one_line(text)}': expected the ARM id of a user-assigned identity.")
    return text or None


def _workspace(given: Mapping[str, str], problems: list[str]) -> str | None:
    text = given.get("TELEMETRY_WORKSPACE_ID", "").strip().rstrip("/")
    if text and not _WORKSPACE.fullmatch(text):
        problems.append(f"TELEMETRY_WORKSPACE_ID is '{one_line(text)}': expected the ARM id of a workspace.")
    return text or None


def _https_url(given: Mapping[str, str], name: str, problems: list[str]) -> str | None:
    """A setting that is a URL. It is not shown if wrong: it may hold a signature or a password."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        sound = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or "@" in text or "?" in text or "#" in text or not text.isprintable() or " " in text:
        problems.append(f"{name} is not an https URL without user name and query: expected https://<host>.")
        return None
    return text.rstrip("/")
