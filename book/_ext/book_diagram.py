"""The map of the network on the landing page, drawn while the book is built, from the sizes that the package computes.

It is SVG inside the page, not a picture file: its text is text, it takes the colours of the light or the dark theme
from the stylesheet, and it is narrow enough to be read on a phone.
"""

from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from unet_tutorial import sizing
from unet_tutorial.sizing import feature_maps, parameters

WIDTH, TOP, LABEL = 340, 56, 34  # units of the drawing: its width, room for the image's label, room for a stage's label
KINDS = ("down", "up", "skip", "pass")
LEGEND = (("down", "max pooling: half the side"), ("up", "upsampling: twice the side"), ("skip", "skip connection"))


def shape(feature_map):
    """Return "channels × height × width"."""
    return f"{feature_map.channels} × {feature_map.height} × {feature_map.width}"


def box_size(feature_map, finest):
    """Return width and height of a box; roots of channels and side, so that the smallest remains visible."""
    return 16 * (feature_map.channels / finest.channels) ** 0.5, 64 * (feature_map.height / finest.height) ** 0.5


def text(x, y, words, kind=""):
    """Return a line of text centred at x."""
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(words)}</text>'


def arrow(kind, x1, y1, x2, y2):
    """Return an arrow of one of the kinds in `KINDS`."""
    return (
        f'<line class="{kind}" x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" marker-end="url(#map-{kind})"/>'
    )


def stage(x, y, feature_map, finest):
    """Return a box, centred at x, with its top at y, and the two lines of its label below."""
    width, height = box_size(feature_map, finest)
    bottom = y + height
    rectangle = f'<rect x="{x - width / 2:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'
    return rectangle + text(x, bottom + 14, feature_map.part, "name") + text(x, bottom + 28, shape(feature_map))


def legend(y):
    """Return the meaning of the arrows, one line each."""
    rows = []
    for i, (kind, words) in enumerate(LEGEND):
        rows.append(arrow(kind, 70, y + 18 * i, 104, y + 18 * i))
        rows.append(text(116, y + 4 + 18 * i, words, "key"))
    return "".join(rows)


def markers():
    """Return the arrow heads."""
    head = '<marker id="map-{0}" class="{0}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    head += ' orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker>'
    return "<defs>" + "".join(head.format(kind) for kind in KINDS) + "</defs>"


def draw(maps):
    """Return the SVG of the network whose feature maps `unet_tutorial.sizing.feature_maps` lists."""
    image, *down, logits = maps
    depth = len(down) // 2
    finest, bottleneck = down[0], down[depth]
    parts, y, edge = [markers()], TOP, (WIDTH / 2 - 70) / depth
    for i in range(depth):
        left, right = 62 + i * edge / 2, WIDTH - 62 - i * edge / 2
        width, height = box_size(down[i], finest)
        parts += [stage(left, y, down[i], finest), stage(right, y, down[-1 - i], finest)]
        parts.append(arrow("skip", left + width / 2 + 4, y + height / 2, right - width / 2 - 4, y + height / 2))
        middle, above = y + height + LABEL, y + height + LABEL + 16
        inner = left + edge / 2 if i < depth - 1 else WIDTH / 2 - 30
        parts.append(arrow("down", left, middle, inner, above))
        parts.append(arrow("up", WIDTH - inner, above, right, middle))
        y += height + LABEL + 18
    parts.append(stage(WIDTH / 2, y, bottleneck, finest))
    parts += [text(62, 14, image.part, "name"), text(62, 28, shape(image)), arrow("pass", 62, 34, 62, TOP - 2)]
    parts += [text(WIDTH - 62, 14, logits.part, "name"), text(WIDTH - 62, 28, shape(logits))]
    parts.append(arrow("pass", WIDTH - 62, TOP - 2, WIDTH - 62, 35))
    y += box_size(bottleneck, finest)[1] + LABEL + 26
    words = (
        f"Map of a U-Net. An image of {shape(image)} goes down through {depth} encoder stages, from {shape(finest)} "
        f"to {shape(down[depth - 1])}, to the bottleneck of {shape(bottleneck)}, and up again through {depth} decoder "
        f"stages to logits of {shape(logits)}. A skip connection joins each encoder stage to the decoder stage of the "
        "same size."
    )
    opening = f'<svg viewBox="0 0 {WIDTH} {y + 18 * len(LEGEND):.0f}" role="img" aria-label="{escape(words)}">'
    return opening + "".join(parts) + legend(y) + "</svg>"


class UNetMap(SphinxDirective):
    """``{unet-map}``: the U-Net of the paper's size for an RGB image of 256 × 256."""

    def run(self):
        """Return the drawing with its caption."""
        self.env.note_dependency(sizing.__file__)  # so that the page is built again when the arithmetic changes
        count = sum(parameters().values())
        caption = (
            "Each box is what one stage of the network computes: channels × height × width. The higher the box, the "
            f"larger the maps; the wider, the more of them. The whole has {count:,} parameters."
        )
        html = f'<figure class="unet-map">{draw(feature_maps(256, 256))}<figcaption>{caption}</figcaption></figure>'
        return [nodes.raw("", html, format="html")]


def setup(app):
    """Register the directive."""
    app.add_directive("unet-map", UNetMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
