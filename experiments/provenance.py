"""Keep a result together with how it was made, for ``unet_tutorial.records`` to read."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "unet_tutorial" / "results"


def versions() -> dict[str, str]:
    """Return what the last digit of a result may depend on, besides the processor."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": platform.machine(),
    }


def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of the code, with "+" behind it where the package or the experiments have been changed since.

    Kept results do not count as a change: writing one must not mark the next.
    """
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return "unknown"  # an archive without its history
    kept = (f":!unet_tutorial/{folder}" for folder in ("results", "weights", "denoisers", "widgets"))
    code = ["unet_tutorial", "experiments", *kept]
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", *code]).returncode
    return head.stdout.strip() + ("+" if changed else "")


def provenance(command: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Return how a result is being made.

    Parameters
    ----------
    command : str
        What to type for the same result.
    seeds : sequence of int
        All seeds that were used.

    Returns
    -------
    dict
        ``command``, ``commit``, ``seeds``, ``versions``, ``processor``, ``threads`` (of torch), and ``gpu``, its name
        or None.
    """
    return {
        "command": command,
        "commit": commit(),
        "seeds": list(seeds),
        "versions": versions(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def begun(name: str, settings: dict[str, Any], empty: dict[str, Any]) -> dict[str, Any]:
    """Return what an interrupted command has already measured, to go on from; or nothing measured yet.

    Parameters
    ----------
    name : str
        Of the record.
    settings : dict
        All that the results depend on, besides the code; it stands in the record.
    empty : dict
        The parts of the record that are measured, with nothing in them.

    Returns
    -------
    dict
        The record without its provenance, if it was made with these settings and by this very code: two commits, or
        changes that are not committed, could have measured two things. Otherwise ``{**settings, **empty}``.
    """
    path, now = RESULTS / f"{name}.json", commit()
    if path.is_file() and now != "unknown" and not now.endswith("+"):
        content = json.loads(path.read_text(encoding="utf-8"))
        made = content.pop("provenance", {})
        if made.get("commit") == now and json.loads(json.dumps(settings)).items() <= content.items():
            return content
    return {**settings, **empty}


def write_record(name: str, content: dict[str, Any], *, command: str, seeds: Sequence[int]) -> Path:
    """Write ``unet_tutorial/results/NAME.json`` and return its path.

    Parameters
    ----------
    name : str
        What `unet_tutorial.records.load` will ask for.
    content : dict
        The results, as JSON can hold them; without the key ``"provenance"``.
    command, seeds
        See `provenance`.

    Raises
    ------
    ValueError
        If the content holds the key ``"provenance"``, or NaN or infinity, which JSON does not know.
    """
    if "provenance" in content:
        raise ValueError("content must not hold the key 'provenance', which is added here.")
    whole = {**content, "provenance": provenance(command, seeds)}
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(text, encoding="utf-8")
    return path
