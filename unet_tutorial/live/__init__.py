"""A network that lives in the page: it answers what the reader draws, and it learns while the reader looks.

The network is written in JavaScript, in one file that can be read beside the chapters, ``engine.js``. Its weights, its
pictures and its numbers come from Python. In a notebook the last line of a cell shows a picture: ``live.Draw()``.
"""

from .draw import Draw, SmallDraw
from .train import Train

__all__ = ["Draw", "SmallDraw", "Train"]
