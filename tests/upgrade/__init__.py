"""The version before and this one, on one table and one queue. docs/upgrade.md says what of it is promised."""
