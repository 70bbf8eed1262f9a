"""Results as `shoal compare` makes them, invented."""

from __future__ import annotations

import copy

import pytest

KINDS = ("conv_2d", *("depthwise_conv_2d", "conv_2d") * 4, "average_pool_2d", "reshape", "fully_connected", "softmax")


@pytest.fixture
def result():
    """Makes a result; keywords replace members, a dotted path with `__` for the dot."""

    def make(board="netduinoplus2", scale=1.0, **members):
        steps = [
            {
                "index": i,
                "operators": [kind],
                "name": f"t{i}",
                "instructions": int(scale * 100_000 * (1 + i * 7 % 5)),
                "cycles_estimated": None,
                "macs": 1000 * i,
                "arena_bytes": 4000 + 1000 * (i * 3 % 7),
                "code_bytes": None,
            }
            for i, kind in enumerate(KINDS)
        ]
        made = {
            "label": board,
            "board": board,
            "model": "kws",
            "model_sha256": "ab" * 32,
            "firmware_sha256": "cd" * 32,
            "build_id": "ef" * 20,
            "compiler": "arm-none-eabi-gcc 12.2.1",
            "flags": ["-O3", "-mcpu=cortex-m4"],
            "options": {"prefer": "speed"},
            "node": "emulator",
            "source": "emulated",
            "rounding": "double",
            "clock_hz": 168_000_000,
            "latency": {
                "instructions": sum(s["instructions"] for s in steps),
                "cycles": None,
                "cycles_estimated": int(scale * 3_000_000),
                "milliseconds": None,
                "milliseconds_estimated": scale * 17.857,
                "assumed_cpi": None,
                "assumption": "Cortex-M4 cycle table, no flash wait states",
                "steps": steps,
            },
            "ram": {
                "arena_bytes": 16_000,
                "static_bytes": 1_200,
                "stack_bytes": 300,
                "stack_total_bytes": 700,
                "total_bytes": 17_900,
            },
            "flash": {"code_bytes": 9_000, "weights_bytes": 24_000, "total_bytes": 41_000},
            "energy": None,
            "exact": True,
            "exact_reason": None,
            "fits": True,
            "why_not_measured": None,
            "limits": {"ram_bytes": 131_072, "flash_bytes": 1_048_576, "shortfall": None},
        }
        for path, value in members.items():
            target = made
            *parents, last = path.split("__")
            for parent in parents:
                target = target[parent]
            target[last] = value
        return copy.deepcopy(made)

    return make
