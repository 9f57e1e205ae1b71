"""The one error of the simulated cloud that a person is meant to read."""


class CloudError(Exception):
    """The cloud cannot start or do what was asked. The text is one sentence, free of secrets."""
