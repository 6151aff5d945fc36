"""The core, without Azure."""
