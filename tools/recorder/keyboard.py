"""What somebody types while something else is shown: whole lines, and Ctrl-] to leave.

On a terminal letters are echoed here, so that they do not get lost between the lines that scroll
by. Ctrl-C stays what it is: KeyboardInterrupt, for the caller. Where input is no terminal its
lines are taken as they come.
"""

import contextlib
import os
import select
import sys

LEAVE = "\x1d"  # Ctrl-], as in mpremote and telnet


class Keyboard:
    """typed(): lines that are ready, never waits. wants_out: Ctrl-] was pressed. has_ended: there
    is nothing more to come.
    """

    def __init__(self, stream=None):
        self._stream = stream or sys.stdin
        self.wants_out = self.has_ended = False
        self._line = ""
        self._kept = None
        try:
            self._descriptor = self._stream.fileno()
            self._is_terminal = self._stream.isatty()
        except (OSError, ValueError, AttributeError):
            self._descriptor, self._is_terminal, self.has_ended = -1, False, True

    def __enter__(self) -> "Keyboard":
        if self._is_terminal and os.name == "posix":
            import termios
            import tty

            self._kept = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(self, *_details) -> None:
        if self._kept is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._kept)

    def typed(self) -> list[str]:
        lines = []
        for letter in self._letters():
            if letter == LEAVE:
                self.wants_out = True
            elif letter in "\r\n":
                self._echo("\r\n")
                lines.append(self._line.strip())
                self._line = ""
            elif letter in "\x7f\b":
                self._line = self._line[:-1]
                self._echo("\b \b")
            elif letter.isprintable():
                self._line += letter
                self._echo(letter)
        if self.has_ended and self._line:
            lines.append(self._line.strip())
            self._line = ""
        return [line for line in lines if line]

    def _letters(self) -> str:
        if self.has_ended:
            return ""
        if os.name != "posix":
            return self._windows_letters()
        with contextlib.suppress(OSError, ValueError):
            if not select.select([self._descriptor], [], [], 0)[0]:
                return ""
            data = os.read(self._descriptor, 1024)
            self.has_ended = not data
            return data.decode(errors="replace")
        self.has_ended = True
        return ""

    def _windows_letters(self) -> str:
        import msvcrt

        found = ""
        while msvcrt.kbhit():
            found += msvcrt.getwch()
        return found

    def _echo(self, text: str) -> None:
        if self._is_terminal:
            sys.stderr.write(text)
            sys.stderr.flush()
