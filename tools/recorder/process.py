"""Other people's programs (mpremote, esptool): run with a time limit, and what they say made fit
to be shown.
"""

import collections.abc
import contextlib
import os
import pathlib
import queue
import subprocess
import tempfile
import threading
import time

_MAX_SAID_CHARS = 20_000


def watched(
    arguments: list[str],
    timeout_s: float,
    line_came: collections.abc.Callable[[str], bool] = lambda line: False,
) -> tuple[int | None, str]:
    """(exit code, output) of a process that is killed after timeout_s; code None: it was.

    line_came: told each line as it comes; True: it was meant for the caller alone, and is no part
    of the output. Of that only the last 20,000 characters are kept.
    """
    with tempfile.TemporaryDirectory() as empty:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Aliases of the person who runs us must not change what mpremote does.
            env=os.environ | {"XDG_CONFIG_HOME": empty, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        lines: queue.Queue[bytes | None] = queue.Queue()

        def read() -> None:
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        said = ""
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
                if line is None:
                    return process.wait(), said
                text = line.decode(errors="replace").rstrip("\r\n")
                if not line_came(text):
                    said = (said + text + "\n")[-_MAX_SAID_CHARS:]
        except queue.Empty:
            return None, said
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()
            process.stdout.close()


def printable(text: str) -> str:
    """text of an unknown sender, fit to be shown: no control characters, blanks made one."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextlib.contextmanager
def private_file(data: bytes):
    """A file that only we can read (mkstemp gives mode 600), gone afterwards."""
    descriptor, name = tempfile.mkstemp(prefix="recorder-", suffix=".py")
    try:
        with os.fdopen(descriptor, "wb") as f:
            f.write(data)
        yield pathlib.Path(name)
    finally:
        os.unlink(name)
