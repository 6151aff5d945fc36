"""The playground: a small Azure on one's desk, to drive with the Azure CLI, and to break in one line."""
