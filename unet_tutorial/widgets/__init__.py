"""Explorers: pictures with controls, alive in the pages of the book, which have no kernel, and in Jupyter.

In a notebook, the last line of a cell shows one: ``widgets.SegmentationKinds()``. Its controls are traits, so
``explorer.kind = "panoptic"`` moves the picture, and ``explorer.observe(function, "kind")`` follows the reader.
How to write one stands in `unet_tutorial.widgets.kit.base`.
"""

from .architecture import Architecture
from .convolution import Convolution
from .feature_maps import FeatureMaps
from .kit import Choice, Explorer, Panel, Slider, State, Switch
from .losses import Losses
from .noise_walk import NoiseWalk
from .receptive_field import ReceptiveField
from .segmentation_kinds import SegmentationKinds
from .skip_switchboard import SkipSwitchboard
from .threshold import Threshold
from .training_scrubber import TrainingScrubber
from .upsampling import Upsampling

EXPLORERS = (  # in the order of the chapters
    SegmentationKinds,
    Architecture,
    Convolution,
    FeatureMaps,
    ReceptiveField,
    Upsampling,
    SkipSwitchboard,
    TrainingScrubber,
    Losses,
    Threshold,
    NoiseWalk,
)

__all__ = ["EXPLORERS", "Choice", "Explorer", "Panel", "Slider", "State", "Switch"]
__all__ += [explorer.__name__ for explorer in EXPLORERS]
