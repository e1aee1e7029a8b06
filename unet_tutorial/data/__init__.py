"""Pictures and their masks: the mask contract, and two synthetic data sets."""

from .masks import check_mask, check_pair, from_colors, from_gray, resize_mask
from .synthetic import SyntheticCellsDataset, SyntheticCircleDataset

__all__ = [
    "SyntheticCellsDataset",
    "SyntheticCircleDataset",
    "check_mask",
    "check_pair",
    "from_colors",
    "from_gray",
    "resize_mask",
]
