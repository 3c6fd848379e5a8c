"""The web book: it builds without a warning, and a real browser shows every page whole, offline, on a phone and at a desk."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from fercore.papers.gains import judge
from fercore.paths import NOTEBOOKS, ROOT

playwright = pytest.importorskip("playwright.sync_api")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe

INSTALLED = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
KINDS = (  # one page of every kind, for what takes long
    "book/index", "book/notation", "book/glossary", "book/explore/plane", "book/explore/faces", "book/explore/negatives",
    "book/explore/gain", "book/exercises/02_dda", "book/api/losses", "notebooks/01_softmax_and_center", "ERRATA", "search",
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """The folder of a freshly built book."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "-c", "book"]
    command += ["-d", str(folder / "doctrees"), ".", str(folder / "html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium with an empty profile: the system's, or the one that playwright fetched."""
    with playwright.sync_playwright() as driver:
        program = INSTALLED or driver.chromium.executable_path
        if not Path(program).exists():
            pytest.skip("no Chromium here: apt-get install chromium, or python -m playwright install chromium")
        profile = str(tmp_path_factory.mktemp("profile"))
        chromium = driver.chromium.launch_persistent_context(
            profile, executable_path=program, headless=True, args=QUIET, viewport=DESK
        )
        chromium.add_init_script("localStorage.setItem('mode', 'light'); localStorage.setItem('theme', 'light')")
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser):
    tab = open_tab(browser)
    yield tab
    tab.close()


def open_tab(browser):
    """A tab that keeps what went wrong in `tab.faults`."""
    tab = browser.new_page()
    tab.faults = []
    tab.on("console", lambda message: tab.faults.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("requestfailed", lambda request: tab.faults.append(f"missing: {request.url}"))
    tab.on("request", lambda request: tab.faults.append(f"remote: {request.url}") if is_remote(request.url) else None)
    return tab


def is_remote(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:", "about:"))


def show(tab, pages: Path, name: str):
    """Open a page, and wait until its mathematics is typeset."""
    page, query = (*name.split("?"), "")[:2]
    tab.goto(f"file://{pages / page}.html?{query}")
    tab.evaluate("() => window.MathJax?.startup?.promise")


def names_of(pages: Path) -> list[str]:
    return sorted(str(path.relative_to(pages))[:-5] for path in pages.rglob("*.html") if "_static" not in path.parts)


# --- without a browser ----------------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Every target, picture and anchor of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.loads, self.alternatives, self.anchors = [], [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        self.anchors |= {given["id"]} if given.get("id") else set()
        self.links += [given["href"]] if tag == "a" and given.get("href") else []
        self.loads += [given["src"]] if given.get("src") else []
        self.loads += [given["href"]] if tag == "link" and given.get("rel") in ("stylesheet", "icon") else []
        self.alternatives += [given.get("alt", "")] if tag == "img" else []


@pytest.fixture(scope="module")
def read(pages):
    return {name: Links(pages / f"{name}.html") for name in names_of(pages)}


def test_every_link_inside_the_book_leads_somewhere(pages, read):
    lost = []
    for name, page in read.items():
        here = pages / f"{name}.html"
        for link in (link for link in page.links if not re.match(r"\w+:", link)):
            path, _, anchor = re.sub(r"\?[^#]*", "", link).partition("#")
            target = (here.parent / path).resolve() if path else here.resolve()
            known = read.get(str(target.relative_to(pages.resolve()).with_suffix("")))
            if not target.exists() or (anchor and known and anchor not in known.anchors):
                lost.append(f"{name}: {link}")
    assert not lost


def test_nothing_is_loaded_from_elsewhere(pages, read):
    assert not [(name, load) for name, page in read.items() for load in page.loads if re.match(r"(\w+:)?//", load)]
    styles = [path.read_text(encoding="utf-8") for path in pages.rglob("*.css")]
    assert not [style for style in styles if re.search(r"(@import|url\()\s*['\"]?(https?:)?//", style)]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("[0-9]*.ipynb")), ids=lambda path: path.stem)
def test_claims_and_figures_of_a_chapter_have_addresses(read, path):
    page = read[f"notebooks/{path.stem}"]
    outputs = [out for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" for out in cell.outputs]
    claims = sum(out.get("text", "").count("✓ ") for out in outputs)
    assert sum(anchor.startswith("claim-") for anchor in page.anchors) == claims
    pictures = sum(any(kind.startswith("image/") for kind in out.get("data", {})) for out in outputs)
    assert len([alternative for alternative in page.alternatives if len(alternative) > 30]) >= pictures


def test_equations_and_errata_have_addresses(read):
    assert {"eq-3-2", "eq-3-3", "eq-3-4"} <= read["notebooks/01_softmax_and_center"].anchors
    assert {f"e{number}" for number in range(1, 9)} <= read["ERRATA"].anchors


def test_the_table_of_contents_names_every_chapters_question(pages):
    contents = (pages / "book" / "index.html").read_text(encoding="utf-8")
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        question = re.search(r"\*\*(.+?)\*\*", nbformat.read(path, 4).cells[0].source)[1]
        assert question.replace("'", "’") in contents, question


# --- in a browser ---------------------------------------------------------------------------------------------------------

TEXT = "p, li, h1, h2, h3, td, th, dt, img, svg, pre, .math"
CUT = f"""() => [...document.querySelectorAll("article :is({TEXT})")].filter((node) => {{
  if (node.getBoundingClientRect().right <= innerWidth + 1) return false;
  for (let box = node; box; box = box.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
  return true;
}}).map((node) => node.outerHTML.slice(0, 200))"""
NOT_TYPESET = """() => [...document.querySelectorAll(".math")].filter((node) => !node.querySelector("mjx-container"))
  .concat([...document.querySelectorAll("mjx-merror, [data-mjx-error]")]).map((node) => node.textContent.slice(0, 100))"""


CHOOSE = """(theme) => {
  document.querySelector(`.theme-change-button[data-mode=${theme}]`).click();
  const changes = document.getAnimations().map((change) => change.finished);
  return Promise.allSettled(changes).then(() => document.documentElement.dataset.theme);
}"""


@pytest.fixture(scope="module")
def seen(pages, browser) -> dict[str, dict]:
    """What is wrong with each page, opened once: at a desk, for those who read otherwise, on a phone."""
    tab = open_tab(browser)
    found = {name: look_at(tab, pages, name) for name in names_of(pages)}
    tab.close()
    return found


def look_at(tab, pages: Path, name: str) -> dict:
    tab.faults.clear()
    tab.set_viewport_size(DESK)
    show(tab, pages, name)
    found = {"desk": sideways(tab)} | (for_other_readers(tab) if name in KINDS else {})
    tab.set_viewport_size(PHONE)
    return found | {"phone": sideways(tab), "not typeset": tab.evaluate(NOT_TYPESET), "faults": list(tab.faults)}


def sideways(tab) -> list[str]:
    """What is cut off at the right."""
    scrolls = tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    return ["the page scrolls sideways"] * scrolls + tab.evaluate(CUT)


def for_other_readers(tab) -> dict[str, list]:
    """Serious faults by axe's rules. In the dark theme the colors alone are others; the page is left in the light one."""
    found = {}
    for theme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        assert tab.evaluate(CHOOSE, theme) == theme
        options = {"resultTypes": ["violations"], "preload": False} | rules  # nothing is fetched: from a disk it may not be
        violations = Axe().run(tab, options=options).response["violations"]
        serious = [one for one in violations if one["impact"] in ("serious", "critical")]
        found[theme] = [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]
    assert tab.evaluate(CHOOSE, "light") == "light"
    return found


def test_every_page_loads_whole_at_a_desk_and_on_a_phone(seen):
    wrong = {name: {what: found[what] for what in ("desk", "phone", "not typeset", "faults")} for name, found in seen.items()}
    assert not {name: found for name, found in wrong.items() if any(found.values())}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_fault_for_people_who_read_otherwise(seen, theme):
    assert not {name: seen[name][theme] for name in KINDS if seen[name][theme]}


def test_search_finds_the_chapter(pages, tab):
    show(tab, pages, "search?q=lossless")
    tab.wait_for_selector("#search-results li a")
    assert any("06_amtc3l" in link.get_attribute("href") for link in tab.query_selector_all("#search-results li a"))
    assert not tab.faults


def test_chapters_lead_on_and_back_and_to_the_library(pages, tab):
    show(tab, pages, "notebooks/01_softmax_and_center")
    assert "02_dda" in tab.get_attribute("a.right-next", "href")
    assert "00_start" in tab.get_attribute("a.left-prev", "href")
    assert "#fercore.losses.center_loss" in tab.get_attribute("a.sphinx-codeautolink-a:has-text('center_loss')", "href")


def test_folded_code_opens_at_a_click(pages, tab):
    show(tab, pages, "notebooks/01_softmax_and_center")
    folded = tab.locator("details.hide").nth(1)
    assert not folded.locator("pre").first.is_visible()
    folded.locator("summary").click()
    assert folded.locator("pre").first.is_visible()


def said(tab) -> str:
    return tab.inner_text(".explorable .said")


def press(tab, label: str, key: str, times: int = 1) -> None:
    control = tab.get_by_role("slider", name=label)
    control.focus()
    for _ in range(times):
        control.press(key)


def test_the_plane_moves_by_keyboard(pages, tab):
    show(tab, pages, "book/explore/plane")
    digits = tab.locator(".points text")
    assert digits.count() == 500
    before = digits.first.get_attribute("style")
    press(tab, "Epoch", "End")
    assert "epoch 6 of 6" in said(tab)
    assert digits.first.get_attribute("style") != before
    tab.get_by_role("combobox", name="Loss").select_option("DDA")
    tab.get_by_role("combobox", name="Setting").select_option("gamma 5, released")
    assert said(tab).startswith("DDA, gamma 5, released, epoch 6")
    assert tab.locator(".centers path").count() == 10
    tab.get_by_role("combobox", name="Setting").select_option("gamma 20, released")
    assert "the loss exceeded a million" in said(tab)
    tab.get_by_role("combobox", name="Network").select_option("LeNets++ as its author published it")
    assert "gamma 1, printed, epoch 6 of 12" in said(tab)


def test_the_face_changes_with_every_slider(pages, tab):
    show(tab, pages, "book/explore/faces")
    seen = {tab.get_attribute(".face", "style")}
    for label, key in (("Strength", "ArrowLeft"), ("Head turned", "ArrowRight"), ("Blur", "ArrowRight")):
        press(tab, label, key)
        seen.add(tab.get_attribute(".face", "style"))
    tab.get_by_role("combobox", name="Light").select_option("from the left")
    tab.get_by_role("combobox", name="Expression").select_option("Fear")
    seen.add(tab.get_attribute(".face", "style"))
    assert len(seen) == 5
    assert "Fear at 67 %" in said(tab)


def test_the_hardest_negative_follows_a_drag_and_the_keyboard(pages, tab):
    show(tab, pages, "book/explore/negatives")
    assert "a chimera" in said(tab)
    picture = tab.locator("#negatives svg").bounding_box()
    tab.mouse.move(picture["x"] + 20, picture["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(picture["x"] + 0.3 * picture["width"], picture["y"] + 0.7 * picture["height"])
    tab.mouse.up()
    moved = tab.get_by_role("slider", name="x, dimension 1").input_value()
    assert float(moved) == pytest.approx(-6.4, abs=0.2)
    press(tab, "x, dimension 1", "ArrowRight", 3)
    assert float(tab.get_by_role("slider", name="x, dimension 1").input_value()) == pytest.approx(float(moved) + 0.3)
    tab.get_by_role("combobox", name="The network takes it for").select_option("7")
    assert "taken for a 7" in said(tab)
    assert tab.locator("article table tbody tr").nth(1).locator("td").nth(1).inner_text() == "7"


def test_the_gain_is_judged_as_fercore_judges_it(pages, tab):
    show(tab, pages, "book/explore/gain")
    theirs = judge(85.5 + 1.35, 85.5, 3068, 0.37)
    values = tab.locator("article table tbody td:nth-child(2)").all_inner_texts()
    assert values[0] == str(theirs["gain"])
    assert float(values[2].split(" images, ")[1].split()[0]) == pytest.approx(theirs["likely"], abs=0.006)
    assert float(values[3]) == pytest.approx(theirs["p likely"], abs=6e-4)
    assert "is detectable" in said(tab)
    press(tab, "Test images", "ArrowLeft", 4)
    assert "could be chance" in said(tab)
    press(tab, "Seeds of each method", "ArrowRight", 4)
    assert values != tab.locator("article table tbody td:nth-child(2)").all_inner_texts()
