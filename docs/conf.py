"""Configuration of the documentation site: `make docs` builds the Markdown pages of the repository into build/site."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Vigía"
author = PROJECT["authors"][0]["name"]
copyright = author  # noqa: A001
release = PROJECT["version"]

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/**", "deploy/**"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_title = f"Vigía {release}"
html_show_sphinx = False
html_additional_pages = {"index": "start.html"}
templates_path = ["site"]

CONTENTS = """
```{{toctree}}
:hidden:
:maxdepth: 1
:caption: {caption}

{pages}
```
"""
GROUPS = {
    "Español": ["README.es"],
    "Start": ["ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY"],
    "Run it": [
        "docs/first-city",
        "deploy/*",
        "docs/people",
        "docs/duty",
        "docs/channels",
        "docs/operating",
        "docs/seed",
        "docs/storage",
        "docs/performance",
    ],
    "Connect": ["docs/wire", "docs/api"],
    "How it works": [
        "docs/transit",
        "docs/simulation",
        "docs/record",
        "docs/watchdog",
        "docs/data-register",
        "docs/dependencies",
    ],
    "Decisions": ["docs/decisions/*"],
}


FOLDER_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)\)")


def prepare_page(_app: object, page: str, source: list[str]) -> None:
    """Append the table of contents to the first page, and leave links to folders as plain text."""
    folder = (ROOT / page).parent
    source[0] = FOLDER_LINK.sub(lambda link: link[1] if (folder / link[2]).is_dir() else link[0], source[0])
    if page == root_doc:
        source[0] += "".join(
            CONTENTS.format(caption=caption, pages="\n".join(expanded(names))) for caption, names in GROUPS.items()
        )


def expanded(names: list[str]) -> list[str]:
    """Names of pages, with those of a folder in order instead of its `*`."""
    return [
        path.relative_to(ROOT).with_suffix("").as_posix() for name in names for path in sorted(ROOT.glob(f"{name}.md"))
    ]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", prepare_page)
