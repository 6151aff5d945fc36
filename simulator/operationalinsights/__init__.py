"""Dedicated clusters and workspaces: what they are and do, whoever asks."""
