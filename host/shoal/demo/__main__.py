"""`make demo`: a small network on an emulated STM32F405, by the commands that a user would type."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from shoal.demo.digits import load
from shoal.demo.train import MODEL as TRAINED
from shoal.errors import ShoalError
from shoal.tensors import Array

BOARD = "netduinoplus2"
FOLDER = Path("build/demo")
MODEL = Path(os.path.relpath(TRAINED))
#: held-out digits that the emulated board classifies, and how many of them are drawn
SAMPLES = 20
DRAWN = 5


def shoal(*arguments: str | Path, capture: bool = False) -> str:
    """Runs one command, shown as it would be typed; its exit code is ours where it fails."""
    words = [str(a) for a in arguments]
    shown = ["shoal", *words]
    print(f"\n$ {shlex.join(shown)}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "shoal", *words], stdout=subprocess.PIPE if capture else None, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def draw(images: Array, lines: list[str]) -> str:
    """Digits side by side, two rows of pixels a text line, each with its line of text below."""
    shades = " ░▒▓█"
    rows = [
        "  ".join("".join(shades[int(v * 4.99)] for v in (image[y, :, 0] + image[y + 1, :, 0]) / 2) for image in images)
        for y in range(0, 28, 2)
    ]
    below = "  ".join(line.center(28) for line in lines)
    return "\n".join([*rows, below])


def main() -> None:
    _, digits = load()
    pick = np.random.default_rng(405).choice(len(digits.labels), SAMPLES, replace=False)
    images, labels = digits.images[pick], digits.labels[pick]
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.save(FOLDER / "digits.npy", images)

    print("A network that reads handwritten digits, on an STM32F405 with 128 KiB of RAM, emulated by QEMU.")
    project = FOLDER / BOARD
    shoal("analyze", MODEL, "--board", BOARD)
    shoal("generate", MODEL, "--board", BOARD, "--output", project)
    shoal("build", project)
    shoal("run", project, "--input", FOLDER / "digits.npy", "--output", FOLDER / "answers.npy")
    answers = np.load(FOLDER / "answers.npy").reshape(SAMPLES, -1)
    guesses = answers.argmax(axis=1)
    lines = [f"is {label}, read as {guess}" for label, guess in zip(labels, guesses, strict=True)]
    print("\n" + draw(images[:DRAWN], lines[:DRAWN]))
    shoal("bench", project, "--runs", "1")
    result = json.loads(shoal("bench", project, "--runs", "1", "--json", capture=True))

    from shoal.oracle import open_oracle, reason

    right = int((guesses == labels).sum())
    print(f"\n{right} of {SAMPLES} digits read right on the emulated board.")
    if reason() is None:
        oracle = open_oracle(MODEL.read_bytes())
        scale, zero_point = 1 / 255, -128
        quantized = np.clip(np.round(images / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)
        same = sum(
            bool((oracle.run([q[None]])[0].reshape(-1) == a).all()) for q, a in zip(quantized, answers, strict=True)
        )
        print(f"{same} of {SAMPLES} answers equal TensorFlow Lite Micro's, byte for byte.")
        if same != SAMPLES:
            sys.exit(1)
    else:
        print(f"Not compared with TensorFlow Lite Micro: {reason()}.")
    instructions = result["latency"]["instructions"]
    print(
        f"{instructions:,} instructions an inference (counted in emulation), "
        f"{result['ram']['total_bytes'] / 1000:.1f} KB of RAM, {result['flash']['total_bytes'] / 1000:.1f} KB of flash."
    )


if __name__ == "__main__":
    try:
        main()
    except ShoalError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
