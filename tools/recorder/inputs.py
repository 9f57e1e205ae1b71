"""What people and their editors hand over: tokens, Wi-Fi networks, settings. Parsed while the
technician is still there; what is refused is refused with its reason and without the secret.
"""

import getpass
import json
import os
import pathlib
import re
import sys

from device import config
from tools.recorder.errors import UsageError
from tools.recorder.secret import Secret

SOURCES = "prompt, file:PATH, env:NAME, keyring:NAME or mint:eu_…"
MAX_TOKEN_BYTES = 512
MAX_SSID_BYTES = 32
_KEY_PREFIXES = ("sk_", "rk_")


def clean_token(text: str, what: str = "token") -> Secret:
    """The token in text, freed of what editors and cables add. Raises UsageError."""
    token = text.removeprefix("\ufeff").strip(" \t\r\n")
    token = re.sub(r"(?i)^bearer\s+", "", token)
    if not token:
        raise UsageError(f"The {what} is empty.")
    if "\0" in token:
        raise UsageError(f"The {what} holds a NUL byte: is the file UTF-16? Save it as UTF-8.")
    if len(token.split()) > 1:
        raise UsageError(f"The {what} has a blank or a line break inside: is it one line?")
    if not token.isascii() or not token.isprintable():
        raise UsageError(f"The {what} holds characters that no {what} has.")
    if len(token) > MAX_TOKEN_BYTES:
        raise UsageError(f"The {what} has {len(token)} characters; at most {MAX_TOKEN_BYTES}.")
    return Secret(token)


def device_token(text: str) -> Secret:
    """clean_token, and no key of an operator: that one may never lie on a device."""
    token = clean_token(text)
    if token.reveal().startswith(_KEY_PREFIXES):
        raise UsageError(
            "This is an operator's API key, not a device token (dtok_…). It must never lie on a "
            "device. To mint a device token with it use --token-from mint."
        )
    return token


def sim_pin(text: str) -> Secret:
    """The PIN of a SIM card: 4 to 8 digits (3GPP TS 11.11, 9.3). Raises UsageError."""
    pin = text.removeprefix("\ufeff").strip()
    if not re.fullmatch("[0-9]{4,8}", pin):
        raise UsageError("The PIN of a SIM card has 4 to 8 digits. It was not sent anywhere.")
    return Secret(pin)


def read_secret(source: str, what: str) -> str:
    """The text that a source (SOURCES) holds. Raises UsageError; never shows what it read."""
    kind, _, name = source.partition(":")
    if source == "prompt":
        if not sys.stdin.isatty():
            raise UsageError(f"There is no terminal to ask for the {what}: use file: or env:.")
        return getpass.getpass(f"{what} (not shown): ")
    if kind == "file" and name:
        try:
            return pathlib.Path(name).read_bytes().decode("utf-8")
        except OSError as error:
            raise UsageError(f"The {what}'s file {name}: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise UsageError(f"The {what}'s file {name} is not UTF-8; save it as text.") from None
    if kind == "env" and name:
        if name not in os.environ:
            raise UsageError(f"The environment has no {name} for the {what}.")
        return os.environ[name]
    if kind == "keyring" and name:
        return _from_keyring(name, what)
    raise UsageError(f"Where the {what} comes from is one of {SOURCES}; it is never an argument.")


def _from_keyring(name: str, what: str) -> str:
    try:
        import keyring
    except ImportError:
        raise UsageError("The package keyring is not installed: pip install keyring.") from None
    value = keyring.get_password("bota-recorder", name)
    if value is None:
        raise UsageError(
            f"The keyring has no {what} called {name}: keyring set bota-recorder {name}."
        )
    return value


def read_networks(path: str) -> list[tuple[str, Secret]]:
    """Wi-Fi networks of a JSON file: [{"ssid": …, "password": …}, …]. Raises UsageError."""
    tree = _read_json(path)
    if not isinstance(tree, list) or not 0 < len(tree) <= 8:
        raise UsageError(f'{path}: must be a list of 1 to 8 {{"ssid": …, "password": …}}.')
    found = []
    for number, entry in enumerate(tree, 1):
        if not isinstance(entry, dict) or not set(entry) <= {"ssid", "password"}:
            raise UsageError(f"{path}: network {number} must have ssid and password only.")
        found.append(check_network(entry.get("ssid"), entry.get("password", ""), path, number))
    names = [ssid for ssid, _ in found]
    if len(set(names)) < len(names):
        raise UsageError(f"{path}: a network is there twice.")
    return found


def check_network(ssid, password, path: str, number: int) -> tuple[str, Secret]:
    """One network as 802.11 takes it: every byte of its name counts, blanks and quotes too."""
    where = f"{path}: network {number}"
    if not isinstance(ssid, str) or not isinstance(password, str):
        raise UsageError(f"{where}: ssid and password must be texts in quotes.")
    if "\0" in ssid or not 0 < _utf8_bytes(ssid, where) <= MAX_SSID_BYTES:
        raise UsageError(f"{where}: the name must have 1 to {MAX_SSID_BYTES} bytes in UTF-8.")
    size = _utf8_bytes(password, where)
    is_key = bool(re.fullmatch("[0-9a-fA-F]{64}", password))
    if "\0" in password or not (size == 0 or 8 <= size <= 63 or is_key):
        raise UsageError(
            f"{where}: the password must have 8 to 63 bytes, or 64 hex digits, or be empty."
        )
    return ssid, Secret(password)


def make_config(
    path: str | None, networks: list[str] | None, apn: str | None, on_board: bytes | None = None
) -> bytes | None:
    """config.json as the device will read it, checked by the device's own table.

    path: the technician's file; without it the settings on_board are changed. networks and apn go
    into it. None: settings stay as they are. Raises UsageError with every fault at once.
    """
    if path is None and networks is None and apn is None:
        return None
    where, data = path or "the board's settings", on_board or b"{}"
    if path is not None:
        try:
            data = pathlib.Path(path).read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}.") from None
    _, faults = config.load(data)
    if not faults:
        tree = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_no_twins)
        if networks is not None:
            tree.setdefault("wifi", {})["networks"] = networks
        if apn is not None:
            tree.setdefault("cellular", {})["apn"] = apn
        # Plain UTF-8: MicroPython reads an escaped emoji as two halves.
        data = (json.dumps(tree, ensure_ascii=False, indent=1) + "\n").encode()
        _, faults = config.load(data)
    if faults:
        raise UsageError(f"{where}: " + "; ".join(faults))
    return data


def networks_of(data: bytes | None) -> list[str]:
    """The networks that settings name; nothing for settings that cannot be read."""
    try:
        names = json.loads((data or b"{}").decode("utf-8-sig"))["wifi"]["networks"]
    except (ValueError, KeyError, TypeError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _read_json(path: str):
    try:
        return json.loads(pathlib.Path(path).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}.") from None
    except ValueError:
        raise UsageError(f"{path}: no valid JSON in UTF-8.") from None


def _no_twins(pairs: list[tuple]) -> dict:
    """A JSON object; parsers take the last of two equal keys, and people mean either."""
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise UsageError(f"The settings have the key {key!r} twice: leave one of them.")
    return dict(pairs)


def _utf8_bytes(text: str, where: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise UsageError(f"{where}: holds half a character (a lone surrogate).") from None
