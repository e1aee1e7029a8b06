"""The colours of every picture and page: Okabe and Ito's, which people with any colour vision tell apart.

They come from https://jfly.uni-koeln.de/color/. On dark ground each has a lighter sister.
"""

from __future__ import annotations

# In this order: the first four have a contrast of 3 : 1 with white, as lines need it (WCAG 2.2, 1.4.11).
LIGHT = {
    "blue": "#0072b2",
    "red": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
DARK = {
    "blue": "#5ab0e6",
    "red": "#ff9152",
    "green": "#35c79f",
    "purple": "#e8a5c8",
    "orange": "#f3c14b",
    "sky": "#9ad6f7",
}

COLORS = BLUE, RED, GREEN, PURPLE, ORANGE, SKY = tuple(LIGHT.values())
LINES = COLORS[:4]
