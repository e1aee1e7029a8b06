"""The book served to a room: only its own files, only to be read, with an address that can be scanned."""

import http.client
import re
import threading
from contextlib import contextmanager

import pytest

import install
import pages
import room
import run


@contextmanager
def served(folder):
    server = room.server(folder, "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def ask(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "html" / "empty").mkdir(parents=True)
    (tmp_path / "html" / "index.html").write_text("hello")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "html" / "link.txt").symlink_to(tmp_path / "secret.txt")
    return tmp_path / "html"


def test_the_pages_and_nothing_else_are_given_out(folder):
    with served(folder) as port:
        assert ask(port, "/") == (200, b"hello") and ask(port, "/index.html", "HEAD")[0] == 200
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/empty/", "/nothing.html"):
            status, content = ask(port, path)
            assert status == 404 and b"secret" not in content, path
            assert ask(port, path, "HEAD")[0] == 404
        for method in ("POST", "PUT", "DELETE"):
            assert ask(port, "/index.html", method)[0] == 501
    assert (folder / "index.html").read_text() == "hello"


def test_the_sign_has_the_address_to_read_and_to_scan(folder):
    with served(folder) as port:
        status, content = ask(port, room.SIGN)
    text = content.decode()
    assert status == 200 and f"http://127.0.0.1:{port}/" in text and "<svg" in text and "<path" in text
    assert room.in_terminal("http://192.0.2.7:8000/").count("\n") > 10
    assert "&lt;script" in room.sign("http://<script>/")


def test_who_can_reach_this_computer_is_known():
    assert not room.is_reachable("127.0.0.1") and room.is_reachable("192.168.1.20")
    assert room.own_address().count(".") == 3


def test_the_recipe_for_a_room_without_network_uses_what_the_installation_reads(monkeypatch):
    page = (install.ROOT / "book" / "teach.md").read_text(encoding="utf-8")
    (recipe,) = [block for block in re.findall("```bash\n(.*?)```", page, re.S) if "tools/install.py" in block]
    assert f"-r {install.PINS.relative_to(install.ROOT).as_posix()}" in recipe
    options, command = re.findall(r"^(\w+=\S+) (\w+=\S+) python3 (\S+)$", recipe, re.M)[0][:2], "tools/install.py"
    assert (install.ROOT / command).is_file()
    for name, value in (option.split("=") for option in options):
        monkeypatch.setenv(name, value)
        assert install.environment()[name] == value, "pip is not told"
    named = re.search(r"grep -o '(.*?)' requirements.txt", recipe)[1]
    (pinned,) = re.findall(named, (install.ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert pinned == install.pin("torch")
    for tool in ("uv", "wheel"):
        assert install.pin(tool) in (install.ROOT / install.BOOK).read_text(encoding="utf-8")


def test_it_is_off_unless_asked_for_and_says_who_can_read(monkeypatch, folder, capsys):
    monkeypatch.setattr(pages, "html", lambda root: folder)
    monkeypatch.setattr(pages, "is_current", lambda root: True)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(room.ThreadingHTTPServer, "serve_forever", lambda server: None)
    monkeypatch.setattr(room, "own_address", lambda: "192.168.1.20")
    monkeypatch.setattr("sys.argv", ["run.py", "serve", "--room"])
    assert run.main() == 0
    said = capsys.readouterr().out
    assert "Everybody in this network can read the book at http://192.168.1.20:" in said
    assert opened[0].startswith("http://192.168.1.20:") and opened[0].endswith(room.SIGN)
    monkeypatch.setattr(room, "own_address", lambda: "127.0.0.1")
    assert run.main() == 0 and "This computer is in no network" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["run.py", "serve"])
    assert run.main() == 0 and "http://127.0.0.1:" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["run.py", "book", "--room"])
    with pytest.raises(SystemExit):
        run.main()
