"""Event Grid: delivery of Key Vault's events, and custom topics."""
