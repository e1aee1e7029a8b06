"""The package of a book that teaches U-Net by building it.

Names are imported when they are first used, so ``import unet_tutorial`` is cheap and does not load torch. Which names
there are, and in which module each of them is, stands in ``__init__.pyi``, where editors and type checkers read it too.

Examples
--------
>>> import unet_tutorial
>>> sum(p.numel() for p in unet_tutorial.UNet().parameters())
31037633
"""

import difflib

import lazy_loader

__version__ = "0.1.0"

_import_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name in __all__:
        return _import_name(name)
    near = difflib.get_close_matches(name, __all__)
    near.sort(key=lambda one: one[:1] != name[:1])  # for Unet the class UNet, and not the module unet
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{hint}")
