"""Where a credential comes from: a file, the environment, or a prompt; never an argument."""

import getpass
import pathlib
import sys

from device.transfer.tokens import clean_token
from tools.recorder.errors import UsageError
from tools.recorder.secret import Secret


def device_token(file: str | None, environment) -> Secret:
    return _credential(file, environment, "RECORDER_DEVICE_TOKEN", "Device token", ("dtok_",))


def api_key(file: str | None, environment) -> Secret:
    return _credential(file, environment, "RECORDER_API_KEY", "API key", ("sk_", "rk_"))


def _credential(file, environment, variable, name, prefixes) -> Secret:
    if file:
        try:
            text = pathlib.Path(file).read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read: {type(error).__name__}.") from None
    elif environment.get(variable):
        text = environment[variable]
    elif sys.stdin.isatty():
        text = getpass.getpass(f"{name} (not shown): ")
    else:
        raise UsageError(f"No {name.lower()}: put it into {variable}, or name a file.")
    cleaned = clean_token(text)
    if not cleaned.startswith(prefixes):
        raise UsageError(f"The {name.lower()} is none: it begins with {' or '.join(prefixes)}.")
    return Secret(cleaned)
