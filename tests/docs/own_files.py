"""What the README has a new user write: a network, a study, and a folder of photos, as typed from there."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["write_own_files"]

README = Path(__file__).parents[2] / "README.md"
SIZES = [(48, 36), (36, 48), (40, 40), (90, 50), (50, 90), (64, 33), (33, 64), (120, 70), (70, 121), (57, 43), (32, 32)]
SIZES += [(47, 80)]


def write_own_files(folder: Path) -> None:
    """Write my_net.py and photos.toml as the README shows them, and 60 photos of 12 sizes in two classes."""
    text = README.read_text(encoding="utf-8")
    for name in ("my_net.py", "photos.toml"):
        (block,) = re.findall(rf"```\w+\n(# {re.escape(name)}\n.*?)```", text, re.DOTALL)
        (folder / name).write_text(block, encoding="utf-8")
    draw = np.random.default_rng(0)
    for number in range(60):
        label = ("cat", "dog")[number % 2]
        place = folder / "photos" / label
        place.mkdir(parents=True, exist_ok=True)
        width, height = SIZES[number // 2 % len(SIZES)]
        photo(draw, width, height, striped=label == "cat").save(
            place / f"{number:02}.{('jpg', 'png')[number // 2 % 2]}"
        )


def photo(draw: np.random.Generator, width: int, height: int, striped: bool) -> Image.Image:
    """Return a noisy photo of vertical or of horizontal stripes, whose place and colour are drawn."""
    along = np.arange(width)[None, :] if striped else np.arange(height)[:, None]
    wave = np.sin(along * draw.uniform(0.5, 0.7) + draw.uniform(0, 6)) + np.zeros((height, width))
    pixels = 128 + 60 * wave[:, :, None] * draw.uniform(0.6, 1.0, 3) + draw.normal(0, 20, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
