"""What a page points at is there: links, anchors, and the files that sentences name."""

import re

import pytest

from host_tests.docs.commands import ROOT, pages

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|toml|json|svg|png|cfg|ini))(?:::\w+)?`")
_FOLDER = re.compile(r"`((?:device|tools|host_tests|rescue|trust|docs)/(?:[\w.-]+/)*)`")
# Sentences name files by their place in a stage (`store/clip.py`), as the code's imports do.
_UNDER = ("", "device/", "tools/", "host_tests/", "docs/")
# Files of others, cited; and files that a run or a board makes.
_ELSEWHERE = (
    "ports/",
    "extmod/",
    "py/",
    "shared/",
    "drivers/",
    "components/",
    "build/",
    "lib/",
    "a/",
    "b/",
)


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings make, as code hosts do it."""
    heads = re.findall(r"^#+ (.*)$", text, re.M)
    words = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.strip().replace(" ", "-") for head in words}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    broken = []
    for link in _LINK.findall(page.read_text()):
        if re.match(r"https?:|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text()
    named = [n for n in _FILE.findall(text) if not n.startswith(_ELSEWHERE)]
    named += _FOLDER.findall(text)
    gone = [n for n in named if not any((ROOT / under / n).exists() for under in _UNDER)]
    assert gone == []


def test_no_page_is_an_orphan():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in pages()
        for link in _LINK.findall(page.read_text())
    }
    assert [page.name for page in pages()[1:] if page.resolve() not in linked] == []
