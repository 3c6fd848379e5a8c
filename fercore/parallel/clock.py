"""When this session began: the moment after which a result counts as fresh."""

import os
from datetime import UTC, datetime

from fercore.errors import ConfigError

# `make course FRESH=1` hands its own start to every notebook, so that a run which two notebooks show is trained anew once, not
# twice; a worker of a sweep that is tried again must not take its own checkpoint for an earlier session's.
IMPORTED = datetime.now(UTC).isoformat(timespec="seconds")


def session_start() -> str:
    """An ISO time with its zone, told to every process that this one starts by the environment (FERCORE_SESSION_START).

    Raises:
        ConfigError: the environment says something else.
    """
    told = os.environ.setdefault("FERCORE_SESSION_START", IMPORTED)
    try:
        return datetime.fromisoformat(told).astimezone(UTC).isoformat(timespec="seconds")
    except ValueError:
        raise ConfigError(f"FERCORE_SESSION_START={told!r} is no time such as {IMPORTED}") from None
