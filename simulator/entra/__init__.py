"""Microsoft Entra and Azure's roles: who calls, from which tenant, and what they may do."""
