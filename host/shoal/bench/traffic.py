"""What comes and goes while a model runs: constants of a second store, rows of its input and output; and how long that
takes, beside the time of the model itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shoal.bench.latency import median, milliseconds
from shoal.boards.board import Board
from shoal.link import frames
from shoal.link.node import Answer

#: of a frame's payload: what a PULL and a PUSH say before a piece's bytes, the status of an answer
_PULL, _PUSH, _STATUS = 14, 12, 1

#: bytes in one piece: what an answer brings that the firmware's ring of 256 bytes holds whole; what a question takes
_PULLED, _PUSHED = 256 - frames.OVERHEAD - _STATUS, frames.MAX_PAYLOAD - _PUSH

#: bytes in the first piece of a page that is asked for ahead (firmware/runtime/rows.c): repeats of the run's own
#: request may lie beside it in the ring
_AHEAD = _PULLED - 38

_BITS = 10  # on a serial line, for each byte: start, eight, stop


def traffic(
    manifest: Mapping[str, Any], board: Board, answers: Sequence[Answer], source: str, clock_hz: int
) -> dict[str, Any] | None:
    """The member `traffic`, None where nothing travels. Bytes are exact, by the manifest. Time: a board's own counter,
    where the link brings them; of an emulated board by the baud of its port, or by what its file says of a mapped
    store."""
    pages = [step["page"]["bytes"] for step in manifest["steps"] if step["page"] is not None]
    ahead = pages[1:] if pages and manifest["steps"][0]["page"] is not None else pages
    rows_in, rows_out = (_rows(manifest[end]) for end in ("inputs", "outputs"))
    if not (pages or rows_in or rows_out):
        return None
    mapped = bool(pages) and manifest["store"]["mapped"]
    pulled = [*([] if mapped else _in_two(pages, ahead)), *rows_in]
    time = origin = assumption = None
    if source == "board" and (pulled or rows_out) and any(a.cycles for a in answers):
        time, origin = milliseconds(median([a.link_cycles for a in answers]) or 0, clock_hz), "board"
        assumption = "of the mapped store, the model's own time has it" if mapped else None
    elif source == "board":
        assumption = "the model's own time has it" if mapped else "the board counts no cycles"
    elif source == "emulated":
        baud, reads = board.uarts[0].baud, []
        time, origin = _BITS * _on_the_line(pulled, rows_out) / baud * 1000, "model"
        if pulled or rows_out:
            reads.append(f"{baud:,} baud, {_BITS} bits a byte, no time between question and answer")
        if mapped and board.store is not None:
            time += sum(pages) / board.store.bytes_per_second * 1000
            reads.append(f"{board.store.bytes_per_second:,} B/s: {board.store.source}")
        time, assumption = round(time, 6), "; ".join(reads)
    return {
        "store_bytes": sum(pages),
        "store_pages": len(pages),
        "ahead_bytes": median([a.ahead_bytes for a in answers]) if pages and not mapped else None,
        "mapped": mapped,
        "rows_in_bytes": sum(rows_in),
        "rows_out_bytes": sum(rows_out),
        "milliseconds": time,
        "source": origin,
        "assumption": assumption,
    }


def _in_two(pages: Sequence[int], ahead: Sequence[int]) -> Iterator[int]:
    """What is asked for of each page before the model waits for it, and afterwards; the last ones are `ahead`."""
    yield from pages[: len(pages) - len(ahead)]
    for size in ahead:
        first = min(size, _AHEAD)
        yield first
        if size > first:
            yield size - first


def _rows(tensors: Sequence[Mapping[str, Any]]) -> list[int]:
    """The bytes of each row that travels."""
    fed = [t["rows"] for t in tensors if t["rows"] is not None]
    return [r["bytes"] for r in fed for _ in range(r["count"] * r["passes"])]


def _on_the_line(pulled: Sequence[int], pushed: Sequence[int]) -> int:
    """Bytes on the line, both ways, for what a node pulls and pushes in pieces."""
    questions = 2 * frames.OVERHEAD + _STATUS
    return sum(n + -(-n // _PULLED) * (questions + _PULL) for n in pulled) + sum(
        n + -(-n // _PUSHED) * (questions + _PUSH) for n in pushed
    )
