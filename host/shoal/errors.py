"""Errors that a user sees: what is wrong, where, and what to do; each kind has its exit code."""

from __future__ import annotations


class ShoalError(Exception):
    """Something the user can act on. `what` and `advice` are sentences without a full stop; `where` is a file, step,
    tensor, board or byte offset."""

    exit_code = 70

    def __init__(self, what: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}: {self.advice}" if self.advice else text

    def as_json(self) -> dict[str, str]:
        """The member `error` of a command's JSON."""
        return {"what": self.what, "where": self.where, "advice": self.advice}


class DoesNotFit(ShoalError):
    """Does not fit, results differ from the oracle's, or a figure got worse than allowed."""

    exit_code = 1


class BadInput(ShoalError):
    """A model, board file, array, option or folder that cannot be used as it is."""

    exit_code = 2


class Unsupported(BadInput):
    """A model that is valid but asks for something shoal does not run."""


class NodeError(ShoalError):
    """Hardware, emulator or link: no answer, a fault, the wrong firmware, no port."""

    exit_code = 3


class ToolError(ShoalError):
    """A tool is missing, or a build or a flash failed."""

    exit_code = 4
