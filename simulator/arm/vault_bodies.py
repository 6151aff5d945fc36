"""Vaults and Managed HSMs as ARM shows them, and what a body that is written to one changes of it.

Properties, their limits and defaults are those of the REST reference of Microsoft.KeyVault 2026-02-01. The texts of
refusals are as users met them where a comment names a source; the others follow their pattern.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Any

from simulator.arm.answers import envelope
from simulator.arm.vault_policies import bad_request, invalid, policies_body, read_policies
from simulator.clock import iso
from simulator.keyvault.keys import PublicAccess
from simulator.keyvault.vaults import DeletedVault, Vault

RBAC_BY_DEFAULT_SINCE = "2026-02-01"
"""The api-version from which a new vault has Azure roles unless it is told otherwise; before, it had access policies.
From "Prepare for Key Vault API version 2026-02-01 and later"."""
WRITABLE_OF_HSM = frozenset({"networkAcls", "publicNetworkAccess", "enablePurgeProtection"})

_FLAGS = ("enabledForDeployment", "enabledForDiskEncryption", "enabledForTemplateDeployment")
_READ_ONLY = {"vaultUri", "provisioningState", "hsmPoolResourceId", "privateEndpointConnections", "createMode"}
_PRIVATE_RANGES = [IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def vault_body(vault: Vault) -> dict[str, Any]:
    """A vault or a Managed HSM."""
    properties: dict[str, Any] = {
        "tenantId": vault.tenant,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": vault.retention_days,
        "publicNetworkAccess": vault.public_access.value,
        "networkAcls": {
            "bypass": "AzureServices" if vault.trusted_services else "None",
            "defaultAction": "Deny" if vault.firewalled else "Allow",
            "ipRules": [{"value": one} for one in vault.ip_rules],
            "virtualNetworkRules": [{"id": one} for one in vault.subnets],
        },
        "provisioningState": "Succeeded",
    }
    if vault.purge_protection:
        # Azure shows the property only when it is true: it cannot be turned off again.
        properties["enablePurgeProtection"] = True
    body = envelope(vault.resource_id, vault.resource_type, vault.location) | {"tags": vault.tags}
    if vault.hsm:
        properties |= {"hsmUri": vault.uri, "statusMessage": "The Managed HSM is provisioned and ready to use."}
        return body | {"sku": {"family": "B", "name": "Standard_B1"}, "properties": properties}
    properties |= vault.enabled_for | {
        "vaultUri": vault.uri,
        "sku": {"family": "A", "name": vault.sku},
        "enableRbacAuthorization": not vault.access_policies,
        "accessPolicies": policies_body(vault),
    }
    return body | {"properties": properties}


def deleted_body(deleted: DeletedVault) -> dict[str, Any]:
    """A deleted vault."""
    vault = deleted.vault
    subscription = vault.resource_id.partition("/resourceGroups/")[0]
    return {
        "id": f"{subscription}/providers/Microsoft.KeyVault/locations/{vault.location}/deletedVaults/{vault.name}",
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": vault.resource_id,
            "location": vault.location,
            "tags": vault.tags,
            "deletionDate": iso(deleted.at),
            "scheduledPurgeDate": iso(deleted.purged_at),
            "purgeProtectionEnabled": vault.purge_protection,
        },
    }


def changes(properties: Mapping[str, Any], vault: Vault | None) -> dict[str, Any]:
    """What the properties of a body change, by the name of the vault's field; None stands for a vault to be made."""
    given = {name: value for name, value in properties.items() if value is not None}
    if unknown := given.keys() - _READERS.keys() - _READ_ONLY - {"accessPolicies"}:
        raise bad_request(f"Could not find member '{min(unknown)}' on object of type 'VaultProperties'.")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _READERS:
            found |= _READERS[name](value)
    flags = {name: found.pop(name) for name in _FLAGS if name in found}
    if flags:
        found["enabled_for"] = (vault.enabled_for if vault else {}) | flags
    if vault and found.get("retention_days", vault.retention_days) != vault.retention_days:
        # The text is in hashicorp/terraform-provider-azurerm's key_vault_resource.go.
        raise bad_request('The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.')
    tenant = found.get("tenant", vault.tenant if vault else "")
    if "accessPolicies" in given:
        found["policies"] = read_policies(given["accessPolicies"], tenant)
    elif vault and vault.policies and tenant != vault.tenant:
        # "All identities in the array must use the same tenant ID as the key vault's", and they stay the old one's.
        raise invalid("accessPolicies")
    return found


def replacing(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a PUT to a vault that exists, with what it resets by not naming it.

    Not known for networkAcls: here they are reset to their default, as a PUT replaces. What cannot be taken back stays,
    and so does the permission model ("Existing vaults keep their current access control model").
    """
    return {"networkAcls": {}, "publicNetworkAccess": "Enabled", **dict.fromkeys(_FLAGS, False)} | {
        name: value for name, value in properties.items() if value is not None
    }


def _one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    for one in allowed:
        if isinstance(value, str) and value.lower() == one.lower():
            return one
    raise invalid(name)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(name)
    return value


def _named_flag(name: str, value: Any) -> dict[str, Any]:
    return {name: _flag(name, value)}


def _irreversible(name: str, what: str, value: Any) -> None:
    """Refuse false. The text for enablePurgeProtection is in Azure/azure-rest-api-specs issue 18106."""
    if not _flag(name, value):
        raise bad_request(
            f'The property "{name}" cannot be set to false. Enabling the {what} for a vault is an irreversible action.'
        )


def _tenant(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value.lower()):
        raise invalid("tenantId")
    return {"tenant": value.lower()}


def _sku(value: Any) -> dict[str, Any]:
    sku = value if isinstance(value, dict) else {}
    _one_of("sku", sku.get("family"), ["A"])
    return {"sku": _one_of("sku", sku.get("name"), ["standard", "premium"])}


def _retention(value: Any) -> dict[str, Any]:
    if not isinstance(value, int) or not 7 <= value <= 90:
        raise invalid("softDeleteRetentionInDays")
    return {"retention_days": value}


def _soft_delete(value: Any) -> dict[str, Any]:
    _irreversible("enableSoftDelete", "soft delete", value)
    return {}


def _purge_protection(value: Any) -> dict[str, Any]:
    _irreversible("enablePurgeProtection", "purge protection", value)
    return {"purge_protection": True}


def _network(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid("networkAcls")
    bypass = _one_of("networkAcls.bypass", value.get("bypass") or "AzureServices", ["AzureServices", "None"])
    action = _one_of("networkAcls.defaultAction", value.get("defaultAction") or "Allow", ["Allow", "Deny"])
    return {
        "trusted_services": bypass == "AzureServices",
        "firewalled": action == "Deny",
        "ip_rules": [_address(one) for one in _values(value, "ipRules", "value")],
        # In lower case, which the Azure CLI says of Key Vault too.
        "subnets": [one.lower() for one in _values(value, "virtualNetworkRules", "id")],
    }


def _values(acls: dict[str, Any], name: str, key: str) -> list[str]:
    rules = acls.get(name) or []
    if not isinstance(rules, list) or not all(isinstance(it, dict) and isinstance(it.get(key), str) for it in rules):
        raise invalid(f"networkAcls.{name}")
    return [one[key] for one in rules]


def _address(value: str) -> str:
    """An IPv4 address or range as Azure shows it; "Configure network security for Key Vault" has the limits."""
    try:
        found = IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise invalid("networkAcls.ipRules") from error
    if any(found.overlaps(one) for one in _PRIVATE_RANGES):
        raise invalid("networkAcls.ipRules")
    return str(found)


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "tenantId": _tenant,
    "sku": _sku,
    "enableSoftDelete": _soft_delete,
    "softDeleteRetentionInDays": _retention,
    "enablePurgeProtection": _purge_protection,
    "enableRbacAuthorization": lambda value: {"access_policies": not _flag("enableRbacAuthorization", value)},
    "networkAcls": _network,
    "publicNetworkAccess": lambda value: {
        "public_access": PublicAccess(_one_of("publicNetworkAccess", value, list(PublicAccess)))
    },
    **{name: partial(_named_flag, name) for name in _FLAGS},
}
