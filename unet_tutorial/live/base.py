"""The foundation of the live pictures: what `Explorer` is for tables, with the engine in the place of the table."""

from __future__ import annotations

import json
from pathlib import Path

from traitlets import Unicode

from .._checks import option
from ..widgets.kit import Explorer
from ..widgets.kit.base import PARTS, STYLE

_HERE = Path(__file__).parent


def read(name: str) -> str:
    """Return one of the scripts and styles of this folder.

    Parameters
    ----------
    name : str
        The file.

    Returns
    -------
    str

    Examples
    --------
    >>> read("engine.js").startswith("// A U-Net that runs and learns in plain JavaScript")
    True
    """
    option("name", name, sorted(path.name for path in _HERE.iterdir() if path.suffix in (".js", ".css")))
    return (_HERE / name).read_text(encoding="utf-8")


# A script without exports, so that a worker can be made of it everywhere.
ENGINE = read("engine.js").replace("\nexport ", "\n") + read("worker.js")


def script(name: str) -> str:
    """Return the module that shows a live picture, with all that it needs.

    Parameters
    ----------
    name : str
        The file in this folder that has its ``render``.

    Returns
    -------
    str

    Examples
    --------
    >>> script("draw.js").endswith("export default { initialize, render };\\n")
    True
    """
    return f"const ENGINE = {json.dumps(ENGINE)};\n{PARTS}{read('kit.js')}{read(name)}"


class Live(Explorer):
    """A picture with controls behind which a network runs. A subclass says what the page needs to know.

    Without JavaScript it stands still, with what `state` says. The settings of its controls go into links as those of
    every explorer.

    Parameters
    ----------
    **values
        Values of the controls at the start.

    Raises
    ------
    ValueError
        If there is no such control, or its value is not in its list.

    Examples
    --------
    >>> issubclass(Live, Explorer)
    True
    """

    _css = Unicode(STYLE + read("live.css")).tag(sync=True)
    _kind = "unet-explorer unet-live"

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._mine = f"figure.unet-live[data-explorer={cls.__name__}]"

    def __init__(self, **values):
        super().__init__(**values)
        self._plan = {**self._plan, **self.knows()}

    @classmethod
    def knows(cls) -> dict:
        """Return what the page gets beside the controls. Every live picture has its own."""
        return {}
