"""The installation: once, the right torch, and out of every bad state by the same command.

The environments are real ones, but their pip and uv are stand-ins, which take a moment and need no network.
"""

import ast
import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import types
import venv
import zipfile
from functools import partial
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import freeze
import install
import lowest
import only_one

TOOLS = Path(install.__file__).parent
# It writes down how it was called, and then does what the test says.
STAND_IN = """\
import os, sys
from pathlib import Path
with open(Path(sys.prefix) / "calls", "a", encoding="utf-8") as file:
    print(*sys.argv[1:], file=file)
exec(os.environ.get("STAND_IN", ""))
"""
HASH = f"    --hash=sha256:{'0' * 64}\n"
SIX, UV, PYTEST = (f"{pin} \\\n{HASH}" for pin in ("six==1.17.0", "uv==0.9.0", "pytest==9.2.0"))
RETRYING = "WARNING: Retrying after connection broken by 'NewConnectionError': /simple/six/\n"
NOT_FOUND = "ERROR: Could not find a version that satisfies the requirement six (from versions: {})"
FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
OTHER_HASH = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated"
# What pip says, and words of the sentence that says what to do.
WORDS = {
    "network": (RETRYING + NOT_FOUND.format("none"), "The packages could not be reached"),
    "space": (RETRYING + FULL, "There is no space left"),
    "hash": (OTHER_HASH, "What came is not the package with which the book was tested"),
    "other": (RETRYING + NOT_FOUND.format("1.0, 2.0"), "Mend what these lines say"),
}


def mark(info, is_whole=True):
    """Write what says that a package is installed; where that was interrupted, the last file is missing."""
    info.mkdir()
    (info / "METADATA").touch()
    if is_whole:
        (info / "INSTALLER").touch()


def make_environment(place):
    """Make an environment with stand-ins for pip and uv, and return the folder of its packages."""
    venv.EnvBuilder(symlinks=os.name != "nt", clear=True).create(place)
    (packages,) = install.packages()
    for name in ("pip", "uv"):
        (packages / name).mkdir()
        (packages / name / "__main__.py").write_text(STAND_IN, encoding="utf-8")
    mark(packages / "pip-1.dist-info")
    return packages


def calls():
    """Return what pip and uv were asked for since the last time, without the path of this test's folder."""
    path = install.VENV / "calls"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    path.unlink(missing_ok=True)
    return text.replace(str(install.PYTHON), "PYTHON").replace(str(install.ROOT) + os.sep, "").splitlines()


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A project without an environment, in a folder with a difficult name, on a Linux without a card."""
    root = tmp_path / "Bücher (für alle)"
    (root / "tools").mkdir(parents=True)
    for name in ("install.py", "console.py", "only_one.py"):
        shutil.copy(TOOLS / name, root / "tools")
    pins = f"# pinned\nnvidia-cublas==13.1 ; sys_platform == 'linux' \\\n{HASH}{SIX}torch==2.13.0 \\\n{HASH}{UV}"
    (root / "requirements.txt").write_text(pins)
    (root / "requirements-test.txt").write_text(PYTEST)
    (root / "pyproject.toml").write_text("one\n")
    move_to(monkeypatch, root)
    run_or_end = install.run_or_end

    def make_or_run(command, *more):
        made = command[: len(install.MAKE)] == install.MAKE
        return make_environment(Path(command[-1])) if made else run_or_end(command, *more)

    monkeypatch.setattr(install, "run_or_end", make_or_run)
    monkeypatch.setattr(install, "LOOK", 0.01)
    monkeypatch.setattr(install, "has_card", lambda: False)
    monkeypatch.setattr(install.sys, "argv", ["install.py"])
    monkeypatch.setattr(install.sys, "platform", "linux")
    monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=50e9))
    for name in ("TORCH", "STAND_IN", only_one.HOLDER):
        monkeypatch.delenv(name, raising=False)
    return root


def move_to(monkeypatch, root):
    for name in ("VENV", "PYTHON", "STAMP", "LOG", "PINS"):
        path = getattr(install, name).relative_to(install.ROOT)
        monkeypatch.setattr(install, name, root / path)
    monkeypatch.setattr(install, "ROOT", root)


@pytest.fixture
def packages(folder):
    """The same project with a whole environment that has a torch for the processor; the folder of its packages."""
    packages = make_environment(install.VENV)
    mark(packages / "torch-2.13.0+cpu.dist-info")
    install.LOG.parent.mkdir()
    return packages


PINS = f"install --no-user --no-deps -r {Path('_build', 'requirements.txt')}"


def package():
    return f"install --no-user --no-build-isolation torch==2.13.0 --editable {install.ROOT}"


def by_uv(backend):
    """Return the call by which torch is installed."""
    return f"pip install --python PYTHON --torch-backend={backend} torch==2.13.0"


def fail():
    """Run the installation, which must end with exit code 1, and return its sentence."""
    with pytest.raises(SystemExit) as end:
        install.main()
    assert isinstance(end.value.code, str)  # Python prints it, and ends with 1
    return end.value.code


def test_it_installs_once_and_says_before_what_comes(folder, capsys):
    install.main()
    assert calls() == [PINS, by_uv("cpu"), package()]
    out = capsys.readouterr().out
    assert "takes about 1.7 GB in .venv, where 50 GB are free, and downloads about" in out
    assert "the processor alone, because no NVIDIA card was found here (TORCH=cuda overrules this)" in out
    assert out.splitlines()[-1].startswith("Installed into .venv: ") and "\x1b" not in out
    install.main()
    assert calls() == [] and capsys.readouterr().out == ""


def test_it_installs_again_what_has_changed_and_keeps_torch(packages, capsys):
    install.main()
    assert calls() == [PINS, package()]
    (install.ROOT / "pyproject.toml").write_text("two\n")
    install.main()
    assert calls() == [PINS, package()] and "what is missing comes" in capsys.readouterr().out


def test_only_what_is_asked_for_comes_each_as_its_hash_says_and_the_build_of_torch_apart(monkeypatch, packages):
    install.main()
    assert install.PINS.read_text() == SIX + UV and calls() == [PINS, package()]
    monkeypatch.setattr(install.sys, "argv", ["install.py", "--tests"])
    install.main()
    assert install.PINS.read_text() == SIX + UV + PYTEST and calls() == [PINS, package()]
    monkeypatch.setattr(install.sys, "argv", ["install.py"])
    install.main()
    assert calls() == [], "what the tests need may stay"
    (install.ROOT / "requirements-test.txt").write_text(PYTEST.replace("9.2.0", "9.3.0"))
    install.main()
    assert calls() == [], "what nobody asks for is not exchanged"
    monkeypatch.setattr(install.sys, "argv", ["install.py", "--tests"])
    install.main()
    assert calls() == [PINS, package()]


def test_pip_really_refuses_what_has_another_hash(tmp_path):
    """The real pip, with a real file, which it takes with the right hash and refuses with another."""
    wheel = tmp_path / "six-1.17.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("six-1.17.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: six\nVersion: 1.17.0\n")
        file.writestr("six-1.17.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("six-1.17.0.dist-info/RECORD", "")
    pins, command = tmp_path / "pins.txt", [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    command += ["--find-links", str(tmp_path), "--dry-run", "--ignore-installed", "-r", str(pins)]
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    for digest, succeeds in ((right, True), ("0" * 64, False)):
        pins.write_text(f"six==1.17.0 \\\n    --hash=sha256:{digest}\n")
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        assert (done.returncode == 0) == succeeds, done.stderr
    assert WORDS["hash"][1] in install.advice(done.stdout + done.stderr)


def test_a_failed_change_that_is_taken_back_is_installed_again(monkeypatch, packages):
    before = (install.ROOT / "requirements.txt").read_text()
    install.main()
    (install.ROOT / "requirements.txt").write_text(before.replace("six==1.17.0", "six==1.16.0"))
    monkeypatch.setenv("STAND_IN", "sys.exit(1)")
    fail()
    calls()
    (install.ROOT / "requirements.txt").write_text(before)
    monkeypatch.delenv("STAND_IN")
    install.main()
    assert calls() == [PINS, package()]


def exchange_python(packages):
    """Let the environment's Python be a link to one that is gone."""
    install.PYTHON.unlink()
    install.PYTHON.symlink_to(install.ROOT / "gone" / "python3")


def rename_folder(packages):
    install.STAMP.write_text(f"something\n{install.ROOT.parent / 'the name before'}\n", encoding="utf-8")


BAD = {
    "no Python yet": (lambda packages: install.PYTHON.unlink(), "it was left half made"),
    "no pip yet": (lambda packages: shutil.rmtree(packages / "pip-1.dist-info"), "it was left half made"),
    "half a pip": (lambda packages: (packages / "pip-1.dist-info" / "INSTALLER").unlink(), "it was left half made"),
    "Python is gone": (exchange_python, "its Python is not on this computer any more"),
    "moved": (rename_folder, "this folder was moved or renamed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_environment_is_made_anew_with_the_same_kind_of_torch(packages, capsys, name):
    spoil, reason = BAD[name]
    (packages / "torch-2.13.0+cpu.dist-info").rename(packages / "torch-2.12.0+cu126.dist-info")
    spoil(packages)
    install.main()
    out = capsys.readouterr().out
    assert f"cannot be used, because {reason}" in out and "is made anew" in out
    assert "in its build for cu126, like the one that was here" in out
    assert calls() == [PINS, by_uv("cu126"), package()]
    assert not list(packages.glob("torch*")), "the old one is gone"
    install.main()
    assert calls() == [] and capsys.readouterr().out == ""


def test_an_environment_of_an_older_python_is_made_anew(monkeypatch, packages):
    monkeypatch.setattr(install, "OLDEST", (99, 0))
    assert "it has Python {}.{}, and the book needs".format(*sys.version_info) in install.why_anew()


def test_a_python_that_does_not_run_is_noticed(packages):
    (packages / "breaks.pth").write_text("import os; os._exit(3)\n")  # Python runs such a line when it starts
    assert install.why_anew() == "its Python does not run"


def test_a_folder_that_is_only_named_in_another_way_was_not_moved(packages, tmp_path):
    (tmp_path / "link").symlink_to(install.ROOT, target_is_directory=True)
    install.STAMP.write_text(f"something\n{tmp_path / 'link'}\n", encoding="utf-8")
    assert install.why_anew() == ""


def test_an_environment_is_really_made(packages):
    """With Python's own venv and pip, over one that is broken."""
    exchange_python(packages)
    code, said = install.run([*install.MAKE, str(install.VENV)], install.console.Board())
    assert code == 0, said
    assert install.why_anew() == "" and not list(packages.glob("torch*"))


@pytest.mark.parametrize(
    "platform, card, asked, there, build, backend",
    [
        ("linux", False, "", "", "cpu", "cpu"),
        ("linux", True, "", "", "cuda", "auto"),
        ("linux", True, "cpu", "cu126", "cpu", "cpu"),
        ("linux", True, "cuda", "cpu", "cuda", "auto"),
        ("linux", False, "cuda", "", "cuda", None),  # for another computer: pip's own
        ("linux", False, "", "cu126", "cu126", "cu126"),
        ("linux", True, "", "cpu", "cpu", "cpu"),
        ("win32", True, "", "", "cuda", "auto"),
        ("win32", False, "", "", "", None),
        ("darwin", False, "", "", "", None),
    ],
)
def test_which_torch_comes(monkeypatch, packages, platform, card, asked, there, build, backend):
    monkeypatch.setattr(install.sys, "platform", platform)
    monkeypatch.setattr(install, "has_card", lambda: card)
    monkeypatch.setenv("TORCH", asked)
    assert install.build_of_torch(there)[0] == build
    install.install_torch(build, install.console.Board())
    assert [call for call in calls() if "backend" in call] == ([by_uv(backend)] if backend else [])


def test_another_word_for_the_torch_is_refused(monkeypatch, folder):
    monkeypatch.setenv("TORCH", "gpu")
    assert fail() == "TORCH=gpu is unknown: write TORCH=cpu or TORCH=cuda, or leave it out."
    assert not install.VENV.exists()


def test_a_torch_that_is_there_is_kept_and_this_is_said(monkeypatch, packages, capsys):
    monkeypatch.setenv("TORCH", "cuda")
    for _ in range(2):
        install.main()
        assert "TORCH=cuda changes nothing" in capsys.readouterr().out
    assert calls() == [PINS, package()]
    monkeypatch.setenv("TORCH", "cpu")
    install.main()
    assert capsys.readouterr().out == ""


def test_a_torch_of_another_version_is_exchanged_for_its_own_kind(monkeypatch, packages):
    monkeypatch.setattr(install, "has_card", lambda: True)
    (packages / "torch-2.13.0+cpu.dist-info").rename(packages / "torch-2.12.0+cpu.dist-info")
    install.main()
    assert calls() == [PINS, by_uv("cpu"), package()]


@pytest.mark.parametrize("cuda, build", [("'13.0'", "cuda"), ("None", "cpu")])
def test_a_torch_that_does_not_name_its_build_is_asked(packages, cuda, build):
    (packages / "torch-2.13.0+cpu.dist-info").rename(packages / "torch-2.13.0.dist-info")
    (packages / "torch").mkdir()
    (packages / "torch" / "version.py").write_text(f"debug = False\ncuda: Optional[str] = {cuda}\n")
    assert install.torch_there() == ("2.13.0", build)


def test_where_its_source_cannot_be_reached_pip_chooses_the_torch(monkeypatch, folder, capsys):
    monkeypatch.setenv("STAND_IN", "sys.exit('no route' if '--torch-backend=cpu' in sys.argv else 0)")
    install.main()
    assert calls() == [PINS, by_uv("cpu"), package()]
    assert "could not be had from its own source, so pip takes the one that it finds" in capsys.readouterr().out


def test_a_card_is_seen(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # without nvidia-smi
    monkeypatch.setattr(install, "CARDS", (f"{tmp_path}/gpus/*",))
    assert not install.has_card()
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert install.has_card()


@pytest.mark.parametrize("says, has", [(b"GPU 0: NVIDIA H100", True), (b"No devices were found", False)])
def test_the_driver_is_asked_for_a_card(monkeypatch, says, has):
    monkeypatch.setattr(install, "CARDS", ())
    answer = subprocess.CompletedProcess([], 0, stdout=says)
    monkeypatch.setattr(install.subprocess, "run", lambda *command, **options: answer)
    assert install.has_card() == has


def test_variables_for_other_installations_do_not_reach_pip(monkeypatch, packages):
    for name in ("PIP_USER", "PIP_TARGET", "PYTHONPATH", "PIP_QUIET", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("STAND_IN", "Path(sys.prefix, 'got').write_text(' '.join(os.environ))")
    install.main()
    got = set((install.VENV / "got").read_text().split())
    assert "PIP_INDEX_URL" in got and not got & {"PIP_USER", "PIP_TARGET", "PYTHONPATH", "PIP_QUIET"}


STEPS = {"requirements": "-r ", "the package": "--editable"}


@pytest.mark.parametrize(
    "step, what",
    [*((step, "network") for step in STEPS), *(("requirements", what) for what in ("space", "hash", "other"))],
)
def test_a_failure_says_what_to_do_and_the_same_command_mends_it(monkeypatch, folder, capsys, step, what):
    said, sentence = WORDS[what]
    code = f"said = {said!r}\nif {STEPS[step]!r} in ' '.join(sys.argv[1:]):\n    print(said)\n    sys.exit(1)"
    monkeypatch.setenv("STAND_IN", code)
    message = fail()
    assert sentence in message and "run the same command again" in message
    assert f"The last lines of {Path('_build', 'install.log')}:" in message and said.splitlines()[-1] in message
    monkeypatch.delenv("STAND_IN")
    calls()
    install.main()
    assert calls()[-1] == package()


def test_pip_really_says_so_when_there_is_no_network(tmp_path):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | nowhere
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(tmp_path), "six==1.17.0"]
    answer = subprocess.run(command, env=env, capture_output=True, encoding="utf-8")
    assert answer.returncode and WORDS["network"][1] in install.advice(answer.stdout + answer.stderr)


def test_a_full_disk_is_refused_before_anything_is_done(monkeypatch, folder):
    monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=0.4e9))
    assert fail().startswith(f"The installation takes 1.7 GB, and 0.4 GB are free in {folder}: make room there")
    assert not install.VENV.exists()


def test_what_is_replaced_makes_room(monkeypatch, packages):
    install.PYTHON.unlink()
    monkeypatch.setattr(install.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=0.4e9))
    monkeypatch.setattr(install, "size", lambda folder: 1.9)
    install.main()
    assert calls()[-1] == package()


@pytest.mark.parametrize("place, where", [(only_one, "open"), (install.tempfile, "TemporaryFile")])
def test_a_read_only_folder_is_refused(monkeypatch, packages, place, where):
    """By a stand-in for the system's answer: the user of this test may write everywhere, if it is root."""

    def refuse(*args, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(place, where, refuse, raising=False)
    assert fail().startswith("Nothing can be written in ") and calls() == []


def test_a_python_without_venv_is_refused(monkeypatch, folder):
    find = install.importlib.util.find_spec
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: name != "ensurepip" and find(name))
    assert "sudo apt install python{}.{}-venv".format(*sys.version_info) in fail()
    assert not install.VENV.exists()


def test_an_old_python_can_read_the_file_and_is_told_that_it_is_too_old():
    source = (TOOLS / "install.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))  # the oldest that every Python can check
    assert "from __future__" not in source, "3.6 does not know the annotations that are meant"
    code = "import sys, runpy; sys.version_info = (3, 6, 15); runpy.run_path(sys.argv[1], run_name='__main__')"
    answer = subprocess.run([sys.executable, "-c", code, TOOLS / "install.py"], capture_output=True, encoding="utf-8")
    assert answer.returncode == 1
    assert "needs Python 3.11 or newer, but" in answer.stderr and "is Python 3.6.15" in answer.stderr
    assert install.ANOTHER in answer.stderr and "Traceback" not in answer.stderr


@pytest.mark.parametrize("word, code, part", [("--help", 0, "TORCH=cpu"), ("now", 2, "unrecognized arguments: now")])
def test_a_word_after_the_command_installs_nothing(monkeypatch, folder, capsys, word, code, part):
    monkeypatch.setattr(install.sys, "argv", ["install.py", word])
    with pytest.raises(SystemExit) as end:
        install.main()
    assert end.value.code == code and part in "".join(capsys.readouterr())
    assert not install.VENV.exists()


def test_what_was_interrupted_within_a_package_is_installed_again(packages):
    mark(packages / "six-1.17.0.dist-info", is_whole=False)
    mark(packages / "tqdm-4.0.dist-info")
    (packages / "~orch").mkdir()
    install.main()
    assert sorted(info.name for info in packages.glob("*-*")) == [
        "pip-1.dist-info",
        "torch-2.13.0+cpu.dist-info",
        "tqdm-4.0.dist-info",
    ]
    assert not (packages / "~orch").exists()


def test_a_torch_that_was_interrupted_is_no_torch(packages):
    (packages / "torch-2.13.0+cpu.dist-info" / "INSTALLER").unlink()
    install.main()
    assert calls() == [PINS, by_uv("cpu"), package()]


def test_a_terminal_sees_how_far_it_is(packages):
    install.PINS.write_text(SIX + "torch==2.13.0\n" + UV)
    assert "] 0 of 3 packages collected" in install.progress("")
    said = "Collecting six==1.17.0 (from -r)\nRequirement already satisfied: torch==2.13.0 in x\nCollecting six>1\n"
    assert "] 2 of 3 packages collected" in install.progress(said)
    assert "] 3 of 3 packages collected" in install.progress(
        said + "Processing /wheels/my_uv-0.9.0-py3.whl (from -r)\n"
    )
    assert "] 2 of 3 packages unpacked" in install.progress(said + "Installing collected packages: six\n")


# The commands themselves, from here on: they are started, interrupted and started again as a person does it.


def start(folder, **env):
    """Start the installation as a command of its own, which hears Ctrl-C also where these tests do not."""
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell lets what it runs with & ignore it
    own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {"preexec_fn": hear}
    return subprocess.Popen(
        [sys.executable, "tools/install.py"],
        cwd=folder,
        env=os.environ | {"TORCH": "cpu"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **own,
    )


def wait_for(path, process):
    """Wait until a file is there; fail if the command ends before."""
    while not path.exists():
        assert process.poll() is None, process.communicate()


def interrupt(process):
    """Press Ctrl-C, and return the exit code and what was printed."""
    process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
    out, err = process.communicate()
    return process.returncode, out, err


STOPPED = "Stopped. Run the same command again; it goes on from there."
# A pip that starts another process, says so, and then works without end.
ENDLESS = """\
if {when!r} in sys.argv:
    import subprocess, time
    wait = "import time\\nwhile True: time.sleep(1)"
    other = subprocess.Popen([sys.executable, "-c", wait])
    Path(sys.prefix, "new").write_text(f"{{os.getpid()}} {{other.pid}}")
    os.replace(Path(sys.prefix, "new"), Path(sys.prefix, "at work"))
    while True:
        time.sleep(1)
"""


@pytest.mark.parametrize("when", ["--torch-backend=cpu", "-r", "--editable"])
def test_ctrl_c_leaves_nothing_behind_and_the_next_run_goes_on(folder, when):
    make_environment(install.VENV)
    process = start(folder, STAND_IN=ENDLESS.format(when=when))
    at_work = install.VENV / "at work"
    wait_for(at_work, process)
    code, _, err = interrupt(process)
    assert code == 130 and err.splitlines() == [STOPPED]
    left = [int(number) for number in at_work.read_text().split()]
    assert not [number for number in left if psutil.pid_exists(number) and psutil.Process(number).status() != "zombie"]
    calls()
    install.main()
    assert calls()[-1] == package()


def test_ctrl_c_while_the_environment_is_made(folder, capsys):
    process = start(folder)
    wait_for(install.PYTHON, process)
    code, _, err = interrupt(process)
    assert code == 130 and err.splitlines() == [STOPPED]
    install.main()
    assert "it was left half made" in capsys.readouterr().out and calls()[-1] == package()


def test_of_two_at_once_the_second_is_told_what_is_at_work(folder):
    make_environment(install.VENV)
    first = start(folder, STAND_IN=ENDLESS.format(when="-r"))
    wait_for(install.VENV / "at work", first)
    second = start(folder)
    _, err = second.communicate()
    assert second.returncode == 1 and len(err.splitlines()) == 1
    assert err.startswith(f"In {folder}, the installation is at work (process {first.pid}): wait until it has ended")
    interrupt(first)
    third = start(folder)
    third.communicate()
    assert third.returncode == 0


TAKE = """\
import sys, time
from pathlib import Path
from only_one import only_one
with only_one(Path(sys.argv[1]), "make test"):
    Path(sys.argv[1], "taken").touch()
    while "for ever" in sys.argv:
        time.sleep(1)
"""


def take(folder, *words):
    command = [sys.executable, "-c", TAKE, str(folder), *words]
    return subprocess.Popen(command, cwd=TOOLS, stderr=subprocess.PIPE, encoding="utf-8")


def test_a_command_may_start_another_that_takes_the_same_lock(tmp_path, monkeypatch):
    monkeypatch.delenv(only_one.HOLDER, raising=False)
    with only_one.only_one(tmp_path, "make book"):
        child = take(tmp_path)
        assert child.communicate()[1] == "" and child.returncode == 0
        monkeypatch.setenv(only_one.HOLDER, "another")
        stranger = take(tmp_path)
        assert stranger.communicate()[1].startswith(f"In {tmp_path}, make book is at work (process {os.getpid()})")
        assert stranger.returncode == 1
    late = take(tmp_path)
    assert late.communicate()[1] == "" and late.returncode == 0


def test_the_lock_of_a_command_that_was_killed_is_free(tmp_path, monkeypatch):
    monkeypatch.delenv(only_one.HOLDER, raising=False)
    holder = take(tmp_path, "for ever")
    wait_for(tmp_path / "taken", holder)
    with pytest.raises(SystemExit, match="make test is at work"), only_one.only_one(tmp_path, "make book"):
        raise AssertionError("two have it")
    holder.kill()
    holder.communicate()
    with only_one.only_one(tmp_path, "make book"):
        assert "make book" in (tmp_path / only_one.NAME).read_bytes().decode()


# The pins, and what they promise.

ROOT = Path(freeze.__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = {name: (ROOT / name).read_text(encoding="utf-8") for name in freeze.FILES}


def requirements(lock):
    """Return the pins of a file, without their hashes."""
    return [Requirement(block.partition("\\")[0]) for block in install.PIN.findall(lock)]


BOOK_PINS = requirements(LOCKS["requirements.txt"])
ALL_PINS = BOOK_PINS + requirements(LOCKS["requirements-test.txt"])
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
ASKED_BY_PACKAGE = [Requirement(line) for line in [*PROJECT["dependencies"], *EXTRAS]]
ASKED_BY_BOOK = [*ASKED_BY_PACKAGE, *map(Requirement, GROUPS["book"])]
ASKED = [*ASKED_BY_BOOK, *map(Requirement, GROUPS["test"])]
PYTHONS = [f"3.{minor}.{patch}" for minor in (11, 12, 13, 14) for patch in range(16)]
SYSTEMS = [("linux", "Linux", "posix"), ("darwin", "Darwin", "posix"), ("win32", "Windows", "nt")]
# A version of Python with which a pin does not work by its own word; no other version of it would be better.
EXCLUDED = {"networkx": {"3.14.1"}}
HOMES = metadata.packages_distributions()  # which packages bring a module


def applies(pin, python=None, system=None):
    """Return whether a pin is for a Python on a system; without them, for those of this computer."""
    env = dict(zip(("sys_platform", "platform_system", "os_name"), system, strict=True)) if system else {}
    if python:
        env |= {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    return pin.marker is None or pin.marker.evaluate(env)


def version_of(pin):
    (one,) = pin.specifier
    assert one.operator == "==", f"{pin} is no pin"
    return one.version


def here(name):
    """Return what is installed here under a name, or None."""
    return next(iter(metadata.distributions(name=name)), None)


def test_the_pins_are_made_by_uv_from_what_is_asked_for_and_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(freeze, "ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("# old\n" + SIX)
    answers = {
        ("book", "test"): (f"# old\n{SIX}", f"{SIX}{PYTEST}a==2 ; python_full_version < '3.12'\n"),
        ("book",): (f"{SIX}{PYTEST}a==2 ; python_full_version < '3.12'\n", SIX),
    }

    def compile_(command, cwd, check):
        made = Path(command[command.index("--output-file") + 1])
        assert command[1:6] == ["-m", "uv", "pip", "compile", "pyproject.toml"] and (cwd, check) == (tmp_path, True)
        assert {"--universal", "--generate-hashes", "--python-version=3.11"} < set(command)
        preferred, answer = answers.pop(tuple(word[8:] for word in command if word.startswith("--group=")))
        assert made.read_text() == preferred, "uv keeps what it finds there"
        made.write_text(answer)

    monkeypatch.setattr(freeze.subprocess, "run", compile_)
    freeze.main()
    book, rest = ((tmp_path / name).read_text() for name in freeze.FILES)
    assert book.startswith("# What the book needs, pinned") and book.endswith(f"run it again.\n{SIX}")
    assert rest.endswith(f"run it again.\n{PYTEST}a==2 ; python_full_version < '3.12'\n")


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_a_pin_with_its_hashes(name):
    lines = [line for line in LOCKS[name].splitlines() if not line.startswith("#")]
    pins = [line for line in lines if re.fullmatch(r"[\w.-]+==[\w.]+( ; .*[^\\ ])? \\", line)]
    hashes = [line for line in lines if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)]
    assert len(pins) + len(hashes) == len(lines) and len(install.PIN.findall(LOCKS[name])) == len(pins)
    assert all("--hash=" in pin for pin in install.PIN.findall(LOCKS[name]))


def test_a_reader_needs_nothing_of_the_tests():
    book = {canonicalize_name(pin.name) for pin in BOOK_PINS}
    assert not book & {"playwright", "torchmetrics", "nbval", "pytest", "mypy", "ruff"}
    assert not book & {canonicalize_name(pin.name) for pin in ALL_PINS[len(BOOK_PINS) :]}


def test_of_torch_and_its_libraries_no_hash_is_held_against_what_comes():
    """Its build for the processor has the same version and other hashes than the one for CUDA."""
    apart = {
        pin.name
        for pin, block in zip(BOOK_PINS, install.PIN.findall(LOCKS["requirements.txt"]), strict=True)
        if install.BUILDS.match(block)
    }
    assert {"torch", "triton", "nvidia-cublas", "cuda-toolkit"} < apart
    on_windows = {pin.name for pin in BOOK_PINS if applies(pin, "3.11.0", SYSTEMS[2])}
    assert apart & on_windows == {"torch"}, "all others are what torch needs on Linux alone"


def test_this_environment_is_the_pinned_one():
    """What passes here is what a fresh installation gets."""
    different = {
        str(pin): there and there.version
        for pin in ALL_PINS
        if applies(pin) and (pin.name == "torch" or not install.BUILDS.match(f"{pin.name}=="))
        for there in [here(pin.name)]
        if not there or there.version.partition("+")[0] != version_of(pin)  # the build of torch is the machine's
    }
    assert different == {}


def test_everything_that_is_asked_for_is_pinned_as_asked():
    for asked in ASKED:
        lock = BOOK_PINS if asked in ASKED_BY_BOOK else ALL_PINS
        pins = [pin for pin in lock if canonicalize_name(pin.name) == canonicalize_name(asked.name)]
        assert pins and all(asked.specifier.contains(version_of(pin)) for pin in pins), asked


def test_every_python_that_is_promised_gets_each_package_once():
    promised = SpecifierSet(PROJECT["requires-python"])
    assert promised.contains("3.11.0") and not promised.contains("3.10.15")
    for python in PYTHONS:
        for system in SYSTEMS:
            names = [pin.name for pin in ALL_PINS if applies(pin, python, system)]
            assert len(names) == len(set(names)), f"two versions of a package for {python} on {system[0]}"
    on_linux, on_windows = ({pin.name for pin in ALL_PINS if applies(pin, "3.11.0", system)} for system in SYSTEMS[::2])
    assert {"torch", "numpy", "soupsieve", "pexpect"} <= on_linux and "pexpect" not in on_windows
    for python in PYTHONS:
        names = {canonicalize_name(pin.name) for pin in ALL_PINS if applies(pin, python, SYSTEMS[0])}
        assert {canonicalize_name(asked.name) for asked in ASKED} <= names, python


def too_new(pin, requires, pythons=PYTHONS):
    """Return the Pythons that a pin is for, and that its package refuses."""
    allowed = SpecifierSet(requires or "")
    without = EXCLUDED.get(pin.name, set())
    return [one for one in pythons if applies(pin, one) and not allowed.contains(one) and one not in without]


def test_no_pin_wants_a_newer_python_than_is_promised():
    """The packages that are installed here say which Pythons they take; of each other version, uv has asked."""
    looked_at = 0
    for pin in ALL_PINS:
        there = here(pin.name)
        if there and there.version.partition("+")[0] == version_of(pin):
            assert too_new(pin, there.metadata.get("Requires-Python")) == [], pin
            looked_at += 1
    assert looked_at > 150


def test_a_pin_for_a_newer_python_is_found():
    assert "3.11.4" in too_new(Requirement("soupsieve==4.1.2"), ">=3.11.5")
    assert too_new(Requirement("soupsieve==4.1.2 ; python_full_version >= '3.11.5'"), ">=3.11.5") == []


def names_in(path):
    """Return the first parts of the names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    return names


OWN = [ROOT / place for place in ("tools", "experiments", "tests", "book/_ext")]


def imported(path):
    """Return the packages that a file imports, without Python's own and those of this repository."""
    own = {file.stem for folder in OWN for file in folder.rglob("*.py")}
    return names_in(path) - own - set(sys.stdlib_module_names) - {"unet_tutorial"}


def undeclared(files, declared):
    """Return what is imported and comes from no package that is declared."""
    declared = {canonicalize_name(one.name) for one in declared}
    found = {name: path for path in files for name in imported(path)}
    assert found
    return {
        name: str(path.relative_to(ROOT))
        for name, path in found.items()
        if not {canonicalize_name(home) for home in HOMES.get(name, [])} & declared
    }


def needed_for(start):
    """Return the files of this repository that a command of it may load: the given ones, and what they import."""
    found, left = set(), set(start)
    while left:
        found |= left
        named = {name for path in left for name in names_in(path)}
        ours = {folder / f"{name}.py" for name in named for folder in OWN[:2]}
        left = {path for path in ours if path.is_file()} - found
    return sorted(found)


def test_what_is_imported_is_declared():
    package = list((ROOT / "unet_tutorial").rglob("*.py"))
    assert undeclared(package, ASKED_BY_PACKAGE) == {}
    commands = [TOOLS / name for name in ("install.py", "run.py", "notebooks.py", "setup_cell.py")]
    book = needed_for([*commands, *(ROOT / "book" / "_ext").glob("*.py")])
    assert TOOLS / "runs.py" in book
    tests_alone = [TOOLS / name for name in ("run.py", "steps.py")]  # they start the tests, too
    assert undeclared([*package, *(path for path in book if path not in tests_alone)], ASKED_BY_BOOK) == {}
    others = [path for folder in OWN for path in folder.rglob("*.py")]
    assert undeclared([*package, *others, ROOT / "conftest.py"], ASKED) == {}
    assert "bs4" in undeclared(others, [one for one in ASKED if one.name != "beautifulsoup4"])


def test_the_lowest_versions_are_those_of_the_project():
    floors = lowest.floors(PROJECT["dependencies"])
    assert len(floors) == len(PROJECT["dependencies"]) and all("==" in floor for floor in floors)
    assert lowest.floors(["a>=1.5"]) == ["a==1.5"]
    with pytest.raises(ValueError, match="b<2: write the lowest version as b>=N"):
        lowest.floors(["b<2"])


def test_the_lowest_versions_are_tested_with_the_tests_of_every_module():
    names = {Path(path).name for path in lowest.test_files()}
    assert {"test_unet.py", "test_training.py", "test_pictures.py", "test_widgets.py"} <= names
    assert not names & {"test_book.py", "test_notebooks.py", "test_install.py", "test_tools.py", "test_models.py"}
