"""The errors a user can mend. The command line prints them as one line and exits with 1."""


class FercoreError(Exception):
    """Base class: the message says what is wrong, where, and how to mend it."""


class ConfigError(FercoreError):
    """A method, profile, key or value that a run cannot have."""


class UnknownMethod(ConfigError):
    """A method without a row here, such as one of the user's own whose module is not imported."""


class DataError(FercoreError):
    """A data set that is missing, damaged or not what it claims to be."""


class StoreError(FercoreError):
    """A run store that cannot be read, written or trusted."""


class NotShipped(FercoreError):
    """A result that was asked for from the shipped results alone, and is not among them."""


class SweepError(FercoreError):
    """One or more runs of a sweep failed; the others are finished and stored."""
