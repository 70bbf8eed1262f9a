"""The QEMU boards: instructions counted against loops counted by hand, and every way in which an emulator ends."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_images import MACHINES, Machine, ask, cortex_m, ready

from shoal.errors import BadInput, NodeError, ToolError
from shoal.link.emulators import qemu

NETDUINO = MACHINES[0]


@pytest.fixture(params=MACHINES, ids=lambda m: m.name)
def machine(request: pytest.FixtureRequest) -> Machine:
    return request.param


def test_counts_are_exact(machine: Machine, tmp_path: Path) -> None:
    elf = cortex_m(machine, tmp_path)
    settings = {"machine": machine.name}
    with qemu.start(elf, settings, count=["tiny_run", "tiny_run_steps"]) as emulator:
        ready(emulator)
        for n in (1, 2, 50, 1):
            ask(emulator, n)
            regions = emulator.regions()
            assert [r.entry for r in regions] == ["tiny_run"]
            assert regions[0].instructions == 2 * (1000 * n + 1) + 3 + 5
        ask(emulator, 100)
        assert [(r.entry, r.instructions) for r in emulator.regions()] == [("tiny_run_steps", 2 * 100001 + 3)]


def test_interrupts_are_not_counted(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}, count=["tiny_run"]) as emulator:
        ready(emulator)
        taken = 0
        for _ in range(50):
            taken = ask(emulator, 99)
            assert [r.instructions for r in emulator.regions()] == [2 * 99001 + 8]
            if taken > 3:
                break
        assert taken > 0


def test_blocks_say_what_ran_and_what_was_taken(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}, count=["tiny_run_steps"], blocks=True) as emulator:
        ready(emulator)
        ask(emulator, 100)
        (region,) = emulator.regions()
    assert sum(b.instructions * b.runs for b in region.blocks) == region.instructions
    # 100,000 branches back and the return
    assert sum(b.taken for b in region.blocks) == 100_001


def test_blocks_cut_at_a_page_are_no_branches(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}, count=["crosses_page"], blocks=True) as emulator:
        ready(emulator)
        ask(emulator, 254)
        (region,) = emulator.regions()
    assert region.instructions == 5 * 100 + 2
    assert sum(b.taken for b in region.blocks) == 99 + 1
    ends = {b.address + b.bytes for b in region.blocks}
    assert ends - {max(ends)} <= {b.address for b in region.blocks}


def test_agrees_with_a_timer_that_ticks_per_instruction(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name, "options": ["-icount", "shift=0"]}) as emulator:
        ready(emulator)
        ticks = [ask(emulator, n) for n in (101, 102, 103, 150)]
    with qemu.start(elf, {"machine": NETDUINO.name}, count=["tiny_run_steps"]) as emulator:
        ready(emulator)
        counts = []
        for n in (101, 102, 103, 150):
            ask(emulator, n)
            counts += [r.instructions for r in emulator.regions()]
    # the timer is read by a few instructions of its own, always the same
    assert len({t - c for t, c in zip(ticks, counts, strict=True)}) == 1
    assert 0 <= ticks[0] - counts[0] < 10


def test_reset_starts_anew(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}, count=["tiny_run"]) as emulator:
        ready(emulator)
        ask(emulator, 99)
        emulator.reset()
        ready(emulator)
        assert emulator.regions() == []
        ask(emulator, 1)
        assert [r.instructions for r in emulator.regions()] == [2 * 1001 + 8]


def test_a_crash_says_its_last_words(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}, name="netduinoplus2") as emulator:
        ready(emulator)
        with pytest.raises(NodeError, match="Lockup") as caught:
            ask(emulator, 0)
        assert caught.value.where == "netduinoplus2"


def test_silence_is_bounded(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with qemu.start(elf, {"machine": NETDUINO.name}) as emulator:
        assert emulator.read(0.01) == b""


def test_leaves_nothing_behind(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    emulator = qemu.start(elf, {"machine": NETDUINO.name})
    folder, process = emulator.second.parent, emulator._process
    assert folder.is_dir()
    del emulator
    assert not folder.exists()
    assert process.poll() is not None


def test_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    code = (
        "import sys; from pathlib import Path; from shoal.link.emulators import qemu\n"
        f"emulator = qemu.start(Path({str(elf)!r}), {{'machine': {NETDUINO.name!r}}})\n"
        "print(emulator.second.parent, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(20)
            wire.connect(str(folder / "second"))
            process.kill()
            with contextlib.suppress(ConnectionResetError):
                assert wire.recv(1) == b""  # hung up
    shutil.rmtree(folder)


def test_names_what_is_missing(tmp_path: Path) -> None:
    elf = cortex_m(NETDUINO, tmp_path)
    with pytest.raises(ToolError, match="apt-get install"):
        qemu.start(elf, {"machine": NETDUINO.name, "binary": "qemu-system-none"})
    with pytest.raises(NodeError, match="unsupported machine"):
        qemu.start(elf, {"machine": "no-such-board"})
    with pytest.raises(BadInput, match="no function other_run"):
        qemu.start(elf, {"machine": NETDUINO.name}, count=["other_run"])
