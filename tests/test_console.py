"""What the commands show: moving lines on a terminal, and the same lines without them in a log."""

import io

import pytest

import console


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_log_only_what_is_done_stands_and_no_control_character():
    board = console.Board(io.StringIO())
    board.show("a", "a: half")
    board.done("a: done", "a")
    board.done("all done")
    assert board.out.getvalue() == "a: done\nall done\n"


def test_on_a_terminal_lines_move_below_those_that_stay(monkeypatch):
    monkeypatch.setattr(console.shutil, "get_terminal_size", lambda **_: console.os.terminal_size((10, 24)))
    board = console.Board(Terminal())
    board.show("a", "a: half and more")
    board.show("b", "b")
    board.done("a: done", "a")
    board.clear()
    one, two = "\x1b[1F\x1b[J", "\x1b[2F\x1b[J"
    assert board.out.getvalue() == f"a: half a\n{one}a: half a\nb\n{two}a: done\nb\n{one}"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "under a second"), (1.4, "1 s"), (119, "119 s"), (120, "2 min"), (1500, "25 min")]
)
def test_times_in_words(seconds, words):
    assert console.duration(seconds) == words


def test_the_end_of_a_log(tmp_path):
    (tmp_path / "log.txt").write_text("one\n\ntwo\nthree\n", encoding="utf-8")
    assert console.last_lines(tmp_path / "log.txt", 2) == "    two\n    three"
    assert console.last_lines(tmp_path / "none.txt") == ""
    assert console.bar(3, 6) == "[##########..........] 3 of 6"
