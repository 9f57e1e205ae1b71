"""Opens the page where somebody sits before a desktop, and nowhere else."""

import os
import sys
import webbrowser


def is_there() -> bool:
    """True on a desktop with a terminal, outside of CI: there a window surprises nobody."""
    if os.environ.get("CI") or not sys.stdout.isatty():
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_page(address: str) -> bool:
    """True if a browser was told; it never ends a run that there is none."""
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError):
        return False
