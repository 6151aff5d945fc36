"""How long a test waits in real time before it takes what it waits for as hung."""

HANG = 800.0
"""Seconds, far above what any load makes of what is waited for. Nothing is asserted about the time that things take."""
