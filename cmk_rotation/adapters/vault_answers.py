"""Resource Manager's answers about vaults and Managed HSMs, read into what `preflight` knows."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cmk_rotation.adapters.json_values import items, mapping, text
from cmk_rotation.preflight.seen import AccessPolicy, Vault


def vault(body: Mapping[str, Any]) -> Vault | None:
    """A vault or Managed HSM; None if it shows no address."""
    properties = mapping(body.get("properties"))
    uri = properties.get("vaultUri") or properties.get("hsmUri")
    host = urlsplit(str(uri)).hostname if uri else None
    if host is None:
        return None
    network = mapping(properties.get("networkAcls"))
    hsm = "hsmUri" in properties
    return Vault(
        id=text(body.get("id")),
        host=host,
        hsm=hsm,
        location=text(body.get("location")).replace(" ", "").lower(),
        tenant=text(properties.get("tenantId")).lower(),
        soft_delete=properties.get("enableSoftDelete") is not False,  # always on where a vault does not say so
        purge_protection=properties.get("enablePurgeProtection") is True,
        by_roles=properties.get("enableRbacAuthorization") is True or hsm,
        policies=tuple(_policy(mapping(one)) for one in items(properties.get("accessPolicies"))),
        public_access=(text(properties.get("publicNetworkAccess")) or "enabled").lower(),
        default_deny=text(network.get("defaultAction")).lower() == "deny",
        # Without rules of its own, a vault lets trusted services in.
        trusted_services=text(network.get("bypass") or "AzureServices").lower() == "azureservices",
    )


def _policy(body: Mapping[str, Any]) -> AccessPolicy:
    keys = items(mapping(body.get("permissions")).get("keys"))
    return AccessPolicy(text(body.get("objectId")).lower(), frozenset(str(one).lower() for one in keys))
