"""Every command that a remedy prints, run as it is printed by an unmodified Azure CLI in the playground: `make repairs`."""
