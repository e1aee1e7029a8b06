"""The package of a book that teaches U-Net by building it.

Names are imported when they are first used, so ``import unet_tutorial`` is cheap and does not load torch.

Examples
--------
>>> import unet_tutorial
>>> sum(p.numel() for p in unet_tutorial.UNet().parameters())
31037633
"""

import difflib
import importlib

__version__ = "0.1.0"

# By the module in which they are. What is not listed is called by its module's name, such as plots.show.
_NAMES = {
    "augment": ("Augmentation", "Augmented"),
    "blocks": ("AttentionGate", "DoubleConv", "ResidualConvBlock", "SeparableConvBlock"),
    "checkpoints": (),
    "data": (
        "SyntheticCellsDataset",
        "SyntheticCircleDataset",
        "check_mask",
        "check_pair",
        "from_colors",
        "from_gray",
        "resize_mask",
    ),
    "diagram": (),
    "diagnosis": ("Diagnosis", "Finding", "diagnose"),
    "exercises": (),
    "inference": ("predict",),
    "instances": (),
    "live": (),
    "losses": (
        "CombinedLoss",
        "DiceLoss",
        "FocalLoss",
        "TverskyLoss",
        "bce_loss",
        "dice_loss",
        "focal_loss",
        "tversky_loss",
    ),
    "metrics": ("IoUMetric", "average_precision", "boundary_error", "dice", "iou", "predicted_masks"),
    "plots": (),
    "pretrained": ("load_model", "load_pretrained", "pretrained_record"),
    "records": (),
    "sizing": (),
    "training": ("History", "Scores", "choose_device", "evaluate", "fit", "try_learning_rates"),
    "unet": ("Decoder", "DecoderBlock", "Encoder", "UNet"),
    "variants": ("AttentionUNet", "EfficientUNet", "MODELS", "ResidualUNet", "UNetPlusPlus", "build"),
    "widgets": (),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted([*_NAMES, *_HOME])


def __getattr__(name: str) -> object:
    if name in _NAMES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value  # next time it is found without a call of this function
        return value
    near = difflib.get_close_matches(name, __all__, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
