"""Tests of emulators also boot the firmware around the tiny model of tests/link."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "link"))
