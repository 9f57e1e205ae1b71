"""What can go wrong at the end of a cable; each error knows the exit code of the command."""

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NO_DEVICE, EXIT_NOT_VERIFIED = 0, 1, 2, 3, 4
EXIT_INTERRUPTED = 130


class ToolError(Exception):
    """One or two sentences for the technician: what, where, what to try next."""

    exit_code = EXIT_FAILED


class UsageError(ToolError):
    exit_code = EXIT_USAGE


class NoDevice(ToolError):
    """No board there: no port, a port that is busy, or silence on it."""

    exit_code = EXIT_NO_DEVICE


class Foreign(ToolError):
    """Something answers, but it is not a recorder of ours."""

    exit_code = EXIT_NO_DEVICE


class NotVerified(ToolError):
    """What was read back is not what was written."""

    exit_code = EXIT_NOT_VERIFIED


class BoardFault(ToolError):
    """A function on the board answered with an error: code (stable), detail."""

    def __init__(self, code: str, detail: str):
        super().__init__(f"The board answered {code}" + (f": {detail}" if detail else "."))
        self.code = code
        self.detail = detail
