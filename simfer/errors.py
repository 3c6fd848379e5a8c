"""What a user can mend. It stands alone, so that the command line can tell of it before NumPy is loaded."""


class SimferError(Exception):
    """A set that cannot be made, gone on with or trusted; the message says how to mend it."""
