"""Run a command beside processes that keep every core busy, and say what it took: slow machines must not make it fail.

    python tools/busy.py make book
    python tools/busy.py make test

The exit code is the command's. What it takes with nothing beside it, `python experiments/bench.py commands` measures.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

SPIN = [sys.executable, "-c", "while True: pass"]


@contextmanager
def busy_cores() -> Iterator[int]:
    """Keep every core busy while the block runs; yield how many there are."""
    cores = os.cpu_count() or 1
    spinning = [subprocess.Popen(SPIN) for _ in range(cores)]
    try:
        yield cores
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def main() -> int:
    command = sys.argv[1:]
    if not command:
        print(__doc__)
        return 2
    with busy_cores() as cores:
        start = time.perf_counter()
        code = subprocess.run(command).returncode
        seconds = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = f"{seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time"
    print(f"{' '.join(command)}: exit code {code}, {took}, beside {cores} busy processes")
    return code


if __name__ == "__main__":
    sys.exit(main())
