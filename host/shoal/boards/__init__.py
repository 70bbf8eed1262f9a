"""Board files: reading, checking, listing."""

from shoal.boards.board import Board
from shoal.boards.loader import load, names, problems

__all__ = ["Board", "load", "names", "problems"]
