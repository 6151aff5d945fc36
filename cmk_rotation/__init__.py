"""Moves Log Analytics dedicated clusters to the new version of a rotated customer-managed key, and proves it."""
