"""What the book adds to Sphinx: links that stay, words for pictures, and a way from a mention to the place.

- Every claim that a notebook checks, every figure, numbered equation and erratum has an anchor, named after what it says:
  `claim-...`, the figure's file name, `eq-3-5`, `e9`. A page may link to them: `[text](../notebooks/NAME.ipynb#anchor)`.
- A figure's alternative text is its caption: the next words of the chapter.
- "chapter 4", "E9" and, on its own page, "(3.5)" become links.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CLAIM = "✓ "
ALT_LENGTH = 240
EQUATION = re.compile(r"\((\d+\.\d+)\)")
ERRATUM = re.compile(r"\b([ED]\d+)\b")
MENTION = re.compile(r"\b[Cc]hapter (\d+)\b|\b([ED]\d{1,2})\b|\((\d\.\d+)\)")
CHAPTERS = {int(path.name[:2]): f"notebooks/{path.stem}" for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))}


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", list_chapters)
    app.connect("source-read", point_at_figures)
    app.connect("doctree-read", prepare)
    app.connect("build-finished", write_entrance)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def prepare(app: Sphinx, document: nodes.document) -> None:
    """All that is done to a page after it is read."""
    anchors = Anchors(document, app.env.docname, app.env.metadata[app.env.docname])
    list_claims(document, anchors)
    describe_figures(document, anchors)
    number_equations(document, anchors)
    name_errata(document, anchors)
    link_mentions(document, app.env.docname, anchors)


class Anchors:
    """The anchors of one page, each given once, and known to the links of other pages."""

    def __init__(self, document: nodes.document, page: str, metadata: dict) -> None:
        self.document, self.page = document, page
        self.slugs = metadata.setdefault("myst_slugs", {})
        self.given: set[str] = set()

    def give(self, node: nodes.Element, name: str, title: str) -> str:
        """Give `node` the anchor `name`, or name-2, name-3 where that is taken."""
        anchor, count = name, 1
        while anchor in self.given or anchor in self.document.ids:
            count += 1
            anchor = f"{name}-{count}"
        self.given.add(anchor)
        node["ids"].append(anchor)
        self.slugs[anchor] = (0, anchor, title)
        return anchor


def permalink(anchor: str, what: str) -> nodes.reference:
    """The sign that shows when the pointer or the keyboard is near, as at headings."""
    return nodes.reference("", "#", refid=anchor, classes=["here"], reftitle=f"Link to this {what}", internal=True)


def put_permalink_after(node: nodes.Element, anchor: str, what: str) -> None:
    node.parent.insert(node.parent.index(node) + 1, nodes.paragraph("", "", permalink(anchor, what), classes=["here"]))


# --- claims ---------------------------------------------------------------------------------------------------------


def list_claims(document: nodes.document, anchors: Anchors) -> None:
    """Lines that `check` printed become a list whose items can be linked to; what else the cell printed stays."""
    for block in list(document.findall(nodes.literal_block)):
        lines = block.astext().splitlines()
        if "stream" in block["classes"] and any(line.startswith(CLAIM) for line in lines):
            block.parent.replace(block, list(claims_and_rest(block, lines, anchors)))


def claims_and_rest(block: nodes.literal_block, lines: list[str], anchors: Anchors) -> Iterator[nodes.Element]:
    rest = [line for line in lines if not line.startswith(CLAIM)]
    if any(line.strip() for line in rest):
        text = "\n".join(rest)
        yield nodes.literal_block(text, text, language="none", classes=list(block["classes"]))
    claims = nodes.bullet_list(classes=["claims"])
    for claim in (line.removeprefix(CLAIM) for line in lines if line.startswith(CLAIM)):
        item = nodes.list_item()
        anchor = anchors.give(item, f"claim-{slug(claim)}", claim)
        item += nodes.paragraph("", "", nodes.Text(claim), permalink(anchor, "claim"))
        claims += item
    yield claims


def slug(text: str) -> str:
    """The first eight words, as an anchor writes them."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower())[:8])


# --- figures --------------------------------------------------------------------------------------------------------


def describe_figures(document: nodes.document, anchors: Anchors) -> None:
    """Anchor and alternative text of every picture that a cell drew."""
    for cell in document.findall(lambda node: isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"):
        names = figure_names(cell.astext())
        for position, picture in enumerate(list(cell.findall(nodes.image))):
            picture["alt"] = caption_of(cell)
            name = names[position] if position < len(names) else "figure"
            put_permalink_after(picture, anchors.give(picture, name.replace("_", "-"), picture["alt"]), "figure")


def figure_names(code: str) -> list[str]:
    """The names under which a cell's code exports its figures, as far as they are spelled out."""
    return re.findall(r'save_figure\([^\n]*?, "(\w+)", PROFILE\)', code)


def caption_of(cell: nodes.Element) -> str:
    """The chapter's heading and the words after the cell, or those before it; no longer than a listener can bear."""
    section = next(node for node in ancestors(cell) if isinstance(node, nodes.section))
    place = section.index(cell)
    around = [*section.children[place:], *reversed(section.children[:place])]
    words = next((node.astext() for node in around if isinstance(node, nodes.paragraph)), "")
    text = " ".join(f"{next(section.findall(nodes.title)).astext()}. {words}".split())
    return text if len(text) <= ALT_LENGTH else text[:ALT_LENGTH].rsplit(" ", 1)[0] + " ..."


def ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


# --- equations and errata -----------------------------------------------------------------------------------------------


def number_equations(document: nodes.document, anchors: Anchors) -> None:
    """The paper's number of an equation, written beside it as `(3.5)`, is its anchor: `eq-3-5`."""
    for block in list(document.findall(nodes.math_block)):
        for number in EQUATION.findall(block.astext()):
            anchor = anchors.give(block, f"eq-{number.replace('.', '-')}", f"({number})")
            put_permalink_after(block, anchor, f"equation ({number})")


def name_errata(document: nodes.document, anchors: Anchors) -> None:
    """`## E9: ...` on the page of errata, and the paragraph of a chapter that starts with **E9.**, have the anchor `e9`."""
    for section in document.findall(nodes.section):
        if number := re.match(r"([ED]\d+):", section[0].astext()):
            anchors.give(section, number[1].lower(), section[0].astext())
    for words in document.findall(nodes.strong):
        if number := re.fullmatch(r"([ED]\d+)\.?", words.astext()):
            anchors.give(words, number[1].lower(), number[1])


# --- mentions -----------------------------------------------------------------------------------------------------------


def link_mentions(document: nodes.document, page: str, anchors: Anchors) -> None:
    """Chapters, errata and this page's equations, where the text names them."""
    for text in list(document.findall(nodes.Text)):
        if is_prose(text) and MENTION.search(text):
            text.parent.replace(text, list(linked(str(text), page, anchors)))


def is_prose(text: nodes.Text) -> bool:
    inside = (nodes.reference, pending_xref, nodes.title, nodes.literal, nodes.literal_block, nodes.math, nodes.strong)
    kinds = (nodes.paragraph, nodes.entry)
    around = list(ancestors(text))
    return any(isinstance(node, kinds) for node in around) and not any(isinstance(node, inside) for node in around)


def linked(text: str, page: str, anchors: Anchors) -> Iterator[nodes.Node]:
    done = 0
    for found in MENTION.finditer(text):
        chapter, erratum, equation = found.groups()
        if chapter and CHAPTERS.get(int(chapter), page) != page:
            link = to_page(found[0], CHAPTERS[int(chapter)], page)
        elif erratum and page != "ERRATA":
            link = to_page(found[0], "ERRATA", page, erratum.lower())
        elif equation and (anchor := f"eq-{equation.replace('.', '-')}") in anchors.given:
            link = nodes.reference("", found[0], refid=anchor, internal=True)
        else:
            continue
        yield from [nodes.Text(text[done : found.start()]), link]
        done = found.end()
    yield nodes.Text(text[done:])


def to_page(words: str, target: str, page: str, anchor: str | None = None) -> nodes.Node:
    if anchor:
        up = "../" * page.count("/")
        return nodes.reference("", words, refuri=f"{up}{target}.html#{anchor}", internal=True)
    options = dict(refdomain="std", reftype="doc", reftarget=f"/{target}", refdoc=page, refexplicit=True, refwarn=True)
    return pending_xref("", nodes.inline("", words), **options)


# --- pages --------------------------------------------------------------------------------------------------------------


def list_chapters(app: Sphinx, page: str, source: list[str]) -> None:
    """`%chapters%` stands for the notebooks, each by its number and the question that it asks."""
    if "%chapters%" in source[0]:
        lines = [f"{number:02} · {question(path)} <../{path}>" for number, path in CHAPTERS.items()]
        source[0] = source[0].replace("%chapters%", "\n".join(lines))


def question(path: str) -> str:
    """The question in bold under a notebook's title."""
    first = "".join(json.loads((NOTEBOOKS.parent / f"{path}.ipynb").read_text(encoding="utf-8"))["cells"][0]["source"])
    return re.search(r"\*\*(.+?)\*\*", first)[1]


def point_at_figures(app: Sphinx, page: str, source: list[str]) -> None:
    """In figures/INDEX.md the links to picture files lead to the place in the chapter that draws and shows them."""
    if page == "figures/INDEX":
        drawn = {}
        for path in CHAPTERS.values():
            cells = json.loads((NOTEBOOKS.parent / f"{path}.ipynb").read_text(encoding="utf-8"))["cells"]
            shown = [cell for cell in cells if "image/png" in str(cell.get("outputs"))]
            code = "\n".join("".join(cell["source"]) for cell in shown)
            drawn |= {name: f"../{path}.ipynb#{name.replace('_', '-')}" for name in figure_names(code)}
        source[0] = re.sub(r"\((\w+)\.png\)", lambda link: f"({drawn.get(link[1], link[0][1:-1])})", source[0])


def write_entrance(app: Sphinx, exception: Exception | None) -> None:
    """A page where one looks for the first one, beside the folder of all pages."""
    if exception is None and app.builder.format == "html":
        first = f"{app.outdir.name}/{app.config.root_doc}.html"
        forward = f'<meta charset="utf-8"><title>The book</title><meta http-equiv="refresh" content="0; url={first}">'
        page = f'<!doctype html><html lang="en">{forward}<a href="{first}">The book</a></html>\n'
        (app.outdir.parent / "index.html").write_text(page, encoding="utf-8")
