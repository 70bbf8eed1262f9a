"""A recipe at work: each stage changes the network, is written as a .tflite, and measured on every board.

What a stage made lies in a folder of its own, DIR/stages/NN, with a digest of all that it depends on: a stage that is
done is not done again, and one that was interrupted is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

import shoal
from shoal.boards.board import Board
from shoal.explore import measure
from shoal.explore.data import Data
from shoal.explore.recipe import Recipe, Stage
from shoal.plan.steps import Options
from shoal.tensors import Array
from shoal.variants import model as networks
from shoal.variants import prune, quantize, train

#: what each goal compares, less is better
_MEASURE: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "size": lambda stage: float(stage["flash_bytes"]),
    "latency": lambda stage: float(stage["instructions"] or 0),
    "ram": lambda stage: float(stage["ram_bytes"]),
    "energy": lambda stage: float(stage["energy_microjoules"] or stage["instructions"] or 0),
    "accuracy": lambda stage: -float(stage["validation_accuracy"]),
}

_DONE = "stage.json"


@dataclass(frozen=True)
class Asked:
    """What a run is for. `max_loss`: of accuracy, as a fraction."""

    goal: str
    max_loss: float
    boards: Sequence[Board]
    options: Options


#: told what is under way: (stage's name, what of it)
Told = Callable[[str, str], None]


@dataclass
class _Made:
    """A stage's description, and which samples of the validation part it gets right."""

    described: dict[str, Any]
    right: Array


class Run:
    """One run over one folder."""

    def __init__(self, path: Path, data: Data, recipe: Recipe, asked: Asked, output: Path, told: Told) -> None:
        self.original = networks.load(path)
        self.data = data
        self.recipe = recipe
        self.asked = asked
        self.output = output
        self.told = told
        self.key = hashlib.sha256(path.read_bytes()).hexdigest()
        self.made: list[_Made] = []

    def run(self) -> list[dict[str, Any]]:
        """All stages in the order of the report: the unchanged network in float32, plain int8, what the recipe made,
        the chosen one last."""
        (self.output / "stages").mkdir(parents=True, exist_ok=True)
        (self.output / "recipe.json").write_text(json.dumps(self.recipe.described(), indent=1) + "\n", encoding="utf-8")
        unchanged = self._stage("float32", lambda: self.original, quantize.float32)
        self._stage("int8", lambda: self.original, self._int8)
        network, lost = self.original, 0
        for stage in self.recipe.stages:
            network = self._changed(stage, network)
            made = self.made[-1]
            lost = lost + 1 if self.lost(made, unchanged) > self.asked.max_loss else 0
            if self.recipe.until_lost and lost == 2:
                break
        return self._chosen_last(unchanged)

    def lost(self, made: _Made, unchanged: _Made) -> float:
        """How much accuracy it loses on the validation part, and one standard error of that, by pairs of answers."""
        difference = unchanged.right.astype(np.float64) - made.right
        return float(difference.mean() + difference.std() / np.sqrt(len(difference)))

    def _chosen_last(self, unchanged: _Made) -> list[dict[str, Any]]:
        for made in self.made:
            made.described["within_limit"] = self.lost(made, unchanged) <= self.asked.max_loss
        candidates = [m for m in self.made[1:] if m.described["fits"]] or self.made[1:]
        within = [m for m in candidates if m.described["within_limit"]]
        value = _MEASURE[self.asked.goal]
        if within:
            chosen = min(within, key=lambda m: value(m.described))
        else:
            chosen = max(candidates, key=lambda m: float(m.right.mean()))
        for made in self.made:
            made.described["chosen"] = made is chosen
        return [m.described for m in self.made if m is not chosen] + [chosen.described]

    def _changed(self, stage: Stage, before: networks.Model) -> networks.Model:
        """What the stage makes of the network of the stage before."""
        data, seed = self.data, self.recipe.seed
        found: list[networks.Model] = []

        def change() -> networks.Model:
            network = networks.clone(before)
            if stage.component == "prune":
                share = stage.share * prune.cost(self.original, stage.unit) / prune.cost(network, stage.unit)
                if share < 1:
                    network = prune.prune(network, data.x_train, data.y_train, share, stage.unit, seed)
            how = train.Fit(stage.epochs, stage.rate, distil=stage.distil, seed=seed)
            teacher = self.original if stage.distil else None
            if stage.epochs:
                train.fit(
                    network,
                    data.x_train,
                    data.y_train,
                    how,
                    teacher,
                    lambda done, total: self.told(stage.name, f"epoch {done} of {total}"),
                )
            found.append(network)
            return network

        self._stage(stage.name, change, self._int8, json.dumps(asdict(stage)))
        if found:
            return found[0]
        return networks.load(self._folder(len(self.made) - 1) / "model.keras")

    def _int8(self, network: networks.Model) -> bytes:
        return quantize.int8(network, quantize.pick(self.data.x_train, self.recipe.seed))

    def _folder(self, index: int) -> Path:
        return self.output / "stages" / f"{index:02}"

    def _stage(
        self,
        name: str,
        change: Callable[[], networks.Model],
        convert: Callable[[networks.Model], bytes],
        settings: str = "",
    ) -> _Made:
        """Done now, or taken from the folder of an earlier run."""
        index = len(self.made)
        boards = [(b.id, b.sha256) for b in self.asked.boards]
        given = (
            self.key,
            name,
            settings,
            self.data.sha256,
            self.recipe.seed,
            boards,
            asdict(self.asked.options),
            shoal.__version__,
        )
        self.key = hashlib.sha256(repr(given).encode()).hexdigest()
        folder = self._folder(index)
        made = self._earlier(folder)
        if made is None:
            made = self._do(folder, name, change, convert)
        self.made.append(made)
        return made

    def _earlier(self, folder: Path) -> _Made | None:
        try:
            described = json.loads((folder / _DONE).read_text(encoding="utf-8"))
            right = np.load(folder / "right.npy")
        except (OSError, ValueError):
            return None
        return _Made(described["stage"], right) if described["key"] == self.key else None

    def _do(
        self, folder: Path, name: str, change: Callable[[], networks.Model], convert: Callable[[networks.Model], bytes]
    ) -> _Made:
        started = monotonic()
        self.told(name, "changing the network")
        network = change()
        making = folder.with_name(f"{folder.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        network.save(making / "model.keras")
        (making / "model.tflite").write_bytes(convert(network))
        self.told(name, "building and measuring")
        results = [measure.on_board(making / "model.tflite", board, self.asked.options) for board in self.asked.boards]
        first = results[0]
        self.told(name, "classifying")
        data = self.data
        right = measure.answers(first.directory, data.x_validation).argmax(axis=1) == data.y_validation
        accuracy = measure.accuracy(first.directory, data.x_test, data.y_test)
        np.save(making / "right.npy", right)
        described = {
            "name": name,
            "model": str(folder / "model.tflite"),
            "accuracy": accuracy,
            "validation_accuracy": float(right.mean()),
            "model_bytes": (making / "model.tflite").stat().st_size,
            "parameters": int(network.count_params()),
            **_figures(first),
            "boards": [_figures(r) for r in results],
            "seconds": round(monotonic() - started, 3),
        }
        (making / _DONE).write_text(json.dumps({"key": self.key, "stage": described}, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        making.replace(folder)
        return _Made(described, right)


def _figures(measured: measure.Measured) -> dict[str, Any]:
    return {
        "board": measured.board,
        "measured_on": measured.measured_on,
        "fits": measured.fits,
        "flash_bytes": measured.flash_bytes,
        "ram_bytes": measured.ram_bytes,
        "instructions": measured.instructions,
        "milliseconds_estimated": measured.milliseconds_estimated,
        "energy_microjoules": measured.energy_microjoules,
        "source": measured.source,
        "exact": measured.exact,
    }
