"""The flow of a visit and of a look at everything, through ports."""
