"""Published data sets: found or fetched whole or not at all, whether they come as archives or file by file."""

import errno
import hashlib
import io
import os
import shutil
import threading
import time
import zipfile
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from unet_tutorial.data import fetching
from unet_tutorial.data.bbbc039 import NUCLEI
from unet_tutorial.data.camvid import STREETS
from unet_tutorial.data.fetching import Published, cache_folder, fetch, find, locate
from unet_tutorial.data.vnc import SECTIONS

CONTENTS = {"raw/0.tif": b"picture 0", "raw/1.tif": b"picture 1", "labels/0.png": b"mask 0", "labels/1.png": b"mask 1"}


def lacks(folder, names):
    return next((f"there is no {name}" for name in names if not (folder / name).is_file()), None)


DATA = Published(
    name="small",
    title="the small pictures",
    address="http://127.0.0.1:9/",  # nothing answers there
    files={},
    download=1,
    room=2,
    holds="raw/ and labels/",
    by_hand="download it from {address}",
    check=lambda folder: lacks(folder, CONTENTS),
)


def write(folder):
    """Write the whole data set, and return the folder."""
    for name, content in CONTENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(part) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in CONTENTS:
            if name.startswith(part):
                file.writestr(name, CONTENTS[name])
    return content.getvalue()


FORMS = {"archives": {"raw.zip": zipped("raw"), "labels.zip": zipped("labels")}, "files": CONTENTS}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no data set named by the environment."""
    monkeypatch.delenv(fetching.VARIABLE, raising=False)
    monkeypatch.setattr(fetching.pooch, "os_cache", lambda name: tmp_path / "cache")
    return cache_folder(DATA)


class Server:
    """Serves files from memory on this computer, and counts how often each was asked for."""

    def __init__(self, files, address):
        self.files, self.address, self.asked, self.cut = dict(files), address, [], None

    def data(self):
        """Return the description of what is served now."""
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        ours = None if sums.keys() == CONTENTS.keys() else DATA.check  # of single files, those that it has are the rule
        return replace(DATA, address=self.address, files=sums, check=ours)


@pytest.fixture(params=FORMS)
def server(request):
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            serving.asked.append(name)
            content = serving.files.get(name)
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if serving.cut == name else content)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        serving = Server(FORMS[request.param], f"http://127.0.0.1:{http.server_port}/")
        yield serving
        http.shutdown()
        thread.join()


def test_it_is_fetched_once_and_then_found(cache, server, capsys):
    data = server.data()
    assert find(data) is None
    assert fetch(data, progress=False) == cache == find(data) == locate(data)
    assert server.asked == list(server.files)
    assert fetch(data) == cache
    assert server.asked == list(server.files), "what is there is not asked for again"
    assert [path.name for path in cache.parent.iterdir()] == ["small"], "nothing else is left"
    assert {name: (cache / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert capsys.readouterr().err == ""


def test_the_progress_can_be_seen(cache, server, capsys):
    fetch(server.data())
    assert capsys.readouterr().err.count("100%") == (2 if "raw.zip" in server.files else 1)


@pytest.mark.parametrize("inside", [".", "small"])
def test_a_folder_that_is_named_is_taken_or_the_one_in_it_with_the_name(monkeypatch, cache, server, tmp_path, inside):
    folder = write(tmp_path / "mine" / inside)
    monkeypatch.setenv(fetching.VARIABLE, str(tmp_path / "mine"))
    assert fetch(server.data()) == find(server.data()) == folder
    assert server.asked == [] and not cache.exists()


@pytest.mark.parametrize("inside", [".", "small"])
@pytest.mark.parametrize("lost", ["raw/1.tif", "labels/0.png"])
def test_a_folder_that_is_named_and_not_whole_is_refused(monkeypatch, cache, tmp_path, inside, lost):
    folder = write(tmp_path / "mine" / inside)
    (folder / lost).unlink()
    monkeypatch.setenv(fetching.VARIABLE, str(tmp_path / "mine"))
    for call in (find, fetch, locate):
        with pytest.raises(ValueError, match=f"UNET_TUTORIAL_DATA must name a folder .*there is no {lost}"):
            call(DATA)
    with pytest.raises(ValueError, match=f"folder must hold the whole data set, but in .*there is no {lost}"):
        locate(DATA, folder)
    (folder / lost).write_bytes(b"what was lost")
    assert find(DATA) == folder, "the first cure: put it there"


def test_the_other_cure_of_a_wrong_folder_is_to_name_none(monkeypatch, cache, server, tmp_path):
    monkeypatch.setenv(fetching.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match="or unset UNET_TUTORIAL_DATA: then it is downloaded"):
        fetch(server.data())
    monkeypatch.delenv(fetching.VARIABLE)
    assert fetch(server.data(), progress=False) == cache


def test_a_download_that_is_cut_off_leaves_nothing_and_goes_on_when_run_again(cache, server):
    server.cut = second = list(server.files)[1]
    with pytest.raises(ConnectionError, match=f"{second} could not be fetched .*Run this again when there is a netw"):
        fetch(server.data(), progress=False)
    assert find(server.data()) is None and not cache.exists()
    server.cut = None
    assert fetch(server.data(), progress=False) == cache
    assert server.asked == [*list(server.files)[:2], *list(server.files)[1:]], "the first came only once"


def test_what_was_altered_is_refused_and_not_kept(cache, server):
    data, right, second = server.data(), dict(server.files), list(server.files)[1]
    server.files[second] = right[second][:-1] + b"!"
    with pytest.raises(ValueError, match=f"{second} must have the SHA-256 .*Nothing of it was kept; run this again"):
        fetch(data, progress=False)
    assert find(data) is None and not cache.exists()
    server.files = right
    assert fetch(data, progress=False) == cache


def test_a_network_that_answers_with_a_page_of_its_own_is_seen_through(cache, server):
    data, right = server.data(), server.files
    server.files = dict.fromkeys(right, b"<html>Welcome. Please sign in.</html>")
    with pytest.raises(ValueError, match="the network sent a page of its own, such as one to sign in") as caught:
        fetch(data, progress=False)
    for word in (f"{next(iter(right))} must have the SHA-256", "Nothing of it was kept", "UNET_TUTORIAL_DATA"):
        assert word in str(caught.value)
    assert not cache.exists() and not any(path.is_file() for path in cache.parent.rglob("*"))
    server.files = right
    assert fetch(data, progress=False) == cache


def test_an_answer_that_is_none_is_told_by_its_number(cache, server):
    data, second = server.data(), list(server.files)[1]
    del server.files[second]
    with pytest.raises(ConnectionError, match=rf"{second} could not be fetched \(HTTPError 404\)"):
        fetch(data, progress=False)


@pytest.mark.parametrize("rate, is_given_up", [(1, True), (990, True), (1010, False), (5000, False)])
def test_a_source_from_which_hardly_anything_comes_is_given_up_and_a_slow_one_is_not(monkeypatch, rate, is_given_up):
    clock = [0.0]
    monkeypatch.setattr(fetching.time, "monotonic", lambda: clock[0])
    bar = fetching._Bar(disable=True)

    def download():
        for _ in range(2000):
            clock[0] += fetching.CHUNK / rate
            bar.update(fetching.CHUNK)

    if is_given_up:
        with pytest.raises(requests.Timeout, match="fewer than 1000 bytes a second"):
            download()
        assert clock[0] < 5 * 60
    else:
        download()


def test_one_that_begins_well_and_then_trickles_is_given_up_too(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(fetching.time, "monotonic", lambda: clock[0])
    bar = fetching._Bar(disable=True)
    for _ in range(100):
        clock[0] += 1
        bar.update(1_000_000)
    with pytest.raises(requests.Timeout):
        for _ in range(2):
            clock[0] += 256
            bar.update(fetching.CHUNK)


@pytest.mark.parametrize("has_length", [True, False])
def test_a_server_that_trickles_is_told_and_nothing_is_left(monkeypatch, cache, has_length):
    clock = [0.0]

    class Trickles(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            if has_length:
                self.send_header("Content-Length", "1000000")
            self.end_headers()
            try:
                for _ in range(1000):
                    clock[0] += fetching.CHUNK
                    self.wfile.write(b"0" * fetching.CHUNK)
            except ConnectionError:  # given up
                pass

        def log_message(self, *args):
            pass

    monkeypatch.setattr(fetching.time, "monotonic", lambda: clock[0])
    with ThreadingHTTPServer(("127.0.0.1", 0), Trickles) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        data = replace(DATA, address=f"http://127.0.0.1:{http.server_port}/", files={"raw.zip": "0" * 64})
        with pytest.raises(ConnectionError, match=r"could not be fetched \(Timeout: fewer than 1000 bytes a second\)"):
            fetch(data, progress=False)
        http.shutdown()
        thread.join()
    assert not cache.exists() and not any(path.is_file() for path in cache.parent.rglob("*"))


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, cache, server, tmp_path):
    (tmp_path / "cache").write_text("mine")
    with pytest.raises(OSError, match="could not take them .*or permit writing, and run this again") as caught:
        fetch(server.data(), progress=False)
    assert not isinstance(caught.value, ConnectionError) and server.asked == []
    assert str(tmp_path / "cache") in str(caught.value) and "UNET_TUTORIAL_DATA" in str(caught.value)
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.parametrize("place, name", [(shutil, "move"), (zipfile.ZipFile, "extractall"), (os, "replace")])
def test_a_full_disk_leaves_nothing_half_made(monkeypatch, cache, server, place, name):
    if name == "extractall" and "raw.zip" not in server.files:
        name, place = "move", shutil  # nothing is unpacked there

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, name, full)
        with pytest.raises(OSError, match="No space left on device.*Make room for 2 MB there") as caught:
            fetch(server.data(), progress=False)
    assert not isinstance(caught.value, ConnectionError)
    left = {path.relative_to(cache.parent).as_posix() for path in cache.parent.rglob("*") if path.is_file()}
    assert left <= {f"small-downloads/{file}" for file in server.files}, "whole files at most"
    assert fetch(server.data(), progress=False) == cache


@pytest.mark.parametrize("data", [NUCLEI, SECTIONS, STREETS], ids=lambda data: data.name)
def test_without_a_network_it_says_what_to_download_and_where_to_put_it(cache, data):
    assert data.address.startswith("https://") and data.address.endswith("/")
    assert all(len(bytes.fromhex(sha)) == 32 for sha in data.files.values())
    away = replace(data, address="http://127.0.0.1:9/")
    with pytest.raises(
        ConnectionError, match="Run this again when there is a network. Or download .* elsewhere"
    ) as caught:
        fetch(away, progress=False)
    assert "UNET_TUTORIAL_DATA" in str(caught.value) and not cache_folder(data).exists()


@pytest.mark.parametrize("name", ["../stolen.txt", "/stolen.txt", "images/../../stolen.txt", "..\\stolen.txt", "C:s"])
@pytest.mark.parametrize("server", ["archives"], indirect=True)
def test_an_archive_that_writes_elsewhere_is_refused(cache, server, tmp_path, name):
    content = io.BytesIO(server.files["labels.zip"])
    with zipfile.ZipFile(content, "a") as file:
        file.writestr(name, "mine")
    server.files["labels.zip"] = content.getvalue()
    with pytest.raises(ValueError, match="archive 'labels.zip' names a file outside its folder"):
        fetch(server.data(), progress=False)
    assert find(server.data()) is None and not cache.exists()
    assert not list(tmp_path.rglob("stolen.txt")) and not list(tmp_path.rglob("*unpacking*"))


@pytest.mark.parametrize("server", ["archives"], indirect=True)
def test_a_link_in_an_archive_is_refused(cache, server):
    content = io.BytesIO(server.files["raw.zip"])
    with zipfile.ZipFile(content, "a") as file:
        link = zipfile.ZipInfo("raw/link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "../..")
    server.files["raw.zip"] = content.getvalue()
    with pytest.raises(ValueError, match="names a file outside its folder: 'raw/link'"):
        fetch(server.data(), progress=False)


def test_files_that_are_less_than_the_data_set_leave_nothing(cache, server):
    data = replace(server.data(), check=lambda folder: lacks(folder, [*CONTENTS, "labels/2.png"]))
    with pytest.raises(ValueError, match="must hold the whole data set, but there is no labels/2.png"):
        fetch(data, progress=False)
    assert find(data) is None and not cache.exists()


def test_a_damaged_cache_is_replaced(cache, server):
    write(cache)
    (cache / "raw/0.tif").unlink()
    assert find(server.data()) is None
    assert fetch(server.data(), progress=False) == cache == find(server.data())


def test_what_killed_processes_left_is_swept_away_and_what_others_unpack_now_is_not(cache, server):
    for name, age in (("old", 7200), ("new", 60)):
        left = cache.with_name(f"small-unpacking-{name}")
        left.mkdir(parents=True)
        os.utime(left, (time.time() - age, time.time() - age))
    fetch(server.data(), progress=False)
    assert [path.name for path in cache.parent.glob("small-unpacking-*")] == ["small-unpacking-new"]


def test_of_two_notebooks_that_fetch_at_once_the_second_takes_what_the_first_has_brought(monkeypatch, cache, server):
    download = fetching._download

    def overtaken(data, name, folder, progress):
        monkeypatch.setattr(fetching, "_download", download)
        fetch(data, progress=False)  # the other one is faster, and deletes the downloads that both share
        return folder / name  # which is gone

    monkeypatch.setattr(fetching, "_download", overtaken)
    assert fetch(server.data(), progress=False) == cache and find(server.data()) == cache


@pytest.mark.parametrize("data", [NUCLEI, SECTIONS, STREETS], ids=lambda data: data.name)
def test_the_page_on_use_names_every_data_set_with_its_size(data):
    text = (Path(__file__).parents[1] / "book" / "how_to_use.md").read_text(encoding="utf-8")
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{data.name}`"))
    assert f"{data.download} MB" in row
