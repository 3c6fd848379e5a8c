"""What notebooks need besides the library: claims that are checked, and tables that print the same everywhere."""

import pandas as pd

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


def show_table(table: pd.DataFrame) -> None:
    """Print a table as text, whole: what a reader sees is what the notebook tests compare."""
    with pd.option_context("display.width", 120, "display.max_columns", None, "display.max_rows", None):
        print(table.to_string())
