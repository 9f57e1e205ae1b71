"""A secret on its way from the technician to the board; it never shows itself."""

import hashlib


class Secret:
    """value: text. str(), repr() and f-strings show a mask; reveal() is the only way to it."""

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        return self._value

    def fingerprint(self) -> str:
        """Twelve hex digits that tell two secrets apart and give neither away."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def revealed(value):
    """A copy of plain values in which every Secret is its text: for the cable only."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: revealed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [revealed(item) for item in value]
    return value


def secrets_in(value) -> list[str]:
    """The texts of all Secrets in plain values."""
    if isinstance(value, Secret):
        return [value.reveal()]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in secrets_in(item)]
    return []


def mask(text: str, secrets: list[str]) -> str:
    """text with every one of secrets replaced, longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
