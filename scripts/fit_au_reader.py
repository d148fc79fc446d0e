"""Fits how the tower's values become action units, weighs them against blendshapes, and writes the table.

    python scripts/fit_au_reader.py TOWER --data ../shared/data --crops CROPS

TOWER is a folder of `train_tower.py`. Dead zones come from neutral faces, full scales from the strongest of
all (FER+ train and portraits of the training people); weights and errors from people whom nobody learned
from. A unit is measured if it passes the rule of `measure_aus.py`. Writes `assets/au_units.json`, and
the network's weights to `assets/seeing`.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from au_evidence import (
    LEAST_FLIP,
    LEAST_R,
    SLACK,
    by_labels,
    by_rated_faces,
    by_raters,
    correlation,
    is_shown,
    ratings,
)
from au_readings import Array, Read, read
from flat_json import flat_json
from safetensors.numpy import save
from tower_faces import LABELS

from expllm.core.vocabulary import ACTION_UNITS
from expllm.faces.au_reader import Channel, channel_of, load_calibration
from expllm.faces.pixel_reader import Ramp
from expllm.faces.quantized_weights import quantized, read_weights
from expllm.faces.unit_network import CHANNELS, DEAD_CHANNELS

ASSETS: Final = Path(__file__).parents[1] / "src" / "expllm" / "assets"
DEAD: Final = 0.85
"""As of blendshapes: one in seven neutral faces reads above zero."""
FULL: Final = 0.99
FLOOR: Final = 0.02
"""Of neutral faces: from there on a reading is a trace, graded up to the dead zone. Cut off at the middle of
neutral faces, traces told expressions apart less well (FER+ valid, readable faces: NLL 0.70, not 0.67)."""
LEAST_CLEAR: Final = 0.1
"""From there on what is read tells expressions apart as on the clearest faces. FER+ valid within 30 degrees,
AUC of lip corner pull for happiness, nose wrinkle and upper lip raise for anger, lips part for surprise:
.99, .90, .90, .90 from .5 on; .99, .94, .86, .86 from .2; .99, .96, .95, .89 from .05; then .99, .84, .77,
.90."""
NEUTRAL: Final = LABELS.index("neutral")
FALL_IN_PICTURES: Final = ("lid raise", "jaw drop", "chin raise")
"""Their r with the teacher falls below the rule where faces are found as in a picture (`measure_aus.py`)."""

PIXELS: Final[dict[str, dict[int, float]]] = {
    "eye close": {45: 1.0}, "lid raise": {5: 1.0}, "brow lower": {4: 1.0}, "brow raise": {1: 0.5, 2: 0.5},
    "jaw drop": {26: 1.0}, "lip corner pull": {12: 1.0}, "lip corner stretch": {20: 1.0},
    "upper lip raise": {10: 1.0}, "chin raise": {17: 1.0}, "nose wrinkle": {9: 1.0}, "cheek raiser": {6: 1.0},
    "lid tightener": {7: 1.0}, "dimpler": {14: 1.0, 12: -0.2}, "lip corner depressor": {15: 1.0},
    "lip tightener": {23: 1.0}, "lips part": {25: 1.0},
}  # fmt: skip
"""Units of FACS that stand for an action. A smile deepens the same folds as a dimpler: a fifth of it is taken
out (raters agree no less, and the two move together less)."""
SHAPES: Final[dict[str, tuple[str, ...]]] = {
    "chin raise": ("mouthShrugLower",),
    "lip pressor": ("mouthPressLeft", "mouthPressRight"),
}
"""Channels that were rejected by labels and are good by blind ratings, beside the calibration of FEAFA's."""
SHARES: Final = (0.0, 0.3, 0.5, 0.7, 1.0)
"""Weights of the pixels that are tried."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tower", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, default=ASSETS)
    options = parser.parse_args()
    fitter = Fitter(options)
    actions = {action: fitter.entry(action) for action in dict.fromkeys(au.action for au in ACTION_UNITS)}
    card = {
        "date": datetime.date.today().isoformat(),
        "source": "OpenFace's published linear models (2016) read FER+ and the portraits; votes of FER+",
        "licence": "academic use only: the network learned from OpenFace's readings",
        "learned": {name: len(part.label) for name, part in fitter.learned.items()},
        "held_out": {name: len(part.label) for name, part in fitter.held_out.items()},
        "floor_quantile": FLOOR,
        "dead_zone_quantile": DEAD,
        "full_scale_quantile": FULL,
    }
    table = {"card": card, "least_clear": LEAST_CLEAR, "actions": actions}
    path = options.output / "au_units.json"
    path.write_text(flat_json(table), encoding="utf-8")
    ship(options.tower, options.output / "seeing")
    print(
        f"{path}: {sum(entry['measured'] for entry in actions.values())} of {len(actions)} actions measured"
    )


class Fitter:
    """The faces, and what is made of them for each action."""

    def __init__(self, options: argparse.Namespace) -> None:
        def of(part: str) -> Read:
            return clear(read(part, options.tower, options.data, options.crops))

        self.learned = {name: of(f"{name}:train") for name in ("ferplus", "portraits")}
        self.held_out = {name: of(f"{name}:valid") for name in ("ferplus", "portraits")}
        self.ratings = ratings(options.data / "blind_ratings.csv")
        self.rated = {
            name: read(f"rated:{name}", options.tower, options.data, options.crops) for name in self.held_out
        }
        self.calibration = load_calibration()["aus"]

    def entry(self, action: str) -> dict[str, Any]:
        """What the table says of an action."""
        pixels = self._ramp(PIXELS[action]) if action in PIXELS else None
        channels = self._channel(action) if action in SHAPES else None
        figures: dict[str, Any] = {"raters": by_raters(action, self.ratings)}
        if pixels is not None:
            figures |= self._agreement(pixels)
            figures["rated_auc"] = by_rated_faces(
                action, lambda part: pixels.value(part.units), self.rated, self.ratings
            )
            figures["labels"] = by_labels(
                action, pixels.value(self.held_out["ferplus"].units), self.held_out["ferplus"]
            )
        shapes = self._shapes(action, channels, self.held_out["ferplus"])
        if shapes is not None:
            figures["labels_blendshapes"] = by_labels(action, shapes, self.held_out["ferplus"])
        weights = self._weights(action, pixels, channels, figures)
        return {
            "measured": sum(weights.values()) > 0,
            "pixels": pixels and vars(pixels),
            "parts": self._parts(action),
            "channel": channels and _as_entry(channels),
            "weights": weights,
            "error": self._error(action, pixels, channels, weights),
            "figures": rounded(figures),
        }

    def _parts(self, action: str) -> dict[str, Any]:
        """The ramps of units of FACS that an action joins; empty where it is one unit."""
        joined = [number for number, share in PIXELS.get(action, {}).items() if share > 0]
        ramps = {number: vars(self._ramp({number: 1.0})) for number in joined if len(joined) > 1}
        return {str(number): {k: v for k, v in ramp.items() if k != "facs"} for number, ramp in ramps.items()}

    def _ramp(self, facs: dict[int, float]) -> Ramp:
        """Floor and dead zone from neutral faces, full scale from the strongest of all."""
        one = Ramp(facs, 0.0, 1.0, 2.0)
        values = {name: one.value(part.units) for name, part in self.learned.items()}
        rest = np.concatenate([values[name][part.label == NEUTRAL] for name, part in self.learned.items()])
        full = np.quantile(values["ferplus"], FULL)
        floor, dead = np.quantile(rest, [FLOOR, DEAD])
        return Ramp(facs, *(round(float(value), 4) for value in (floor, dead, full)))

    def _channel(self, action: str) -> Channel:
        """The same for a channel of MediaPipe."""
        names = SHAPES[action]
        weights = {name: round(1 / len(names), 4) for name in names}
        values = {name: _scores(part, weights) for name, part in self.learned.items()}
        rest = np.concatenate([values[name][part.label == NEUTRAL] for name, part in self.learned.items()])
        dead, full = float(np.quantile(rest, DEAD)), float(np.quantile(values["ferplus"], FULL))
        return Channel(weights, "sum", round(dead, 4), round(full, 4))

    def _agreement(self, pixels: Ramp) -> dict[str, Any]:
        """Correlations with the teacher on people whom nobody learned from, and of both mirror images."""
        figures: dict[str, Any] = {}
        for name, part in self.held_out.items():
            known = np.asarray(~np.isnan(part.teacher).any(axis=1))
            teacher = pixels.value(part.teacher)
            figures[f"r_{name}"] = correlation(pixels.value(part.units), teacher, known)
            flip = correlation(pixels.value(part.straight), pixels.value(part.flipped), known)
            figures[f"flip_r_{name}"] = flip
        return figures

    def _shapes(self, action: str, channel: Channel | None, faces: Read) -> Array | None:
        """What blendshapes read of an action, the mean of its sides; None where they do not measure it."""
        units = [au.name for au in ACTION_UNITS if au.action == action]
        entries = [self.calibration[name] for name in units if name in self.calibration]
        channels = [channel_of(one) for one in entries if one["measured"]] or ([channel] if channel else [])
        if not channels:
            return None
        dead = dict.fromkeys(DEAD_CHANNELS, 0.0)
        rows = [dict(zip(CHANNELS, row, strict=True)) | dead for row in faces.channels.tolist()]
        return np.array([np.mean([one.read(row) for one in channels]) for row in rows])

    def _weights(
        self, action: str, pixels: Ramp | None, channel: Channel | None, figures: dict[str, Any]
    ) -> dict[str, float]:
        """The share of each source that agrees best with the labels, among sources that pass the rule."""
        seen = (
            pixels is not None
            and action not in FALL_IN_PICTURES
            and (
                min(figures["r_portraits"], figures["r_ferplus"]) >= LEAST_R + SLACK
                and min(figures["flip_r_portraits"], figures["flip_r_ferplus"]) >= LEAST_FLIP
                and is_shown(figures["labels"], figures["raters"], figures["rated_auc"])
            )
        )
        faces = self.held_out["ferplus"]
        shapes = self._shapes(action, channel, faces)
        if pixels is None or not seen or shapes is None:
            return {"blendshapes": float(shapes is not None), "pixels": float(seen)}
        read = pixels.intensity(faces.units)
        tried = {share: by_labels(action, (1 - share) * shapes + share * read, faces) for share in SHARES}
        means = {share: float(np.mean(list(labels.values()))) for share, labels in tried.items() if labels}
        figures["shares"] = means
        best = max(means, key=lambda share: means[share]) if means else 0.5
        return {"blendshapes": round(1 - best, 2), "pixels": best}

    def _error(
        self, action: str, pixels: Ramp | None, channel: Channel | None, weights: dict[str, float]
    ) -> float | None:
        """Root mean square difference of what is read from the teacher's reading on the same scale."""
        if pixels is None or not sum(weights.values()):
            return None
        faces = self.held_out["portraits"]
        known = ~np.isnan(faces.teacher).any(axis=1)
        read = weights["pixels"] * pixels.intensity(faces.units)
        if weights["blendshapes"]:
            shapes = self._shapes(action, channel, faces)
            assert shapes is not None
            read = read + weights["blendshapes"] * shapes
        differences = read[known] - pixels.intensity(faces.teacher)[known]
        return round(float(np.sqrt(np.mean(differences**2))), 3)


def _as_entry(channel: Channel) -> dict[str, Any]:
    """As `au_reader.channel_of` reads it."""
    values = vars(channel)
    return {"channels": values["weights"], **{name: values[name] for name in values if name != "weights"}}


def clear(faces: Read) -> Read:
    """The faces that are read: those that the network itself takes for clear, and where a face was found."""
    return faces.at((faces.clear >= LEAST_CLEAR) & ~np.isnan(faces.channels[:, 0]))


def _scores(faces: Read, weights: dict[str, float]) -> Array:
    return sum(weight * faces.channels[:, CHANNELS.index(name)] for name, weight in weights.items())  # type: ignore[return-value]


def rounded(figures: Any) -> Any:
    """The same with three decimals."""
    if isinstance(figures, dict):
        return {str(name): rounded(value) for name, value in figures.items()}
    return round(figures, 3) if isinstance(figures, float) else figures


def ship(tower: Path, folder: Path) -> None:
    """The network in 8 bits, with all its heads: training goes on from what ships."""
    folder.mkdir(exist_ok=True)
    for name in ("tower", "units"):
        packed = quantized(read_weights(tower / f"{name}.safetensors"))
        (folder / f"{name}.safetensors").write_bytes(save(packed))


if __name__ == "__main__":
    main()
