"""The examples of a data set in Ray's object store: one copy a node, in memory that its workers share.

Of mapped files only the names are sent: every worker maps them itself, and the page cache of its node is the one copy.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
import torch
from ray.exceptions import RayError

from ana_search.data import ImagePool, MappedRows, load_images
from ana_search.data.split import check_parts
from ana_search.plan import DataPlan

__all__ = ["PlacedImages", "place_images"]

_NONE = torch.empty(0)


@dataclass(frozen=True)
class PlacedImages:
    """An `ImagePool` with arrays for tensors: Ray shares arrays among the workers of a node, and would copy tensors."""

    rest: ImagePool
    images: npt.NDArray[np.uint8] | MappedRows
    labels: npt.NDArray[np.int64]

    def pool(self) -> ImagePool:
        """Return the images as tensors on the shared memory. It is read-only: a write to it would end the process."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            images = self.images if isinstance(self.images, MappedRows) else torch.from_numpy(self.images)
            return replace(self.rest, images=images, labels=torch.from_numpy(self.labels))


def place_images(plan: DataPlan, read: Callable[[], ImagePool] | None = None) -> Any:
    """Read the plan's images and return a reference to them, or ``None`` if the object store cannot take them.

    ``read`` is how they are read (default: as the plan says).

    Raises:
        DataError: they cannot be read, or split as the plan says.
    """
    pool = load_images(plan) if read is None else read()
    check_parts(pool.search, plan)
    images = pool.images if isinstance(pool.images, MappedRows) else pool.images.numpy()
    placed = PlacedImages(replace(pool, images=_NONE, labels=_NONE), images, pool.labels.numpy())
    try:
        return ray.put(placed)
    except (RayError, OSError):
        return None
