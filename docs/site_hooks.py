"""What the site has beyond the pages of `docs`: MkDocs calls these functions.

- A line `<!-- made by the site: NAME -->` becomes that part of `reference`.
- Files of the repository that a page links to become pages under `repository/`, so that links work
  on the site as they do on a code host.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from site_reference import PARTS

ROOT = Path(__file__).parents[1]
FOLDER = "repository"
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Files of the repository that have a place in the navigation."""
_MADE = re.compile(r"^<!-- made by the site: (?P<name>[\w-]+) -->$", re.MULTILINE)
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside `docs` that a page links to, and for those they link to."""
    waiting = list(PAGES)
    for file in files.documentation_pages():
        waiting += _outside(file.content_string, f"docs/{file.src_uri}")
    while waiting:
        path = waiting.pop()
        if files.get_file_from_path(page_of(path)) is not None:
            continue
        text = text_of(path)
        file = File.generated(config, page_of(path), content=text)
        file.inclusion = InclusionLevel.NOT_IN_NAV if path not in PAGES else InclusionLevel.INCLUDED
        files.append(file)
        if path.endswith(".md"):
            waiting += _outside(text, path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs passes them
    """Fill in what is made, and point links at the pages of repository files."""
    uri = page.file.src_uri
    at = source_of(uri)
    parts = _CODE.split(_MADE.sub(lambda match: PARTS[match["name"]](), markdown))
    return "".join(
        part if number % 2 else _LINK.sub(lambda match: _moved(match, at, uri), part)
        for number, part in enumerate(parts)  # every other part is code
    )


def page_of(path: str) -> str:
    """Where a file of the repository, given by its path, is on the site."""
    return f"{FOLDER}/{path}" if path.endswith(".md") else f"{FOLDER}/{path}.md"


def source_of(uri: str) -> str:
    """The path in the repository of a page of the site."""
    if not uri.startswith(f"{FOLDER}/"):
        return f"docs/{uri}"
    path = uri.removeprefix(f"{FOLDER}/")
    return path if (ROOT / path).exists() else path.removesuffix(".md")


def text_of(path: str) -> str:
    """A file of the repository as a page: Markdown as it is, a list of a folder, else a block."""
    here = ROOT / path
    if path.endswith(".md"):
        return here.read_text("utf-8")
    if here.is_dir():
        names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in here.iterdir())
        shown = [name for name in names if not name.startswith((".", "__"))]
        return f"# {path}\n\nA folder of the repository:\n\n" + "\n".join(
            f"- `{name}`" for name in shown
        )
    language = {".py": "python", ".yaml": "yaml", ".json": "json"}.get(here.suffix, "text")
    return f"# {path}\n\n````{language}\n{here.read_text('utf-8')}\n````\n"


def _outside(markdown: str, at: str) -> list[str]:
    """The paths outside `docs` that the file at the path `at` links to."""
    links = _LINK.finditer(_CODE.sub("", markdown))
    found = [_target(link["target"], at) for link in links]
    return [path for path in found if not path.startswith("docs/") and (ROOT / path).exists()]


def _target(link: str, at: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(at), link))


def _moved(match: re.Match[str], at: str, uri: str) -> str:
    """A link of the page `uri`, which is the file `at`, to where its target is on the site."""
    path = _target(match["target"], at)
    if not (ROOT / path).exists():
        return match[0]  # MkDocs says that it leads nowhere
    there = path.removeprefix("docs/") if path.startswith("docs/") else page_of(path)
    link = posixpath.relpath(there, posixpath.dirname(uri) or ".")
    return f"{match['before']}{link}{match['anchor'] or ''}"
