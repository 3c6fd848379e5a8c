"""What an erratum is."""

from dataclasses import dataclass

from torch import Tensor

THESIS, LIU, RAJOLI = "Farzaneh's thesis", "(N+M)-tuplet paper", "AMTC3L paper"


@dataclass(frozen=True)
class Erratum:
    """One entry.

    Attributes:
        key: "E1" and so on for errors in print, "D1" and so on where text and released code disagree or the text is silent.
        where: paper, and equation, table or section.
        printed, right: both versions, in Markdown.
        printed_error, right_error: how far each is from what was computed, relative to it.
        shown: what was computed, in a sentence with rounded numbers.
    """

    key: str
    where: str
    printed: str
    right: str
    printed_error: float
    right_error: float
    shown: str


def error(found: Tensor, true: Tensor) -> float:
    return ((found - true).norm() / true.norm()).item()


def whole_percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def compared(printed: float, right: float) -> str:
    return f"the printed formula is off by {whole_percent(printed)}, the right one by {whole_percent(right)}."
