"""The commands behind make: go on after a failed step, serve what is current."""

import os
import threading
import urllib.request

import pytest

import run


def test_a_failed_step_does_not_stop_the_others_and_fails_the_test(monkeypatch, capfd):
    say = ["-c", "import os; print('threads', os.environ.get('OMP_NUM_THREADS'))"]
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(run, "STEPS", {"bad": ["-c", "raise SystemExit(3)"], "good": say, "parallel": [*say, "-n"]})
    monkeypatch.setattr(run, "has_nuclei", lambda: True)
    assert run.test() == 1
    out = capfd.readouterr().out
    assert [line.split()[-1] for line in out.splitlines()[-4:-1]] == ["FAILED", "passed", "passed"]
    assert "threads None" in out and "threads 1" in out
    monkeypatch.setattr(run, "STEPS", {"good": ["-c", ""]})
    assert run.test() == 0


def test_every_step_of_the_test_exists():
    scripts = [command[0] for command in run.STEPS.values() if command[0] != "-m"]
    assert scripts and all((run.ROOT / script).is_file() for script in scripts)
    paths = [command[-1] for command in run.STEPS.values() if "pytest" in command]
    assert paths == ["--ignore=tests/browser", "notebooks", "tests/browser"]


def test_a_book_that_cannot_be_built_fails(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "BUILD", tmp_path / "_build")
    (tmp_path / "_build").mkdir()
    assert run.book() == 1
    assert "The book was not built." in capfd.readouterr().err


@pytest.fixture
def pages(monkeypatch, tmp_path):
    """A book with one page that is newer than its only source."""
    for name in ("_config.yml", "_toc.yml", "book/index.md", "_build/html/index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("hello")
        os.utime(tmp_path / name, (2_000, 2_000) if "html" in name else (1_000, 1_000))
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "INDEX", tmp_path / "_build" / "html" / "index.html")
    return tmp_path


def test_a_book_is_current_until_a_source_changes(pages):
    assert run.is_current()
    os.utime(pages / "book" / "index.md", (3_000, 3_000))
    assert not run.is_current()
    run.INDEX.unlink()
    assert not run.is_current()


def test_serve_shows_the_book_on_this_computer_alone(monkeypatch, pages, capsys):
    answers = []

    def look(address):
        def get():
            with urllib.request.urlopen(address) as answer:
                answers.append(answer.read())

        thread = threading.Thread(target=get)
        thread.start()
        monkeypatch.setattr(run.ThreadingHTTPServer, "serve_forever", lambda server: server.handle_request())
        looks.append((address, thread))

    looks = []
    monkeypatch.setattr(run.webbrowser, "open", look)
    assert run.serve() == 0
    ((address, thread),) = looks
    thread.join(10)
    assert address.startswith("http://127.0.0.1:") and answers == [b"hello"]
    assert f"The book is at {address}" in capsys.readouterr().out


@pytest.mark.parametrize("there", [True, False])
def test_without_the_real_pictures_only_what_needs_them_is_left_out_and_this_is_said(monkeypatch, capfd, there):
    show = ["-c", "import sys; print(sys.argv[1:])"]
    monkeypatch.setattr(run, "STEPS", {name: show for name in run.STEPS})
    monkeypatch.setattr(run, "has_nuclei", lambda: there)
    assert run.test() == 0
    out = capfd.readouterr().out
    for words in ("['-m', 'not real_nuclei']", "['--ignore=notebooks/14_nuclei.ipynb']", "Left out: the comparison"):
        assert (words in out) != there
    assert out.count("passed") == len(run.STEPS)


def test_what_is_left_out_without_the_real_pictures_exists():
    assert set(run.WITHOUT_NUCLEI) <= set(run.STEPS)
    (ignored,) = run.WITHOUT_NUCLEI["notebooks run again"]
    assert (run.ROOT / ignored.removeprefix("--ignore=")).is_file()
