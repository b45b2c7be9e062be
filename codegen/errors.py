"""The code generator's only exception: what is wrong, in which file, and where in it."""

from __future__ import annotations


class CodegenError(Exception):
    """A document, an override or a command that can't be used.

    `file` is the file it was found in and `place` a JSON pointer (or line and column) inside it; both are part of the
    message. The command line prints the message to stderr and exits with 2.
    """

    def __init__(self, message: str, *, file: object = None, place: str = "") -> None:
        self.file = None if file is None else str(file)
        self.place = place
        self.problem = message
        where = " at ".join(part for part in (self.file or "", place) if part)
        super().__init__(f"{where}: {message}" if where else message)
