"""Links from code to the library, as sphinx-codeautolink finds them, put in at a small part of its cost.

For each cell of a notebook it reads every cell above once more, and for its links it parses every written page and prints it
anew: two thirds of the time that the book took. Here a page's cells are read once, and links are put into its text.
"""

import ast
import html
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx_codeautolink import extension
from sphinx_codeautolink.extension.block import SourceTransform, construct_name_pattern
from sphinx_codeautolink.parse import ImportTrackerVisitor, Name

logger = logging.getLogger(__name__)
BLOCK = re.compile(r'(?<=<div class="highlight">)<pre>.*?</pre>', re.DOTALL)


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx_codeautolink")
    extension.block.parse_names = Reader().names
    extension.link_html = link_page
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Reader:
    """Reads a page's blocks of code, each handed over behind all that stand above it, as one program."""

    def __init__(self) -> None:
        self.page, self.known, self.program = None, "", None

    def names(self, source: str, block: nodes.Element) -> list[Name]:
        """The names of `source` that come from its imports, but for those that were handed over before."""
        if block.document is not self.page or not source.startswith(self.known):
            self.page, self.known, self.program = block.document, "", ImportTrackerVisitor(block)
        self.program.accessed = []
        new = ast.parse(source.removeprefix(self.known))
        self.program.visit(ast.increment_lineno(new, self.known.count("\n")))
        self.known = f"{source}\n"
        return self.program.accessed


def link_page(page: str, folder: str, blocks: list[SourceTransform], places: dict[str, str], *_: object, **__: object) -> None:
    """Put the links of a page's blocks of code into its file."""
    file = Path(folder, f"{page}.html")
    text = file.read_text(encoding="utf-8")
    written = [(plain(found[0]).rstrip(), found) for found in BLOCK.finditer(text)]
    linked = {}
    for block in blocks:
        position = next((i for i, (code, _) in enumerate(written) if code == block.source.rstrip()), None)
        if position is None:
            logger.warning("code that is not on the page:\n%s", block.source, location=page)
        else:
            found = written.pop(position)[1]
            linked[found.start()] = with_links(found[0], block.names, places, page)
    file.write_text(BLOCK.sub(lambda found: linked.get(found.start(), found[0]), text), encoding="utf-8")


def with_links(code: str, names: list[Name], places: dict[str, str], page: str) -> str:
    """The colored code with each name a link to its place, which is titled where the code does not spell it out."""
    lines = code.split("\n")
    for name in names:
        rows = slice(name.lineno - 1, name.end_lineno)
        part = "\n".join(lines[rows])
        *_, found = [None, *re.finditer(construct_name_pattern(name), part)]  # in `a.b = a.b` from the right
        if found is None:
            logger.warning("`%s` was not found in the code:\n%s", name.code_str, plain(code), location=page)
            continue
        start, target, place = found.end(1), name.resolved_location, places[name.resolved_location]
        place = place if place.startswith("http") else "../" * page.count("/") + place
        words = part[start : found.end()]
        title = "" if "".join(plain(words).split()) == target else f' title="{target}"'
        link = f'<a href="{place}"{title} class="sphinx-codeautolink-a">{words}</a>'
        lines[rows] = f"{part[:start]}{link}{part[found.end() :]}".split("\n")
    return "\n".join(lines)


def plain(code: str) -> str:
    """The code without its colors."""
    return html.unescape(re.sub(r"<[^>]*>", "", code))
