"""The benchmark's tables and curves, from the record that comes with the package.

``{benchmark} PART`` gives the tables of a part, ``{benchmark-curves} cells`` what more training bought.
"""

import base64
import sys
from pathlib import Path
from statistics import median

from docutils import nodes
from matplotlib.figure import Figure
from sphinx.util.docutils import SphinxDirective

from unet_tutorial import plots, records

sys.path.append(str(Path(__file__).resolve().parents[2] / "experiments"))
import bench_tables

RECORD = Path(records.__file__).parent / "results" / "bench.json"
ALT = "Two curves for each network against seconds: the IoU rises, the boundary error falls."


def row(cells):
    """Return one row of a table."""
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def paragraph(text):
    """Return a paragraph in which what stands between backticks is code."""
    parts = (nodes.literal(part, part) if i % 2 else nodes.Text(part) for i, part in enumerate(text.split("`")))
    return nodes.paragraph("", "", *parts)


def table(content):
    """Return a table with its caption, header and rows."""
    columns = len(content["header"])
    group = nodes.tgroup("", cols=columns)
    group += [nodes.colspec("", colwidth=1) for _ in range(columns)]
    group += nodes.thead("", row(content["header"]))
    group += nodes.tbody("", *(row(cells) for cells in content["rows"]))
    return nodes.table("", nodes.title(content["caption"], content["caption"]), group, classes=["benchmark"])


def goals(sentences):
    """Return whether the goals are met, a list."""
    items = (nodes.list_item("", nodes.paragraph(sentence, sentence)) for sentence in sentences)
    return nodes.bullet_list("", *items)


def made(provenance):
    """Return in a paragraph how a part of the record was made."""
    seeds = f", seeds {', '.join(map(str, provenance['seeds']))}" if provenance["seeds"] else ""
    rest = (
        f" at commit {provenance['commit']} with PyTorch {provenance['versions']['torch']}; threads: "
        f"{provenance['threads']}, processor: {provenance['processor']}, GPU: {provenance['gpu'] or 'none'}{seeds}."
    )
    command = nodes.literal(provenance["command"], provenance["command"])
    return nodes.paragraph("", "", nodes.Text("Made by "), command, nodes.Text(rest))


def curves(part):
    """Return the figure of IoU and boundary error against seconds of training, medians over the seeds."""
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, network in enumerate(part["settings"]["networks"]):
        checks = zip(*(run["curves"][i] for run in part["runs"]), strict=True)  # a tuple a check, an entry a seed
        medians = [[median(values) for values in zip(*check, strict=True)] for check in checks]
        _, seconds, ious, errors = zip(*medians, strict=True)
        for axes, scores in ((left, ious), (right, errors)):
            axes.plot(seconds, scores, marker="os^"[i], label=f"{network['block']}, {network['channels']}")
    left.set(xlabel="seconds of training", ylabel="IoU", xscale="log")
    right.set(xlabel="seconds of training", ylabel="boundary error, pixels", xscale="log")
    left.legend(title="blocks, channels", frameon=False)
    return figure


class Benchmark(SphinxDirective):
    """``{benchmark} discs``: what `unet_tutorial.records` holds of a part of the benchmark."""

    required_arguments = 1

    def part(self):
        """Return the part of the record, or an error that names the parts that are there."""
        for made_of in (RECORD, bench_tables.__file__):
            self.env.note_dependency(str(made_of))  # so that the page is built again when it changes
        record, name = records.load("bench"), self.arguments[0]
        if name not in record or name == "provenance":
            parts = ", ".join(sorted(set(record) - {"provenance"}))
            raise self.error(f"the benchmark has no part {name!r}; there are: {parts}.")
        return record[name]

    def run(self):
        """Return the tables."""
        name, part = self.arguments[0], self.part()
        sentences = bench_tables.goals(name, part)
        judged = [goals(sentences)] if sentences else []
        return [*map(table, bench_tables.tables(name, part)), *judged, made(part["provenance"])]


class Curves(Benchmark):
    """``{benchmark-curves} cells``: the curves of that part, as a picture."""

    def run(self):
        """Write the picture where Sphinx finds it, and return it."""
        path = Path(self.env.srcdir, "_build", "figures", f"{self.arguments[0]}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(plots.bundle(curves(self.part()), ALT)[0]["image/png"]))
        return [nodes.image(uri=f"/{path.relative_to(self.env.srcdir).as_posix()}", alt=ALT, loading="lazy")]


def setup(app):
    """Register the directives."""
    app.add_directive("benchmark", Benchmark)
    app.add_directive("benchmark-curves", Curves)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
