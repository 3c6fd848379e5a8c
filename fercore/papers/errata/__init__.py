"""What the papers print wrong: each formula computed as printed and as right, and the number that tells them apart.

`python -m fercore errata --write ERRATA.md` writes the list; a test holds the file to it. Derivatives are checked by finite
differences in float64, counts by arithmetic. Numbers are rounded so that every machine gets the same. What computes nothing, a
wrong name or number of an equation, stands in SLIPS.
"""

from fercore.papers.errata import counts, formulas, released
from fercore.papers.errata.entry import LIU, RAJOLI, THESIS, Erratum

SLIPS = (  # where, printed, meant
    (f"{THESIS}, 3.3.2", "the distribution of RAF-DB is shown in figure 3.7", "that figure is AffectNet's; RAF-DB's is 3.6"),
    (f"{THESIS}, table 3.3", "separate loss [52]", "[43], as everywhere else"),
    (f"{THESIS}, chapter 2", "(N+M)-tuplets of N positives and M negatives", "N negatives and M positives"),
    (f"{THESIS}, (4.14)", "the index j on the right, k on the left", "one index"),
    (f"{LIU}, section 3", "N negative and M negative examples", "M positive ones"),
    (f"{LIU}, (3)", "D(f+, c+) in a sum over i", "D(f_i+, c+)"),
    (f"{LIU}, below (5)", "f_1 and f_2 have 2d dimensions", "d; z, which holds both, has 2d"),
    (f"{LIU}, below (10)", "(12) is optimized", "(10)"),
    (f"{RAJOLI}, IV-B", "MS-NSS takes advantage of both methods", "MM-NSS"),
    (f"{RAJOLI}, algorithm MM-NSS", "its inputs lack the prediction", "it selects by it, as NS-NSS does"),
    (f"{RAJOLI}, III and IV-A", "a row score; an expression called Natural", "raw score; neutral"),
)


def errata() -> list[Erratum]:
    """All of them, computed now."""
    entries = [make() for module in (formulas, counts, released) for make in module.ERRATA]
    return sorted(entries, key=lambda entry: (entry.key[0] != "E", int(entry.key[1:])))


def to_markdown() -> str:
    """ERRATA.md."""
    lines = ["# Errata of the papers", "", "Made by `python -m fercore errata --write ERRATA.md`; do not edit.", ""]
    lines += [
        "E: an error in print. D: text and released code disagree, or the text does not say. Derivatives are held against",
        "finite differences in float64, on 8 random embeddings of 3 dimensions and 4 centers; an error is a relative one.",
        "",
    ]
    for entry in errata():
        lines += [f"## {entry.key}: {entry.where}", "", f"- As printed: {entry.printed}", f"- Here: {entry.right}"]
        lines += [f"- Shown by: {entry.shown}", ""]
    lines += ["## Slips of the pen", "", "Names and numbers that change no formula.", ""]
    lines += [f"- {where}: {printed}. Meant: {meant}." for where, printed, meant in SLIPS]
    return "\n".join(lines) + "\n"
