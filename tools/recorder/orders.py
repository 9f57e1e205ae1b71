"""What the technician asked for, read and checked before any cable is used: one Order a board."""

import os
import re
import sys

from device.hal.esp32.boards import BOARDS
from tools.recorder import inputs
from tools.recorder.credentials import api_key
from tools.recorder.errors import UsageError
from tools.recorder.provisioning import Mint, Order
from tools.recorder.secret import Secret

# Options of `recorder provision`, and columns of a batch's file.
NAMES = ("label", "config", "wifi", "apn", "pin_from", "hardware", "token_from")
# It stands on a label, in a QR code and in file names.
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_USER = re.compile(r"eu_[A-Za-z0-9_-]{1,64}")


class InputFault(UsageError):
    """name: of NAMES, what is wrong."""

    def __init__(self, name: str, text: str):
        super().__init__(text)
        self.name = name


class Sources:
    """Reads each file, key and secret once, also for forty boards."""

    def __init__(self):
        self._networks: dict[str, list[tuple[str, Secret]]] = {}
        self._key: Secret | None = None

    def order(self, **given: str | None) -> Order:
        """given: NAMES; None or left out, the board keeps what it has. Raises InputFault for the
        first thing that is wrong; it never shows a secret.
        """
        order = Order()
        for name in NAMES:
            take = getattr(self, "_" + name)
            if given.get(name) is None:
                continue
            try:
                take(order, given[name])
            except UsageError as error:
                raise InputFault(name, str(error)) from None
        return order

    def _label(self, order: Order, label: str) -> None:
        check_label(label)
        order.label = label

    def _config(self, order: Order, path: str) -> None:
        inputs.make_config(path, None, None)
        order.config_file = path

    def _wifi(self, order: Order, path: str) -> None:
        if path not in self._networks:
            self._networks[path] = inputs.read_networks(path)
        order.networks = self._networks[path]
        inputs.make_config(order.config_file, [ssid for ssid, _ in order.networks], None)

    def _apn(self, order: Order, apn: str) -> None:
        inputs.make_config(None, None, apn)
        order.apn = apn

    def _pin_from(self, order: Order, source: str) -> None:
        order.pin = inputs.sim_pin(inputs.read_secret(source, "PIN"))

    def _hardware(self, order: Order, name: str) -> None:
        if name not in BOARDS:
            raise UsageError(f"{name!r} is none of the tables {', '.join(sorted(BOARDS))}.")
        order.hardware = name

    def _token_from(self, order: Order, source: str) -> None:
        kind, _, user = source.partition(":")
        if kind != "mint":
            order.token = inputs.device_token(inputs.read_secret(source, "device token"))
        elif _USER.fullmatch(user):
            order.mint = Mint(self._operator_key(), user)
        else:
            raise UsageError(f"{source!r}: mint: takes the id of the user, as in mint:eu_k2.")

    def _operator_key(self) -> Secret:
        if self._key is None:
            if not os.environ.get("RECORDER_API_KEY") and not sys.stdin.isatty():
                raise UsageError(
                    "To mint a token the operator's API key is needed: put it into "
                    "RECORDER_API_KEY, or run this in a terminal, which asks for it."
                )
            self._key = api_key(None, os.environ)
        return self._key


def check_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"The label {label!r}: 1 to 32 of A-Z, a-z, 0-9, dot, dash, underscore; a letter or "
            "digit first."
        )
