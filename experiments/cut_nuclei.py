"""Cut the small pieces of real nuclei that come with the package.

    python experiments/cut_nuclei.py      write unet_tutorial/data/nuclei_pieces.npz

Nobody chose them: they are the middle of the 1st, 26th, 51st and 76th training field of BBBC039, which is in the public
domain (CC0). Where the middle holds fewer than `LEAST` nuclei, the next field is taken.
"""

from __future__ import annotations

import sys

import numpy as np

from unet_tutorial.data.bbbc039 import NucleiDataset
from unet_tutorial.data.pictures import PIECES

SIDE, EVERY, LEAST = 128, 25, 5  # pixels, fields, nuclei


def middle(picture: np.ndarray) -> np.ndarray:
    """Return the middle of a picture."""
    top, left = ((size - SIDE) // 2 for size in picture.shape)
    return picture[top : top + SIDE, left : left + SIDE]


def cut() -> dict[str, np.ndarray]:
    """Return names, pictures and label maps of the pieces."""
    data = NucleiDataset("train")
    names, images, instances = [], [], []
    for start in range(0, len(data), EVERY):
        fields = range(start, start + EVERY)
        place = next(i for i in fields if len(np.unique(middle(data.instances(i).numpy()))) > LEAST)
        labels = np.unique(middle(data.instances(place).numpy()), return_inverse=True)[1].reshape(SIDE, SIDE)
        names.append(data.names[place])
        images.append(middle(data.images[place]))
        instances.append(labels.astype(np.uint8))
    return {"names": np.array(names), "images": np.stack(images), "instances": np.stack(instances)}


def main() -> int:
    np.savez_compressed(PIECES, **cut())
    print(f"{PIECES.name}: {PIECES.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
