"""What all explorers share: the class `Explorer`, its controls and states, pictures, and what shows them in a page."""

from .base import Explorer, Panel, State, asset
from .controls import Choice, Slider, Switch
from .pictures import encode

__all__ = ["Choice", "Explorer", "Panel", "Slider", "State", "Switch", "asset", "encode"]
