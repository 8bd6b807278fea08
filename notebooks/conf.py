"""The documentation site: ``.venv/bin/sphinx-build -W notebooks build/site`` (needs the extra `docs`).

A page makes no request to another host when it is viewed: formulas are MathML, and scripts and fonts are those of the
theme.  Notebooks run when the site is built, and are kept in ``build/notebooks`` until they change.
"""

import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "site"), str(HERE.parent)]

with open(HERE.parent / "pyproject.toml", "rb") as _file:
    _PROJECT = tomllib.load(_file)["project"]

project = _PROJECT["name"]
author = copyright = _PROJECT["authors"][0]["name"]
version = release = _PROJECT["version"]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "myst_nb",
    "generated",
    "mathml",
    "plain_text",
]
exclude_patterns = ["site", "figures", "course/solutions"]

# -- pages -----------------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
# Loaded from other hosts otherwise; no notebook has widgets.
nb_ipywidgets_js = {}

# -- reference -------------------------------------------------------------------------------------
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "code"
# Libraries that an adapter serves need not be installed to read about it.
autodoc_mock_imports = [
    *("cyipopt", "iminuit", "jax", "lmfit", "nlopt", "openmdao", "pygmo", "pytensor"),
    *("statsmodels", "torch"),
]

# -- appearance ------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = f"dualdiff {version}"
html_static_path = ["site/static"]
html_css_files = ["dualdiff.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": html_title},
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "course/ten-minutes": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go, .gt"


def _leads_out(app, docname, text):
    """Links to files that are not pages of the site: the README is one in `course/ten-minutes`."""
    text[0] = re.sub(r"\]\((?:\.\./)+README\.md", "](../course/ten-minutes.md", text[0])


def _included(app, relative_path, docname, text):
    """The README's links, from the page that includes it."""
    to_no_page = r"\[([^]]+)\]\((?!http|#)[^)]*(?<!\.md)(?<!\.ipynb)\)"
    text[0] = re.sub(to_no_page, r"\1", text[0])
    text[0] = text[0].replace("# dualdiff\n", "# dualdiff in ten minutes\n", 1)
    text[0] = text[0].replace("](notebooks/", "](../").replace('src="notebooks/', 'src="../')


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _leads_out)
    app.connect("include-read", _included)
