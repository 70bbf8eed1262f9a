"""What was seen of a shoal as a file, a JSON object in each line: written while it runs, read by its replay."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shoal.errors import BadInput, NodeError
from shoal.link.events import Answered, Event, FrameSeen, NodeSeen, Ran, Turned
from shoal.link.frames import Frame
from shoal.link.messages import REPLY, Begun, Delivery, Done, Type

_NAMES: dict[str, type[Event]] = {
    "frame": FrameSeen,
    "node": NodeSeen,
    "ran": Ran,
    "turned": Turned,
    "answered": Answered,
}
_WORDS = {kind: name for name, kind in _NAMES.items()}


def frame_seen(number: int, wire: str, sender: str, frame: Frame, wire_bytes: int, lost: bool = False) -> FrameSeen:
    """The event of a frame; see FrameSeen. What its message does not have, or is too short for, is None."""
    said: dict[str, Any] = {}
    if frame.type & REPLY:
        said["status"] = frame.payload[0] if frame.payload else None
    else:
        with contextlib.suppress(NodeError):
            said = _said(frame)
    return FrameSeen(
        number=number,
        wire=wire,
        sender=sender,
        source=frame.source,
        destination=frame.destination,
        type=frame.type,
        sequence=frame.sequence,
        wire_bytes=wire_bytes,
        lost=lost,
        **said,
    )


def _said(frame: Frame) -> dict[str, Any]:
    match frame.type:
        case Type.START:
            return {"epoch": int.from_bytes(frame.payload[:4], "little")}
        case Type.BEGIN | Type.RELEASE:
            begun = Begun.unpack(frame.payload)
            return {"epoch": begun.epoch, "inference": begun.inference}
        case Type.DELIVER:
            piece = Delivery.unpack(frame.payload)
            return {
                "epoch": piece.epoch,
                "inference": piece.inference,
                "tensor": piece.tensor,
                "offset": piece.offset,
                "data_bytes": len(piece.data),
            }
        case Type.DONE:
            done = Done.unpack(frame.payload)
            return {"epoch": done.epoch, "inference": done.inference}
    return {}


class Log:
    """A `Watch` that writes what it is told into a file, whole lines from whatever thread. OSError where it cannot."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        line = {"event": _WORDS[type(event)], **asdict(event)}
        if isinstance(event, FrameSeen):
            line |= {"type": _name(event.type), "answer": bool(event.type & REPLY)}
        text = json.dumps(line, ensure_ascii=False) + "\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._file.close()


def _name(kind: int) -> str | int:
    """A message's name, its number where it has none."""
    try:
        return Type(kind & ~REPLY).name
    except ValueError:
        return kind & ~REPLY


def read_log(path: Path) -> Iterator[Event]:
    """What a Log wrote. BadInput where the file is none."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield _event(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise BadInput(f"line {number} is none of a log: {error!r}", where=str(path)) from None
    except OSError as error:
        raise BadInput(f"cannot be read: {error.strerror}", where=str(path)) from None


def _event(line: dict[str, Any]) -> Event:
    kind = _NAMES[line.pop("event")]
    if kind is FrameSeen:
        said = line["type"]
        line["type"] = (Type[said] if isinstance(said, str) else said) | (REPLY if line.pop("answer") else 0)
    return kind(**line)
