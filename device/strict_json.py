"""What JSON (RFC 8259) forbids and MicroPython's parser takes all the same.

It reads {"id" "r1"}, {"a":1] and trailing commas as if they were whole, and has no limit of depth;
so answers of the cloud and config.json pass here before json.loads. It looks at bytes, as numbers:
each letter that MicroPython makes of a text is a name that stays in RAM.
"""

from device.compat import const

_MAX_DEPTH = const(8)
_SPACE = const(32)
_QUOTE = const(34)
_COMMA = const(44)
_ZERO = const(48)
_NINE = const(57)
_COLON = const(58)
_BACKSLASH = const(92)
_BRACKET_END = const(93)
_BRACE = const(123)
_BRACE_END = const(125)
# What has to come now; the order counts: below _KEY a value may, from _BEHIND_KEY on none.
_VALUE = const(0)
_VALUE_OR_END = const(1)
_KEY = const(2)
_KEY_OR_END = const(3)
_BEHIND_KEY = const(4)  # a colon
_BEHIND_VALUE = const(5)  # a comma or the end


def fault(text):
    """What is wrong with the structure of text (its bytes, UTF-8), in words, or None."""
    # Answers are one line: then no text in them is searched for what may not stand in it.
    view = memoryview(text) if text and min(text) < _SPACE else None
    stack = []  # the marks that have to close what is open
    state = _VALUE
    i, size = 0, len(text)
    while i < size:
        letter = text[i]
        i += 1
        if letter in b" \t\r\n":
            continue
        if state == _BEHIND_VALUE and not stack:
            return "something follows its end"
        if letter == _COLON:
            state = _VALUE if state == _BEHIND_KEY else None
        elif letter == _COMMA:
            is_right = state == _BEHIND_VALUE
            state = (_KEY if stack[-1] == _BRACE_END else _VALUE) if is_right else None
        elif letter == _BRACE_END or letter == _BRACKET_END:
            may_end = state in (_BEHIND_VALUE, _VALUE_OR_END, _KEY_OR_END)
            state = _BEHIND_VALUE if may_end and stack.pop() == letter else None
        elif state >= _BEHIND_KEY:
            return "two values without a comma or colon between them"
        elif letter == _QUOTE:
            i = _text_end(text, view, i)
            if not i:
                return "a text without its end (cut off?)"
            state = _BEHIND_KEY if state >= _KEY else _BEHIND_VALUE
        elif state >= _KEY:
            state = None
        elif letter in b"{[":
            if len(stack) == _MAX_DEPTH:
                return "more than %d levels" % _MAX_DEPTH
            stack.append(_BRACE_END if letter == _BRACE else _BRACKET_END)
            state = _KEY_OR_END if letter == _BRACE else _VALUE_OR_END
        else:
            start, i = i - 1, _word_end(text, i)
            state = _BEHIND_VALUE if _is_scalar(text[start:i]) else None
        if state is None:
            return "not expected here: %s" % (chr(letter) if letter < 128 else "?")
    is_whole = state == _BEHIND_VALUE and not stack
    return None if is_whole else "it ends too early (cut off?)"


def _word_end(text, i):
    """The place after the number or word that i lies in."""
    while i < len(text) and text[i] not in b' \t\r\n,:]}{["':
        i += 1
    return i


def _text_end(text, view, start):
    """The place after the quote that closes the text at start, 0 if there is none or a control
    character comes first. view: text's, None if there are no such characters.
    """
    end = text.find(b'"', start) + 1
    while end and text[end - 2] == _BACKSLASH:
        last = end - 3
        while text[last] == _BACKSLASH:
            last -= 1
        if not (end - last) & 1:
            break  # behind an even number of them it is no letter of the text
        end = text.find(b'"', end) + 1
    if view is not None and end - start > 1 and min(view[start : end - 1]) < _SPACE:
        return 0
    return end


def _is_scalar(word):
    if word in (b"true", b"false", b"null"):
        return True
    digits = word[1:] if word[:1] == b"-" else word
    if not digits or not _ZERO <= digits[0] <= _NINE:
        return False
    if digits[0] == _ZERO and digits[1:2] not in (b"", b".", b"e", b"E"):
        return False
    return not digits.strip(b"0123456789.eE+-")
