"""Make .venv with everything that the book needs. Needs nothing but Python 3.11 or newer.

    python3 tools/install.py            what the book needs
    python3 tools/install.py --tests    and what its tests need

A .venv that is whole is kept, together with the torch in it; any other is made anew. When nothing has changed since the
last time, nothing is done. On Linux, torch comes in its small build for the processor alone where there is no NVIDIA
card, and in the one for CUDA where there is one; TORCH=cpu or TORCH=cuda in the environment overrules this.
"""

# Python 3.6 must be able to read this file up to the end, so that it can say that it is too old: no annotations here.
import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

OLDEST = (3, 11)
ANOTHER = "py -3.12 tools\\install.py" if os.name == "nt" else "make PYTHON=python3.12 book"
if sys.version_info < OLDEST:
    sys.exit(
        "The book needs Python 3.11 or newer, but {} is Python {}. Install a newer one and name it, for example: "
        "{}".format(sys.executable, ".".join(map(str, sys.version_info[:3])), ANOTHER)
    )

import console  # noqa: E402  an older Python cannot read these two
from only_one import only_one  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed"
LOG = ROOT / "_build" / "install.log"
PINS = ROOT / "_build" / "requirements.txt"
BOOK, TESTS = "requirements.txt", "requirements-test.txt"
MAKE = [getattr(sys, "_base_executable", None) or sys.executable, "-m", "venv", "--clear"]

# GB on the disk and to download, by the build of torch, and what the tests add. Measured on Linux.
SIZES = {"cpu": (1.7, 0.4), "cuda": (5.6, 3.0)}
SIZE_OF_TESTS = (0.4, 0.1)
# torch and what its build for CUDA brings: of these, another file comes on each machine, so they are installed apart.
BUILDS = re.compile(r"(torch|triton|nvidia[\w-]*|cuda[\w-]*)==")
# A pin of a file, with the lines of its hashes, which are indented.
PIN = re.compile(r"^[\w.-]+==.*\n(?:[ \t].*\n)*", re.M)
# Signs of an NVIDIA card whose driver is at work. Without the driver, torch could not use the card.
CARDS = ("/proc/driver/nvidia/gpus/*", "/dev/nvidia[0-9]*")
LOOK = 0.2  # seconds between two looks at what pip is doing
GRACE = 10  # seconds for pip to clear away what it has begun, after Ctrl-C

# Of pip's many variables, those that say where packages are and how to get there. The others (PIP_USER, PIP_TARGET and
# so on) were set for other installations and would spoil this one.
KEPT = "INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS TRUSTED_HOST CERT CLIENT_CERT PROXY TIMEOUT DEFAULT_TIMEOUT "
KEPT += "RETRIES RESUME_RETRIES CONFIG_FILE CACHE_DIR NO_CACHE_DIR KEYRING_PROVIDER USE_FEATURE USE_DEPRECATED"
PROBE = "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('purelib'))"

NO_SPACE = re.compile(r"No space left|Errno 28|WinError 112|not enough space|quota exceeded", re.I)
NO_NETWORK = re.compile(
    r"connection broken by|Max retries exceeded|Failed to establish|NewConnectionError|NameResolutionError|getaddrinfo"
    r"|Read ?time(d ?)?out|timed out|ProxyError|SSLError|Connection ?(refused|reset|aborted|error)|IncompleteRead"
    r"|Network is unreachable|connection failed",
    re.I,
)
CHANGED = re.compile(r"DO NOT MATCH THE HASHES")
# How pip names what it has found: in a registry, in .venv, not for this machine, in a folder.
SEEN = re.compile(r"^(?:Collecting|Requirement already satisfied:|Ignoring) ([\w.-]+)|^Processing .*[/\\](\w+)-", re.M)
OTHER_VERSIONS = re.compile(r"from versions: (?!none)")  # the network has answered


def wanted(with_tests):
    """Return a text that changes when something else is to be installed, or the folder has moved.

    What is wanted with the tests begins with what is wanted without them.
    """
    files = b"".join((ROOT / name).read_bytes() for name in (BOOK, "pyproject.toml"))
    tests = hashlib.sha256((ROOT / TESTS).read_bytes()).hexdigest() + "\n" if with_tests else ""
    return f"{hashlib.sha256(files).hexdigest()}\n{ROOT}\n{tests}"


def stamp():
    """Return what the last installation wrote down, or an empty text."""
    return STAMP.read_text(encoding="utf-8") if STAMP.is_file() else ""


def why_anew():
    """Return in a few words why .venv cannot be used as it is, or an empty text if it can."""
    if not os.path.lexists(PYTHON):
        return "it was left half made"
    made_in = Path((stamp().splitlines() + [str(ROOT), str(ROOT)])[1])
    if made_in != ROOT and not (made_in.exists() and made_in.samefile(ROOT)):
        return "this folder was moved or renamed, and the programs in it still look for the old one"
    try:
        answer = subprocess.run([str(PYTHON), "-I", "-X", "utf8", "-c", PROBE], capture_output=True, encoding="utf-8")
    except OSError:
        return "its Python is not on this computer any more"
    if answer.returncode:
        return "its Python does not run"
    major, minor, packages = answer.stdout.rstrip("\n").split(" ", 2)
    if (int(major), int(minor)) < OLDEST:
        return f"it has Python {major}.{minor}, and the book needs 3.11 or newer"
    # Whatever installs a package writes the file INSTALLER when all the others are there.
    has_pip = any(Path(packages).glob("pip-*.dist-info/INSTALLER"))
    return "" if has_pip else "it was left half made, or its Python was exchanged for another"


def packages():
    """Return the folders of .venv in which packages lie; there is one, unless its Python was exchanged."""
    return sorted(VENV.glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"))


def torch_there():
    """Return the version and the build of the torch in .venv, such as ("2.13.0", "cpu"), or two empty texts."""
    for info in [file.parent for folder in packages() for file in folder.glob("torch-*.dist-info/INSTALLER")]:
        version, _, build = info.name[len("torch-") : -len(".dist-info")].partition("+")
        module = info.parent / "torch" / "version.py"
        if not build and module.is_file():  # one from the default registry does not say it in its name
            build = "cuda" if re.search(r"^cuda\b.*= '", module.read_text(encoding="utf-8"), re.M) else "cpu"
        return version, build
    return "", ""


def has_card():
    """Return whether this computer has an NVIDIA card that works."""
    if any(any(Path("/").glob(sign[1:])) for sign in CARDS):
        return True
    try:  # Windows, and Linux inside Windows
        return b"GPU" in subprocess.run(["nvidia-smi", "-L"], capture_output=True).stdout
    except OSError:
        return False


def asked():
    """Return the build of torch that the environment variable TORCH asks for, or an empty text."""
    choice = os.environ.get("TORCH", "")
    if choice not in ("", "cpu", "cuda"):
        sys.exit(f"TORCH={choice} is unknown: write TORCH=cpu or TORCH=cuda, or leave it out.")
    return choice


def build_of_torch(there):
    """Return which build of torch is to come, and why; ``there`` is the build that .venv has or had.

    An empty build leaves the choice to pip, where its own is right.
    """
    if asked():
        return asked(), f"because TORCH={asked()} asks for it"
    if there:
        return there, "like the one that was here"
    if has_card():
        return "cuda", "because there is an NVIDIA card here (TORCH=cpu overrules this)"
    if sys.platform == "linux":
        return "cpu", "because no NVIDIA card was found here (TORCH=cuda overrules this)"
    return "", ""


def size(folder):
    """Return the GB that a folder takes."""
    files = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    return sum(os.lstat(file).st_size for file in files) / 1e9


def costs(build, with_tests):
    """Return the GB that an installation takes on the disk, and those to download."""
    disk, download = SIZES["cpu" if build in ("", "cpu") else "cuda"]
    return (disk + SIZE_OF_TESTS[0], download + SIZE_OF_TESTS[1]) if with_tests else (disk, download)


def refuse_without_space(need):
    """End with one sentence where the disk is too full, and return the GB that are free."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < need and free + size(VENV) < need:
        sys.exit(
            f"The installation takes {need:.1f} GB, and {free:.1f} GB are free in {ROOT}: "
            "make room there, and run the same command again."
        )
    return free


def refuse_without_venv():
    """End with one sentence where this Python cannot make environments, as Debian's own at first."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        name = "python{}.{}-venv".format(*sys.version_info[:2])
        sys.exit(
            f"This Python ({sys.executable}) cannot make an environment, because its part venv is missing: install it "
            f"(on Debian and Ubuntu with: sudo apt install {name}), and run the same command again."
        )


def refuse_read_only():
    """End with one sentence where .venv belongs to somebody else."""
    try:
        tempfile.TemporaryFile(dir=VENV).close()
    except OSError as error:
        sys.exit(
            f"Nothing can be written in {VENV} ({error.strerror}): delete that folder, or become its owner, and run "
            "the same command again."
        )


def environment():
    """Return the variables for pip and uv: without those that would lead them away from .venv."""
    kept = {"PIP_" + name for name in KEPT.split()}
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name in kept}
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        env.pop(name, None)
    env.update(PYTHONUTF8="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_PROGRESS_BAR="off", PIP_NO_INPUT="1")
    # In .venv, because a second copy of torch in the home folder is of no use, and not every home can be written.
    env.update(UV_CACHE_DIR=str(VENV / ".uv"), UV_NO_PROGRESS="1", UV_HTTP_RETRIES=env.get("UV_HTTP_RETRIES", "1"))
    return env


def run(command, board, doing=None):
    """Run a command whose words go to the log; return its exit code and its words.

    A terminal shows meanwhile what it is ``doing``, or how far pip is.
    """
    begin = time.perf_counter()
    with open(LOG, "ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        start = log.tell()
        log.flush()
        # In a group of its own: Ctrl-C reaches this process alone, which then ends the whole group.
        own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
        options = {"cwd": ROOT, "env": environment(), "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        process = subprocess.Popen(command, **options, **own)
        try:
            while process.poll() is None:
                if board.is_terminal:
                    how_far = f"{doing}, {time.perf_counter() - begin:.0f} s" if doing else progress(words(start))
                    board.show("install", f"Installing into .venv: {how_far}")
                time.sleep(LOOK)
        except BaseException:
            stop(process)
            raise
    return process.returncode, words(start)


def words(start):
    """Return what stands in the log from a place on."""
    with open(LOG, "rb") as log:
        log.seek(start)
        return log.read().decode("utf-8", errors="replace")


def stop(process):
    """End a command and all that it started: by asking first, as Ctrl-C does, so that pip can clear away."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    else:
        try:
            with suppress(subprocess.TimeoutExpired):
                # What runs in the background ignores Ctrl-C, and so does all that it starts.
                deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
                os.killpg(process.pid, signal.SIGTERM if deaf else signal.SIGINT)
                process.wait(GRACE)
        finally:  # also when Ctrl-C comes a second time
            with suppress(ProcessLookupError, PermissionError):  # nothing is left of it; macOS says so in another way
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def progress(said):
    """Return how far pip is, from its words so far."""
    names = {line.split("==")[0] for line in pins(PINS)}
    if "Installing collected packages" in said:
        there = sum(1 for folder in packages() for _ in folder.glob("*.dist-info/INSTALLER"))
        return console.bar(min(there, len(names)), len(names)) + " packages unpacked"
    seen = {re.sub("[-_.]+", "-", one or two).lower() for one, two in SEEN.findall(said)}
    return console.bar(min(len(seen), len(names)), len(names)) + " packages collected"


def pins(*files):
    """Return the pins of files, each a line with the lines of its hashes."""
    return [pin for file in files for pin in PIN.findall((ROOT / file).read_text(encoding="utf-8"))]


def pin(name):
    """Return how a package is pinned, such as "torch==2.13.0"."""
    return next(line.split()[0] for line in pins(BOOK, TESTS) if line.startswith(name + "=="))


def advice(said):
    """Return in one sentence what to do, from the words of what failed."""
    if NO_SPACE.search(said):
        return (
            f"There is no space left, on the disk of this folder or in {tempfile.gettempdir()}, where pip keeps what "
            "it downloads: make room (or let TMPDIR name another folder), and run the same command again."
        )
    if NO_NETWORK.search(said) and not OTHER_VERSIONS.search(said):
        return (
            "The packages could not be reached: look whether this computer is in the network (behind a proxy, set "
            "HTTPS_PROXY), and run the same command again; what has come already is kept."
        )
    if CHANGED.search(said):
        return (
            "What came is not the package with which the book was tested, so it was not installed. A download can "
            "break: run the same command again; if it stays so, ask who runs the registry or the proxy it came from."
        )
    return "Mend what these lines say, and run the same command again; if they say nothing to you, delete .venv before."


def run_or_end(command, board, doing=None):
    """Run a command; if it fails, end with its last words and with what to do."""
    code, said = run(command, board, doing)
    if code:
        board.clear()
        sys.exit(
            f"The installation failed. The last lines of {LOG.relative_to(ROOT)}:\n\n{console.last_lines(LOG)}\n\n"
            f"{advice(said)}"
        )


def forget_unfinished():
    """Remove what says that a package is installed where its installation was interrupted, so that pip repeats it."""
    for folder in packages():
        for info in folder.glob("*.dist-info"):
            if not (info / "INSTALLER").is_file():  # written last
                shutil.rmtree(info)
        for left in folder.glob("~*"):  # pip's name for what it was about to remove
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def install_torch(build, board):
    """Let uv, which knows where the builds of torch are, install the one for this machine; else pip will find one."""
    backend = "auto" if build == "cuda" and has_card() else build
    if backend in ("", "cuda"):
        return
    uv = [str(PYTHON), "-m", "uv", "pip", "install", "--python", str(PYTHON), f"--torch-backend={backend}"]
    code, _ = run([*uv, pin("torch")], board, "PyTorch")
    if code:
        disk, download = SIZES["cuda"]
        board.done(
            f"The build {backend} of PyTorch could not be had from its own source, so pip takes the one that it finds; "
            f"if that is the one for CUDA, all takes {disk:.1f} GB in .venv, and {download:.1f} GB to download."
        )
    shutil.rmtree(VENV / ".uv", ignore_errors=True)


def announce(board, build, why, reason, with_tests):
    """Say what comes, before it begins; end where there is no room for it."""
    disk, download = costs(build, with_tests)
    free = refuse_without_space(disk)
    if reason:
        board.done(f"The .venv that is here cannot be used, because {reason}: it is made anew.")
    board.done(
        f"The installation takes about {disk:.1f} GB in .venv, where {free:.0f} GB are free, and downloads about "
        f"{download:.1f} GB."
    )
    if why:
        board.done(f"PyTorch comes in its build for {'the processor alone' if build == 'cpu' else build}, {why}.")


def install(board, with_tests):
    """Make .venv if it must be made, and put everything into it."""
    reason = why_anew() if VENV.is_dir() and any(VENV.iterdir()) else ""
    is_new = bool(reason) or not os.path.lexists(PYTHON)
    version, build = torch_there()
    has_torch = not is_new and f"torch=={version}" == pin("torch")
    if VENV.is_dir():
        refuse_read_only()
    if is_new:
        refuse_without_venv()
    if has_torch:
        board.done("The last installation was not the whole of what is wanted now: what is missing comes.")
        say_what_is_kept()
    else:
        build, why = build_of_torch(build)
        announce(board, build, why, reason, with_tests)
    if is_new:
        run_or_end([*MAKE, str(VENV)], board, "the environment")
    STAMP.write_text(f"unfinished\n{ROOT}\n", encoding="utf-8")
    forget_unfinished()
    files = (BOOK, TESTS) if with_tests else (BOOK,)
    PINS.write_text("".join(one for one in pins(*files) if not BUILDS.match(one)), encoding="utf-8")
    pip = [str(PYTHON), "-m", "pip", "install", "--no-user"]
    run_or_end([*pip, "--no-deps", "-r", str(PINS)], board)  # nothing that is not pinned, and each as its hash says
    if not has_torch:
        install_torch(build, board)
    # The package itself, from this folder (setuptools has come already), and what torch still lacks.
    rest = [*pip, "--no-build-isolation", pin("torch"), "--editable", str(ROOT)]
    run_or_end(rest, board, "PyTorch and the book's own package")
    STAMP.write_text(wanted(with_tests), encoding="utf-8")


def say_what_is_kept():
    """Say so where TORCH asks for another build than the one that is there and kept."""
    _, build = torch_there()
    if asked() and build and (asked() == "cpu") != (build == "cpu"):
        print(
            f"TORCH={asked()} changes nothing, because a torch that is there is kept, and .venv has the build {build}: "
            "to change it, delete .venv, and run the same command again.",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", action="store_true", help="install what the tests need, too")
    with_tests = parser.parse_args().tests
    asked()
    if stamp().startswith(wanted(with_tests)) and not why_anew():
        return say_what_is_kept()
    start, board = time.perf_counter(), console.Board()
    with only_one(ROOT, "the installation"):
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_bytes(b"")
        try:
            install(board, with_tests)
        finally:
            board.clear()
    board.done(f"Installed into .venv: {console.duration(time.perf_counter() - start)}")


def end_like_ctrl_c(name):
    """Let a signal that would end this process at once end it in the way that Ctrl-C does."""
    number = getattr(signal, name, None)  # not every system has each
    if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup lets it be ignored
        signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    end_like_ctrl_c("SIGTERM")  # when make is ended
    end_like_ctrl_c("SIGHUP")  # when the terminal is closed
    end_like_ctrl_c("SIGBREAK")  # Ctrl-Break of Windows
    try:
        main()
    except KeyboardInterrupt:
        print("Stopped. Run the same command again; it goes on from there.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        sys.exit(f"The installation failed: {error}. {advice(str(error))}")
