"""What stands beside a field of `RunConfig`: which values it may have, whose it is, and one line of help."""

import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from fercore.errors import ConfigError


class Of(Enum):
    """Whose a field is, where not every run has it; the value is the heading of its flags."""

    STEP = "what schedule=step has"
    DIGITS = "what digits have"
    FACES = "what faces have"
    METHOD = "what methods have, each some of it"


@dataclass(frozen=True)
class Between:
    """Numbers from the lowest to the highest that are allowed."""

    low: float
    high: float
    verb: ClassVar[str] = "lie in"

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """A few names and, where `own` says of what, those of the user's own code."""

    choices: tuple[str, ...]
    own: str = ""
    verb: ClassVar[str] = "be one of"

    def __contains__(self, value: str) -> bool:
        return value in self.choices or bool(self.own and re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", value))

    def __str__(self) -> str:
        return ", ".join(self.choices) + (f", or {self.own} as package.module:name" if self.own else "")


@dataclass(frozen=True)
class Key:
    """A field as its annotation describes it.

    Attributes:
        name: of the field.
        kind: str, int or float.
        limit: what its values may be; None leaves that to others.
        of: whose it is; None where every run has it.
        help: one line, where its name alone does not say what it is.
    """

    name: str
    kind: type
    limit: Between | OneOf | None = None
    of: Of | None = None
    help: str = ""

    def read(self, value: Any) -> Any:
        """`value` in the field's own type; texts are parsed, so that `--gamma 3` and gamma=3.0 are one config.

        Raises:
            ConfigError: it has another type, or is not allowed.
        """
        try:
            read = READERS[self.kind](value)
        except (TypeError, ValueError, OverflowError):
            wanted = "a string" if self.kind is str else f"of type {self.kind.__name__}"
            raise ConfigError(f"{self.name} must be {wanted}, got {value!r}") from None
        if self.limit is not None and read not in self.limit:
            shown = f"{read:g}" if self.kind is float else repr(read)
            raise ConfigError(f"{self.name} must {self.limit.verb} {self.limit}, got {shown}")
        return read


def keys_of(config: type) -> dict[str, Key]:
    """The keys of a dataclass whose fields are annotated as `Annotated[int | None, Between(1, 9), Of.FACES, "help"]`."""
    return {name: key_of(name, hint) for name, hint in typing.get_type_hints(config, include_extras=True).items()}


def key_of(name: str, hint: Any) -> Key:
    kind, notes = getattr(hint, "__origin__", hint), getattr(hint, "__metadata__", ())
    found = {PLACES[type(note)]: note for note in notes}
    return Key(name, (typing.get_args(kind) or (kind,))[0], **found)


PLACES = {Between: "limit", OneOf: "limit", Of: "of", str: "help"}


def read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def read_whole(value: Any) -> int:
    if isinstance(value, bool) or (not isinstance(value, str) and int(value) != value):
        raise ValueError
    return int(value)


def read_number(value: Any) -> float:
    return float(value) + 0.0  # -0.0 and 0.0 are one config


READERS: dict[type, Callable[[Any], Any]] = {str: read_text, int: read_whole, float: read_number}
