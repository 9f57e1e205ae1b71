"""What JSON (RFC 8259) forbids and MicroPython's parser takes all the same.

It reads {"id" "r1"}, {"a":1] and trailing commas as if they were whole, and has no limit of depth;
so answers of the cloud and config.json pass here before json.loads. It looks at bytes, as numbers:
each letter that MicroPython makes of a text is a name that stays in RAM.
"""

from device.compat import const

_MAX_DEPTH = const(8)
_BLANK = b" \t\r\n"
_SPACE, _QUOTE, _BACKSLASH = const(32), const(34), const(92)
_ZERO, _NINE = const(48), const(57)
_COMMA, _DOUBLE_POINT, _BRACE, _BRACE_END = const(44), const(58), const(123), const(125)
_BRACKET_END = const(93)
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _NEXT = range(6)


def fault(text):
    """What is wrong with the structure of text (its bytes, UTF-8), in words, or None."""
    # Answers are one line: then no text in them is searched for what may not stand in it.
    view = memoryview(text) if text and min(text) < _SPACE else None
    stack = []
    state = _VALUE
    i = 0
    while i < len(text):
        letter = text[i]
        i += 1
        if letter in _BLANK:
            continue
        if not stack and state == _NEXT:
            return "something follows its end"
        if letter in b"}],:":
            state = _after_mark(letter, state, stack)
        elif state in (_NEXT, _COLON):
            return "two values without a comma or colon between them"
        elif letter in b"{[" and state in (_VALUE, _VALUE_OR_END):
            if len(stack) == _MAX_DEPTH:
                return "more than %d levels" % _MAX_DEPTH
            stack.append(_BRACE_END if letter == _BRACE else _BRACKET_END)
            state = _KEY_OR_END if letter == _BRACE else _VALUE_OR_END
        else:
            is_text, start = letter == _QUOTE, i - 1
            i = _text_end(text, view, i) if is_text else _word_end(text, i)
            if not i:
                return "a text without its end (cut off?)"
            if state in (_VALUE, _VALUE_OR_END):
                state = _NEXT if is_text or _is_scalar(text[start:i]) else None
            else:
                state = _COLON if is_text else None
        if state is None:
            return "not expected here: %s" % (chr(letter) if letter < 128 else "?")
    return None if state == _NEXT and not stack else "it ends too early (cut off?)"


def _after_mark(letter, state, stack):
    """The state after a comma, colon or closing bracket; None if it may not stand here."""
    if letter == _DOUBLE_POINT:
        return _VALUE if state == _COLON else None
    if letter == _COMMA:
        if state != _NEXT:
            return None
        return _KEY if stack[-1] == _BRACE_END else _VALUE
    if not stack or stack[-1] != letter or state not in (_NEXT, _VALUE_OR_END, _KEY_OR_END):
        return None
    stack.pop()
    return _NEXT


def _word_end(text, i):
    """The place after the number or word that i lies in."""
    while i < len(text) and text[i] not in b' \t\r\n,:]}{["':
        i += 1
    return i


def _text_end(text, view, start):
    """The place after the quote that closes the text at start, 0 if there is none or a control
    character comes first. view: text's, None if there are no such characters.
    """
    end = start
    while True:
        end = text.find(b'"', end) + 1
        last = end - 2
        while last >= start and text[last] == _BACKSLASH:
            last -= 1
        if not end or (end - last) & 1 == 0:
            break  # behind an even number of backslashes: not one of its letters
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
