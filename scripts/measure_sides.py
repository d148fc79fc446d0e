"""What is read on one side of a rendered head when the other side smiles.

    pip install torch==2.13.0 && pip install anny==0.6.2 'av>=16'
    python scripts/measure_sides.py --heads 0,1,4,5,6,7,8

Prints the reading of each corner of the mouth above rest, left / right, when the left one moves by 0.9 and
the right one by 0, 0.2, 0.4 and 0.9: `expllm.video.crosstalk` takes less than half for a copy. Heads are
those of `scripts/render_video.py`.
"""

import argparse
from dataclasses import replace

import expllm  # noqa: F401 - before PyTorch: it settles how threads wait

# isort: split
import numpy as np
from head_renderer import HeadModel, load_head, render
from render_video import Actor

from expllm.core.vocabulary import AU_NAMES
from expllm.video.follower import Follower
from expllm.video.readings import UnitMeter

CORNERS = ("left lip corner pull", "right lip corner pull")
RIGHT = (0.0, 0.2, 0.4, 0.9)


def read(
    head: HeadModel, actor: Actor, weights: dict[str, float], follower: Follower
) -> tuple[float, ...] | None:
    """Both corners, 0-1; None where no face is found."""
    picture = render(head, actor.face(weights), replace(actor.look, yaw=0.0), 320)
    pixels = np.ascontiguousarray(np.asarray(picture))
    follower.begin()
    found = UnitMeter().read(pixels, follower.follow(pixels, 0.0).faces)
    return tuple(found[0].units[AU_NAMES.index(name)] for name in CORNERS) if found else None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heads", default="0,1,4,5,6,7,8", help="numbers of rendered heads")
    parser.add_argument("--seed", type=int, default=21)
    args = parser.parse_args()
    head = load_head()
    with Follower() as follower:
        for number in map(int, args.heads.split(",")):
            actor = Actor(head, args.seed, number, 12.0)
            rest = read(head, actor, {}, follower)
            line = []
            for right in RIGHT:
                weights = {"mouthSmileLeft": 0.9, "mouthSmileRight": right}
                found = read(head, actor, weights, follower)
                line.append(
                    "no face"
                    if found is None or rest is None
                    else " / ".join(f"{a - b:.2f}" for a, b in zip(found, rest, strict=True))
                )
            print(f"head {number}: " + ",  ".join(line), flush=True)


if __name__ == "__main__":
    main()
