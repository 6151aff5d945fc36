"""What the triggers call."""
