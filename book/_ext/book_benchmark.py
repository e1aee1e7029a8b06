"""The tables of the benchmark, from the record that comes with the package: ``{benchmark} PART``."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from unet_tutorial import records


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


class Benchmark(SphinxDirective):
    """``{benchmark} discs``: what `unet_tutorial.records` holds of a part of the benchmark."""

    required_arguments = 1

    def run(self):
        """Return the tables, or an error that names the parts that are there."""
        record, name = records.load("bench"), self.arguments[0]
        if name not in record or name == "provenance":
            parts = ", ".join(sorted(set(record) - {"provenance"}))
            raise self.error(f"the benchmark has no part {name!r}; there are: {parts}.")
        part = record[name]
        judged = [goals(part["goals"])] if part["goals"] else []
        return [*(table(content) for content in part["tables"]), *judged, made(part["provenance"])]


def setup(app):
    """Register the directive."""
    app.add_directive("benchmark", Benchmark)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
