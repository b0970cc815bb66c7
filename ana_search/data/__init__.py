"""The data sets: one file each, registered in `DATASETS`; in memory as one uint8 tensor.

An installed package adds its own through the entry point group ``ana_search.datasets``: a `Source`.
"""

from ana_search.data.augment import augment
from ana_search.data.augmentations import AUGMENTATIONS, changed, check_augmentations, mixed, names_of
from ana_search.data.coding import InputCoding, InputStatistics
from ana_search.data.dataset import Dataset, Part
from ana_search.data.fingerprints import DataFingerprint, fingerprint
from ana_search.data.load import (
    DATASETS,
    ImagePool,
    check_split,
    data_notes,
    dataset_info,
    image_count,
    load_dataset,
    load_images,
)
from ana_search.data.rows import MappedRows
from ana_search.data.source import Images, Source

__all__ = [
    "AUGMENTATIONS",
    "DATASETS",
    "DataFingerprint",
    "Dataset",
    "ImagePool",
    "Images",
    "InputCoding",
    "InputStatistics",
    "MappedRows",
    "Part",
    "Source",
    "augment",
    "changed",
    "check_augmentations",
    "check_split",
    "data_notes",
    "dataset_info",
    "fingerprint",
    "image_count",
    "load_dataset",
    "load_images",
    "mixed",
    "names_of",
]
