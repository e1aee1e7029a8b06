"""The commands behind make: they end in words, serve what is current, and share what they remove."""

import errno
import subprocess
import sys
import threading
import urllib.request

import nbformat
import pytest

import book_build
import data_sets
import pages
import run
import runs
from console import Board
from notebooks import ROOT


@pytest.fixture
def book(monkeypatch, tmp_path):
    """A built book with one page."""
    for name in ("_config.yml", "_toc.yml", "book/index.md", "_build/html/index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# hello")
    pages.stamp(tmp_path).write_text(f'{{"content": "{pages.content(tmp_path)}"}}')
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return tmp_path


def test_a_book_is_current_until_a_source_changes(book):
    assert pages.is_current(book)
    (book / "book" / "index.md").write_text("# hello, you")
    assert not pages.is_current(book)
    (book / "book" / "index.md").write_text("# hello")
    assert pages.is_current(book)
    (pages.html(book) / "index.html").unlink()
    assert not pages.is_current(book)


def test_settings_extensions_and_titles_ask_for_all_pages_again_and_a_word_does_not(book):
    frame = pages.frame(book)
    (book / "book" / "index.md").write_text("# hello\n\nA word.")
    assert pages.frame(book) == frame
    (book / "book" / "index.md").write_text("# good morning")
    titled = pages.frame(book)
    (book / "_toc.yml").write_text("other")
    ordered = pages.frame(book)
    (book / "unet_tutorial").mkdir()
    (book / "unet_tutorial" / "new.py").touch()
    assert len({frame, titled, ordered, pages.frame(book)}) == 4


def test_a_build_that_fails_leaves_the_last_whole_book_and_is_not_current(book, monkeypatch):
    monkeypatch.setattr(pages, "_run_jupyter_book", lambda root, board: False)
    (book / "book" / "index.md").write_text("# broken")
    assert not pages.build(book, Board())
    assert (pages.html(book) / "index.html").read_text() == "# hello" and not pages.is_current(book)


def test_a_build_that_succeeds_takes_its_place(book, monkeypatch):
    def build(root, board):
        (pages.work(root) / "_build" / "html").mkdir(parents=True, exist_ok=True)
        (pages.work(root) / "_build" / "html" / "index.html").write_text("new")
        return True

    monkeypatch.setattr(pages, "_run_jupyter_book", build)
    (book / "book" / "index.md").write_text("# new")
    assert pages.build(book, Board()) and pages.is_current(book)
    assert (pages.html(book) / "index.html").read_text() == "new"
    assert [path.name for path in (book / "_build").glob("html*")] == ["html"]


def test_a_build_that_is_stopped_leaves_the_last_whole_book_and_the_next_one_begins_anew(book, monkeypatch):
    def stopped(root, board):
        (pages.work(root) / "half").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(pages, "_run_jupyter_book", stopped)
    with pytest.raises(KeyboardInterrupt):
        pages.build(book, Board())
    assert (pages.html(book) / "index.html").read_text() == "# hello"
    seen, half = [], pages.work(book) / "half"
    monkeypatch.setattr(pages, "_run_jupyter_book", lambda root, board: seen.append(half.exists()))
    pages.build(book, Board())
    assert seen == [False], "nothing of the half build is there"


def answer_of(monkeypatch):
    """Serve one request, and return the exit code, the address and the answer."""
    answers, looks = [], []

    def look(address):
        def get():
            with urllib.request.urlopen(address) as answer:
                answers.append(answer.read())

        thread = threading.Thread(target=get)
        thread.start()
        monkeypatch.setattr(run.ThreadingHTTPServer, "serve_forever", lambda server: server.handle_request())
        looks.append((address, thread))

    monkeypatch.setattr("webbrowser.open", look)
    code = run.serve()
    ((address, thread),) = looks
    thread.join()
    return code, address, answers


def test_serve_shows_the_book_on_this_computer_alone(monkeypatch, book, capsys):
    code, address, answers = answer_of(monkeypatch)
    assert code == 0 and address.startswith("http://127.0.0.1:") and answers == [b"# hello"]
    assert f"The book is at {address}" in capsys.readouterr().out


def test_serve_says_so_where_the_newest_book_could_not_be_built(monkeypatch, book, capsys):
    monkeypatch.setattr(run, "book", lambda: 1)
    (book / "book" / "index.md").write_text("# broken")
    code, _, answers = answer_of(monkeypatch)
    assert code == 0 and answers == [b"# hello"]
    assert "This is the last book that could be built whole, not the newest." in capsys.readouterr().out
    (pages.html(book) / "index.html").unlink()
    assert run.serve() == 1


def test_ctrl_c_ends_in_one_sentence(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "clean", interrupt)
    monkeypatch.setattr(sys, "argv", ["run.py", "clean"])
    assert run.main() == run.STOPPED
    assert capsys.readouterr().err.strip() == "Stopped. Run the same command again; it goes on from there."


def test_a_full_disk_ends_in_one_sentence(monkeypatch, capsys):
    def fill():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run, "clean", fill)
    monkeypatch.setattr(sys, "argv", ["run.py", "clean"])
    assert run.main() == 1
    assert capsys.readouterr().err.strip() == "The disk is full. Make room, and run the same command again."


def test_without_the_libraries_it_says_how_to_install_them():
    done = subprocess.run([sys.executable, "-S", "-E", run.__file__, "test"], capture_output=True, text=True)
    assert done.returncode == 1 and "Install what this needs first: python3 tools/install.py --tests" in done.stderr


def test_clean_removes_what_was_built_and_nothing_else(book):
    assert run.clean() == 0
    assert not (book / "_build").exists() and (book / "book" / "index.md").is_file()


def test_the_first_line_says_how_long_it_will_take_here(book, monkeypatch):
    monkeypatch.setattr(runs, "workers", lambda: 2)
    chapters = dict.fromkeys(["01_a", "02_b", "03_c"])
    said = book_build.forecast(book, chapters, {"01_a": 200.0, "02_b": 30.0})
    assert said == "2 of 3 chapters to run, 2 at a time, then the pages: about 4 min here."
    assert "The chapters are as they were" in book_build.forecast(book, chapters, {})


def test_a_chapter_that_could_not_be_run_is_told_in_the_last_lines(book, capsys):
    failures = {"02_b": runs.Failure("code cell 3 (fit)", runs.DIED)}
    assert book_build.finish(book, failures, "") == 1
    out = capsys.readouterr().out
    assert "02_b could not be run, and its page says so. The run ended in code cell 3 (fit). " + runs.DIED in out
    assert "_build/log/02_b.txt" in out and "Open it: file://" in out
    assert book_build.finish(book, {}, ["Drawn by a program: no network"]) == 0
    assert "no network" in capsys.readouterr().out


def test_without_room_it_says_so_before_it_begins(book, monkeypatch, capsys):
    monkeypatch.setattr(book_build.shutil, "disk_usage", lambda root: type("Usage", (), {"free": 1e6}))
    assert book_build.build_book(book) == 1
    assert "needs 300 MB of free space" in capsys.readouterr().err


@pytest.mark.parametrize("error", [OSError("no network"), ValueError("altered")])
def test_without_its_data_a_chapter_is_announced_with_the_size_and_goes_on(monkeypatch, capsys, error):
    def fetch(data, progress):
        raise error

    monkeypatch.setattr(book_build.fetching, "fetch", fetch)
    said = book_build.fetch(data_sets.ALL[0], ["15_nuclei"], Board())
    assert said.startswith("15_nuclei: what is shown was drawn by a program. ") and str(error)[1:] in said
    assert "15_nuclei: the data are the nuclei (BBBC039), a download of 81 MB, once." in capsys.readouterr().out


def test_the_data_that_chapters_use_and_that_are_not_here(monkeypatch):
    chapters = {name: nbformat.read(ROOT / f"notebooks/{name}.ipynb", 4) for name in ("01_segmentation", "15_nuclei")}
    for place, users in (("", {"unet_tutorial.data.bbbc039": ["15_nuclei"]}), ("somewhere", {})):
        monkeypatch.setattr(data_sets, "place", lambda one, place=place: place)
        assert {one.module: names for one, names in book_build.missing_data(chapters).items()} == users
