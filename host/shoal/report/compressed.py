"""What `shoal compress` found, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(document: Mapping[str, Any]) -> Table:
    """A row for each stage, the chosen one last and bold."""
    first = document["stages"][0]["board"]
    made = Table(box=None, title=f"{document['model']} on {first}, for {document['goal']}", title_justify="left")
    made.add_column("stage")
    for heading in ("accuracy", "flash", "RAM", "instructions", "energy"):
        made.add_column(heading, justify="right")
    made.add_column("")
    for stage in document["stages"]:
        energy = stage["energy_microjoules"]
        notes = [] if stage["within_limit"] else ["loses too much"]
        if not stage["fits"]:
            notes.append(f"does not fit, measured on {stage['measured_on']}")
        made.add_row(
            stage["name"],
            f"{100 * stage['accuracy']:.2f} %",
            f"{stage['flash_bytes']:,} B",
            f"{stage['ram_bytes']:,} B",
            "–" if stage["instructions"] is None else f"{stage['instructions']:,}",
            "–" if energy is None else f"≈ {energy:,.1f} µJ",
            "; ".join(notes),
            style="bold" if stage["chosen"] else "",
        )
    made.caption = "flash: code and weights; RAM: arena; instructions counted in emulation; energy by the model"
    made.caption_justify = "left"
    return made
