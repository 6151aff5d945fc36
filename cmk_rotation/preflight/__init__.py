"""What must be true for the next rotation to work, looked at before it happens. Pure: no I/O, no clock."""
