"""Pictures and their masks: the mask contract, and two synthetic data sets."""

from .synthetic import SyntheticCellsDataset, SyntheticCircleDataset

__all__ = ["SyntheticCellsDataset", "SyntheticCircleDataset"]
