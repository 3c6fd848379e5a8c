"""How Sphinx builds the book: `make book` runs it over the whole repository, of which the book is some pages.

Notebooks are shown with the outputs that are committed, and never run. Nothing is fetched when a page is read.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from mathjax import fetch_mathjax  # noqa: E402  found beside this file

from fercore import __version__  # noqa: E402
from fercore.course.exercises import write_notebooks  # noqa: E402

project = "Metric learning for facial expressions"
author, version, release = "the authors of fercore", __version__, __version__
html_show_copyright = False

root_doc = "book/index"
include_patterns = ["book/**", "notebooks/[0-9]*.ipynb", "**.md"]
exclude_patterns = [".*", "book/_build", "book/_static", "build", "runs", "results", "fercore", "simfer", "tests"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_design",
    "code_links",
    "reader",
]

nb_execution_mode = "off"
nb_code_prompt_show = nb_code_prompt_hide = "code"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

write_notebooks(HERE / "exercises", HERE / "exercises")
mathjax_path = fetch_mathjax(HERE / "_static" / "mathjax" / "tex-svg.js").name
mathjax_path = f"mathjax/{mathjax_path}"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "local"}}

default_role = "py:obj"  # in a docstring, `name` is a link where there is such a name
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype = napoleon_use_param = False
codeautolink_concat_default = True  # a notebook's cells are one program: imports at its top hold below
codeautolink_autodoc_inject = True  # below each function, the chapters that use it
codeautolink_warn_on_missing_inventory = codeautolink_warn_on_failed_resolve = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files, html_js_files = ["book.css"], ["book.js"]
html_show_search_summary = False  # it would fetch pages, which a page from a disk may not
html_copy_source = html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "use_repository_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the search field stands in the sidebar
}
