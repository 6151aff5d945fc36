"""Key Vault and Managed HSM: vaults with their keys, and the data plane."""
