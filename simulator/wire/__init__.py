"""The port: what goes through it, what goes wrong there, and what is remembered of it."""
