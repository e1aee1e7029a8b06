"""``{live} Draw`` and ``{explorer} Convolution``: pictures with controls. Settings follow as ``name=value``."""

import importlib
import json
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

# The package is imported where it is used: it loads PyTorch, and most builds read no page that needs it.


class Picture(SphinxDirective):
    """The HTML of a picture with controls, which needs no kernel."""

    required_arguments = 1
    optional_arguments = 20
    home = ""  # the subpackage

    def run(self):
        module = importlib.import_module(f"unet_tutorial.{self.home}")
        name, *settings = self.arguments
        if name not in module.__all__:
            raise self.error(f"the picture must be one of {', '.join(module.__all__)}, but got {name!r}.")
        # It may show anything that the package computes, so a change in any file makes the page anew.
        for path in sorted(Path(module.__file__).parents[1].rglob("*.*")):
            if path.is_file() and "__pycache__" not in path.parts:
                self.env.note_dependency(str(path))
        values = dict(setting.split("=", 1) for setting in settings)
        try:
            picture = getattr(module, name)(**{key: value_of(value) for key, value in values.items()})
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.raw("", picture.html(), format="html")]


class Explorer(Picture):
    """``{explorer} Convolution padding=1``: the table of all states, see `unet_tutorial.widgets`."""

    home = "widgets"


class Live(Picture):
    """``{live} Draw``: a network that runs in the page."""

    home = "live"


def value_of(text):
    """Return what a setting says: a number, true, false, or a word."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


class Cost(SphinxDirective):
    """``{live-cost}``: what it costs the shipped network that the page holds its weights in one byte."""

    def run(self):
        whole, small = cost()
        text = f"Mean IoU with four bytes a weight: {whole:.4f}. With one byte: {small:.4f}."
        return [nodes.paragraph(text, text)]


@cache
def cost():
    """Return the mean IoU over 64 test pictures with all weights in four bytes, and in one."""
    import torch

    from unet_tutorial.data import SyntheticCellsDataset
    from unet_tutorial.live.packing import in_one_byte
    from unet_tutorial.metrics import iou, predicted_masks
    from unet_tutorial.pretrained import load_pretrained

    model, data = load_pretrained("cells"), SyntheticCellsDataset(64, split="test")
    images, masks = (torch.stack(parts) for parts in zip(*data, strict=True))
    scores = []
    for state in (model.state_dict(), in_one_byte(model)):
        model.load_state_dict(state)
        with torch.no_grad():
            scores.append(iou(predicted_masks(model(images)), masks).mean().item())
    return scores


def setup(app):
    """Add the directives."""
    app.add_directive("explorer", Explorer)
    app.add_directive("live", Live)
    app.add_directive("live-cost", Cost)
    return {"parallel_read_safe": True}
