"""The two ways in which a host refuses an app."""


class HostError(Exception):
    """The app cannot be hosted at all: the message is one line for its developer."""


class FunctionInError(Exception):
    """One function cannot be started; the others run, as in the real host."""
