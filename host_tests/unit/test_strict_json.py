"""strict_json: takes what RFC 8259 takes, but for depth, and nothing else that looks whole.

It judges the structure; what a number or an escape is worth is the parser's affair.
"""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device.strict_json import fault

CUT_OFF = "it ends too early (cut off?)"
NO_END = "a text without its end (cut off?)"
# A text as RFC 8259 section 7 has it, any escape; or else a word: what stands between the marks.
_TEXT = rb'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*"'
_TOKEN = re.compile(_TEXT + rb'|[^\s,:\[\]{}"]+')


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", CUT_OFF),
        (b" \n", CUT_OFF),
        (b'{"a":1', CUT_OFF),
        (b'"a', NO_END),
        (b'"', NO_END),
        (rb'"a\"', NO_END),
        (rb'"\\\"', NO_END),
        (b'["a\n"]', NO_END),
        (b'["\\\n"]', NO_END),
        (b'["\x1f"]', NO_END),
        (b"{} {}", "something follows its end"),
        (b'{"a" "b"}', "two values without a comma or colon between them"),
        (b'{"a":1]', "not expected here: ]"),
        (b"[1,]", "not expected here: ]"),
        (b"{[", "not expected here: ["),
        (b"{1:2}", "not expected here: 1"),
        (b"[\xc3\xa4]", "not expected here: ?"),
        (b"[01]", "not expected here: 0"),
        (b"[tru]", "not expected here: t"),
        (b"[" * 9 + b"]" * 9, "more than 8 levels"),
    ],
)
def test_it_says_what_is_wrong(data, said):
    assert fault(data) == said


@pytest.mark.parametrize(
    "data",
    [b'""', rb'"\\"', rb'"\"\\\""', rb'{"\\":"\"","":[]}', b'{\n "a" : "b\x7f" ,\t"c":[ ] }\r\n',
     b"[" * 8 + b"]" * 8, b"-0.5e+7", b'["\xc3\xa4"]'],
)  # fmt: skip
def test_it_takes_json(data):
    json.loads(data)
    assert fault(data) is None


def _without_worth(data: bytes) -> bytes:
    """The same structure: each good text the same one, each number 0, other words as they are."""

    def plain(token):
        word = token[0]
        if word.startswith(b'"'):
            return b'"x"'
        is_number = re.fullmatch(rb"-?(0(?![0-9+-])|[1-9])[0-9.eE+-]*", word)
        return b"0" if is_number else word

    return _TOKEN.sub(plain, data)


def _depth(tree) -> int:
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _refuse(name):
    raise ValueError(f"{name} is no JSON")


def _tree_of(data: bytes):
    """(is JSON, the tree) of the structure."""
    try:
        return True, json.loads(_without_worth(data).decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False, None


MARKS = st.text(alphabet='"\\{}[],: \n\t\x01ab0-e1.', max_size=24).map(str.encode)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@st.composite
def spoilt(draw):
    """JSON as some server writes it, mostly with a few bytes of it replaced."""
    indent, ascii_only = draw(st.sampled_from((None, 1))), draw(st.booleans())
    text = json.dumps(draw(TREES), ensure_ascii=ascii_only, indent=indent)
    data = text.encode(errors="replace")
    at, gone = draw(st.integers(0, len(data))), draw(st.integers(0, 3))
    return data[:at] + draw(MARKS) + data[at + gone :] if draw(st.booleans()) else data


@given(MARKS | spoilt())
@example(b'{"a":"\\\\"}')
@example(b'["\\\\\\""]')
@example(b'["\\"]')
@example(b"0-")
def test_it_judges_as_a_strict_parser_does(data):
    is_json, tree = _tree_of(data)
    assert (fault(data) is None) == (is_json and _depth(tree) <= 8)
