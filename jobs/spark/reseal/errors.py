"""What makes a whole run fail."""


class RunError(Exception):
    """The run cannot go on. The code is stable (docs/errors.md); the message carries no value and no key."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    # By default an exception is unpickled with its message as the only argument.
    def __reduce__(self) -> tuple[type["RunError"], tuple[str, str]]:
        return RunError, (self.code, self.message)
