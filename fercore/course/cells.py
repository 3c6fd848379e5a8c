"""What notebooks need besides the library: claims that are checked, and tables that print the same everywhere."""

import pandas as pd
from IPython.display import display

CHECK_MARK = "✓"


def check(claim: str, holds: bool) -> None:
    """Assert a claim of the text: one fixed line where it holds, which the notebook tests compare; an error where not.

    The tolerance belongs into the condition: `check("the two agree to 1e-12", difference < 1e-12)`.

    Raises:
        AssertionError: it does not hold.
    """
    if not bool(holds):
        raise AssertionError(f"does not hold: {claim}")
    print(f"{CHECK_MARK} {claim}")


class Table:
    """A table that a page shows as one, and that is text everywhere else."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def __repr__(self) -> str:
        with pd.option_context("display.width", 120, "display.max_columns", None, "display.max_rows", None):
            return self.table.to_string()

    def _repr_html_(self) -> str:
        return self.table.to_html(border=0)


def show_table(table: pd.DataFrame) -> None:
    """Show a table, whole, as text and as HTML: what a reader sees is what the notebook tests compare."""
    display(Table(table))
