"""Turn the numbers of the benchmark's record into tables and sentences: for the terminal, and for the book's page."""

from __future__ import annotations

import itertools
import math
from statistics import median

from unet_tutorial.sizing import multiply_adds

Table = dict  # {"caption": str, "header": [str], "rows": [[str]]}; code stands between backticks


def discs_tables(part: dict) -> list[Table]:
    """Return the two recipes side by side, and one row a seed with the median below."""
    settings, sizes = part["settings"], part["parameters"]
    recipes = {name: {"parameters": f"{sizes[name]:,}", **recipe} for name, recipe in settings["recipes"].items()}
    keys = recipes["usual"]
    table = {
        "caption": "Discs: the two recipes",
        "header": ["setting", "usual", "ours"],
        "rows": [[key.replace("_", " "), *(plain(recipe[key]) for recipe in recipes.values())] for key in keys],
    }
    return [table, arrivals(part)]


def plain(value: object) -> str:
    """Return a setting as words: no "True", no "None", no brackets."""
    if value is None or isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def arrivals(part: dict) -> Table:
    """Return one row a seed, and the median."""
    header = ["seed", "usual: steps", "seconds", "ours: steps", "seconds", "times faster"]
    rows = [
        [
            str(run["seed"]),
            *(cell for name in ("usual", "ours") for cell in arrival(run[name])),
            "-" if run["times_faster"] is None else f"{run['times_faster']:.1f}",
        ]
        for run in part["runs"]
    ]
    columns = zip(*(run_numbers(run) for run in part["runs"]), strict=True)
    middle = [f"{median(column):.{digits}f}" for column, digits in zip(columns, (0, 2, 0, 2), strict=True)]
    rows.append(["median", *middle, f"{median_ratio(part):.1f}"])
    return {
        "caption": f"Discs: time to a validation IoU of {part['settings']['target']}",
        "header": header,
        "rows": rows,
    }


def arrival(run: dict) -> list[str]:
    """Return steps and seconds until the target, or until the end with a "not" where it was not reached."""
    missed = "" if run["reached"] else "not in "
    return [f"{missed}{run['steps']}", f"{run['seconds']:.2f}"]


def run_numbers(run: dict) -> list[float]:
    return [run[name][what] for name in ("usual", "ours") for what in ("steps", "seconds")]


def median_ratio(part: dict) -> float:
    """Return the median ratio, with a pair of which one did not arrive as 0 times faster."""
    return median(run["times_faster"] or 0 for run in part["runs"])


def discs_goals(part: dict) -> list[str]:
    goal, ratios = part["settings"]["goal"], [run["times_faster"] for run in part["runs"]]
    there = [ratio for ratio in ratios if ratio is not None]
    enough = sum(ratio >= goal for ratio in there)
    verdict = "Met" if median_ratio(part) >= goal else "Missed"
    spread = f", from {min(there):.1f} to {max(there):.1f}" if there else ""
    return [
        f"{verdict}: at least {goal} times faster. The median is {median_ratio(part):.1f}{spread}; "
        f"{enough} of {len(ratios)} seeds reach {goal}, and {len(there)} reach the IoU with both recipes."
    ]


def models_tables(part: dict) -> list[Table]:
    """Return one table for each device and each widths."""
    tables = []
    for device, results in part["devices"].items():
        batch = "×".join(map(str, part["settings"]["devices"][device]["batch"]))
        for result in results:
            rows = [
                [
                    name,
                    f"{result['parameters'][name.partition(',')[0]]:,}",
                    *timed(forward),
                    *timed(result["step"][name]),
                ]
                for name, forward in result["forward"].items()
            ]
            caption = f"U-Nets on {device.upper()}: channels {result['channels']}, a batch of {batch}"
            header = ["network", "parameters", "forward, ms", "ratio", "training step, ms", "ratio"]
            tables.append({"caption": caption, "header": header, "rows": rows})
    return tables


def timed(result: dict) -> list[str]:
    middle, low, high = result["ratio"]
    return [f"{result['ms']:.1f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]


def models_goals(part: dict) -> list[str]:
    """Say for each device whether ours is never slower with the same options, and how far its best goes."""
    sentences = []
    for device, results in part["devices"].items():
        settings = part["settings"]["devices"][device]
        base, last = (label(*settings["contestants"][i]) for i in (0, -1))
        plain = base.replace("MONAI", "ours")
        measured = {
            f"{what} at {result['channels']}": result[key]
            for result in results
            for what, key in (("forward", "forward"), ("training step", "step"))
        }
        slower = [where for where, result in measured.items() if result[plain]["ratio"][0] > 1]
        far = [where for where, result in measured.items() if result[last]["ratio"][0] > settings["goal"]]
        sentences += [
            f"{device.upper()}, {verdict(slower)}: ours as it is never slower than MONAI's as it is{named(slower)}.",
            f"{device.upper()}, {verdict(far)}: {last} at {settings['goal']} of MONAI's time or less{named(far)}.",
        ]
    if "cuda" not in part["devices"]:
        sentences.append("GPU: not measured, for want of one on the machine of this record.")
    return sentences


def label(name: str, options: dict) -> str:
    """Return, for example, "ours, channels_last, bfloat16, compile"."""
    words = [
        name,
        "channels_last" if options["channels_last"] else "",
        "" if options["precision"] == "float32" else options["precision"],
        "compile" if options["compile"] else "",
    ]
    return ", ".join(word for word in words if word)


def verdict(failures: list[str]) -> str:
    return "missed" if failures else "met"


def named(failures: list[str]) -> str:
    return f"; but not {', '.join(failures)}" if failures else ""


def cells_tables(part: dict) -> list[Table]:
    """Return one row for every check of every size: medians over the seeds, with their range."""
    rows = []
    for i, network in enumerate(part["settings"]["networks"]):
        curves = [run["curves"][i] for run in part["runs"]]
        for checks in zip(*curves, strict=True):
            steps, seconds, ious, errors = zip(*checks, strict=True)
            rows.append(
                [
                    network_name(network),
                    f"{part['parameters'][i]:,}",
                    str(steps[0]),
                    ranged(seconds, 1),
                    ranged(ious, 3),
                    ranged(errors, 2),
                ]
            )
    header = ["network", "parameters", "steps", "seconds", "IoU", "boundary error, pixels"]
    return [{"caption": "Cells: scores on held-out images against time", "header": header, "rows": rows}]


def network_name(network: dict) -> str:
    return f"{network['block']} blocks, channels {plain(network['channels'])}"


def ranged(values: tuple[float, ...], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def chapters_tables(part: dict) -> list[Table]:
    """Return one row a chapter."""
    rows = []
    for chapter in part["chapters"]:
        cells = "; ".join(
            f"{cell['seconds']:.1f} s, cell {cell['cell']}: `{cell['source']}`" for cell in chapter["slowest"]
        )
        rows.append([chapter["title"], f"{chapter['seconds']:.1f}", cells])
    rows.append(["all", f"{sum(chapter['seconds'] for chapter in part['chapters']):.1f}", ""])
    header = ["chapter", "seconds", "slowest cells"]
    return [{"caption": "Chapters: one run each in a fresh kernel, one thread", "header": header, "rows": rows}]


def chapters_goals(part: dict) -> list[str]:
    settings = part["settings"]
    within = [chapter for chapter in part["chapters"] if chapter["number"] in settings["within"]]
    longer = [chapter["title"] for chapter in within if chapter["seconds"] > settings["minute"]]
    total = sum(chapter["seconds"] for chapter in within)
    others = [str(one["number"]) for one in part["chapters"] if one not in within]
    numbers = f"each chapter but {' and '.join(others)}" if others else "each chapter"
    return [
        f"{verdict(longer).capitalize()}: {numbers} within {settings['minute']} s{named(longer)}.",
        f"{'Met' if total <= settings['pass'] else 'Missed'}: these {len(within)} chapters together within "
        f"{settings['pass']} s; they take {total:.0f} s.",
    ]


def pieces_tables(part: dict) -> list[Table]:
    rows = []
    for name, result in part["pieces"].items():
        middle, low, high = (100 * share for share in result["ratio"])
        rows.append([name, f"{result['ms']:.2f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"])
    caption = f"Data and checks beside a training step of UNet {part['settings']['channels']}"
    return [{"caption": caption, "header": ["piece", "ms", "% of a step"], "rows": rows}]


def threads_tables(part: dict) -> list[Table]:
    """Return one row for every network and number of threads: milliseconds of a step, idle and busy."""
    rows = []
    for network in part["networks"]:
        for number in network["ms"]["idle"]:
            times = [ranged(network["ms"][state][number], 0) for state in ("idle", "busy")]
            rows.append([plain(network["channels"]), "×".join(map(str, network["batch"])), number, *times])
    header = ["channels", "batch", "threads", "idle, ms", "busy, ms"]
    caption = f"A training step on {part['settings']['cores']} cores, idle and beside as many busy processes"
    return [{"caption": caption, "header": header, "rows": rows}]


def commands_tables(part: dict) -> list[Table]:
    """Return one row for every command: seconds at the commit before, and now."""
    then = {result["what"]: result for result in part["then"]}
    rows = [[result["what"], took(then.get(result["what"])), took(result)] for result in part["now"]]
    header = ["command", f"at commit {part['settings']['before']}, seconds", "now, seconds"]
    return [{"caption": f"The commands on {part['settings']['cores']} cores", "header": header, "rows": rows}]


def took(result: dict | None) -> str:
    if result is None:
        return "-"
    return f"{result['seconds']:.0f}" + ("" if result["succeeded"] else ", failed")


def percentile_95(times: list[float]) -> float:
    """Return the shortest time within which 95 % of the moves were painted."""
    ordered = sorted(times)
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def best(result: dict) -> float:
    """Return what 95 % of the moves need in the best round: whatever else runs only makes it slower."""
    return min(map(percentile_95, result["ms"]))


def explorers_tables(part: dict) -> list[Table]:
    """Return one row an explorer: the best round, and all moves of this run."""
    rows = [
        [one["name"], f"{best(one):.1f}", f"{percentile_95(list(itertools.chain(*one['ms']))):.1f}"]
        for one in part["explorers"]
    ]
    header = ["explorer", "best round, ms", "all rounds, ms"]
    return [
        {"caption": "Explorers: from an input to the painted answer, 95 % of the moves", "header": header, "rows": rows}
    ]


def explorers_goals(part: dict) -> list[str]:
    goal = part["settings"]["goal"]
    slower = [one["name"] for one in part["explorers"] if best(one) > goal]
    return [
        f"{'Missed' if slower else 'Met'}: every explorer paints 95 % of the moves within {goal} ms in its best round"
        f"{'; but not ' + ', '.join(slower) if slower else ''}."
    ]


def speed(one: dict, settings: dict) -> float:
    """Return the billions of multiply-adds a second of a step in the page: forward once, and backward twice as many."""
    side = settings["side"]
    forward = sum(multiply_adds(side, side, 1, 1, one["channels"]).values()) * settings["batch"]
    return 3 * forward / median(one["page_ms"]) / 1e6


def live_tables(part: dict) -> list[dict]:
    rows = []
    for one in part["networks"]:
        page, pytorch = (median(one[key]) for key in ("page_ms", "pytorch_ms"))
        ratio, rate = f"{page / pytorch:.1f}", f"{speed(one, part['settings']):.1f}"
        rows.append([str(tuple(one["channels"])), f"{page:.0f}", f"{pytorch:.0f}", ratio, rate])
    header = ["channels", "in the page, ms", "PyTorch, one thread, ms", "ratio", "billion multiply-adds a second"]
    batch, side = part["settings"]["batch"], part["settings"]["side"]
    steps = {"caption": f"A training step with {batch} images of {side}×{side} pixels", "header": header, "rows": rows}
    strokes = part["strokes_ms"]
    answer = {
        "caption": "From a stroke on the sheet of 128×128 pixels to the new mask",
        "header": ["median, ms", "95 % within, ms"],
        "rows": [[f"{median(strokes):.0f}", f"{percentile_95(strokes):.0f}"]],
    }
    return [steps, answer]


def live_goals(part: dict) -> list[str]:
    goals = part["settings"]["goals"]
    middle = next(one for one in part["networks"] if one["channels"] == [4, 8, 16])
    step, slowest = median(middle["page_ms"]), min(speed(one, part["settings"]) for one in part["networks"])
    stroke = percentile_95(part["strokes_ms"])
    met = {True: "Met", False: "Missed"}
    return [
        f"{met[step <= goals['step_ms']]}: a step of (4, 8, 16) within {goals['step_ms']} ms.",
        f"{met[slowest >= goals['gmac_per_second']]}: the whole step of each network with at least "
        f"{goals['gmac_per_second']} billion multiply-adds a second.",
        f"{met[stroke <= goals['stroke_ms']]}: 95 % of the strokes answered within {goals['stroke_ms']} ms.",
    ]


# Of each part its tables, and whether its goals are met; some have none.
TABLES = {
    "discs": (discs_tables, discs_goals),
    "models": (models_tables, models_goals),
    "cells": (cells_tables, lambda part: []),
    "chapters": (chapters_tables, chapters_goals),
    "pieces": (pieces_tables, lambda part: []),
    "threads": (threads_tables, lambda part: []),
    "explorers": (explorers_tables, explorers_goals),
    "live": (live_tables, live_goals),
    "commands": (commands_tables, lambda part: []),
}


def tables(name: str, part: dict) -> list[Table]:
    """Return the tables of a part."""
    return TABLES[name][0](part)


def goals(name: str, part: dict) -> list[str]:
    """Return a sentence for every goal of a part: whether it is met."""
    return TABLES[name][1](part)


def text(table: Table) -> str:
    """Return a table for a terminal."""
    rows = [table["header"], *table["rows"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table["header"]))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([table["caption"], *lines])
