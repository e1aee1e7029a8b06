"""The map of the network on the landing page, drawn while the book is built."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from unet_tutorial import _palette, _svg, diagram, sizing


class UNetMap(SphinxDirective):
    """``{unet-map}``: the U-Net of the paper's size for an RGB image of 256 × 256."""

    def run(self):
        """Return the drawing with its caption."""
        for module in (_palette, _svg, diagram, sizing):
            self.env.note_dependency(module.__file__)  # so that the page is built again when the drawing changes
        count = sum(sizing.parameters().values())
        drawing = diagram.UNetDiagram(sizing.feature_maps(256, 256)).svg
        caption = (
            "Each box is what one stage of the network computes: channels × height × width. The higher the box, the "
            f"larger the maps; the wider, the more of them. The whole has {count:,} parameters."
        )
        html = f'<figure class="unet-map">{drawing}<figcaption>{caption}</figcaption></figure>'
        return [nodes.raw("", html, format="html")]


def setup(app):
    """Register the directive."""
    app.add_directive("unet-map", UNetMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
