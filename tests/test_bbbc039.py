"""BBBC039: found or fetched whole or not at all, and decoded as it is."""

import errno
import hashlib
import io
import os
import shutil
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from skimage import io as pictures

from unet_tutorial.data import bbbc039
from unet_tutorial.data.bbbc039 import NucleiDataset, decode_instances, fetch_nuclei, find_nuclei

LISTS = {"training.txt": ("a", "b"), "validation.txt": ("c",), "test.txt": ("d",)}


def write_data_set(folder, metadata="metadata"):
    """Write four small fields in the format of BBBC039, and return the folder."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks", metadata):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for file, names in LISTS.items():
        (folder / metadata / file).write_text("".join(f"{name}.png\n" for name in names))
        for name in names:
            colours = np.zeros((24, 32, 4), dtype=np.uint8)
            colours[..., 3] = 255  # opaque, as in the real masks
            colours[2:9, 2:9, 0] = 1
            colours[2:9, 9:16, 0] = 2  # touches the first
            colours[14:20, 20:30, 0] = 1  # the first one's colour, but another nucleus
            image = (rng.integers(100, 140, (24, 32)) + 900 * (colours[..., 0] > 0)).astype(np.uint16)
            pictures.imsave(folder / "images" / f"{name}.tif", image, check_contrast=False)
            pictures.imsave(folder / "masks" / f"{name}.png", colours, check_contrast=False)
    return folder


def zipped(folder, *parts) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for part in parts:
            for path in sorted((folder / part).rglob("*")):
                file.write(path, path.relative_to(folder))
    return content.getvalue()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no data set named by the environment."""
    monkeypatch.delenv(bbbc039.VARIABLE, raising=False)
    monkeypatch.setattr(bbbc039, "cache_folder", lambda: tmp_path / "cache" / "bbbc039")
    return tmp_path / "cache" / "bbbc039"


class Server:
    """Serves archives from memory on this computer, and counts how often each was asked for."""

    def __init__(self, archives):
        self.archives, self.asked, self.cut = dict(archives), [], None


@pytest.fixture
def server(monkeypatch, tmp_path):
    source = write_data_set(tmp_path / "source")
    serving = Server({f"{part}.zip": zipped(source, part) for part in ("images", "masks", "metadata")})
    pin(monkeypatch, serving)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            serving.asked.append(name)
            content = serving.archives.get(name)
            if content is None:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if serving.cut == name else content)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        serving.fetch = partial(fetch_nuclei, address=f"http://127.0.0.1:{http.server_port}/", progress=False)
        yield serving
        http.shutdown()
        thread.join()


def pin(monkeypatch, serving):
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in serving.archives.items()}
    monkeypatch.setattr(bbbc039, "ARCHIVES", sums)


# Found, or fetched ---------------------------------------------------------------------------------------------------


def test_it_is_fetched_once_and_then_found(cache, server):
    assert find_nuclei() is None
    assert server.fetch() == cache == find_nuclei()
    assert sorted(server.asked) == ["images.zip", "masks.zip", "metadata.zip"]
    assert server.fetch() == cache
    assert len(server.asked) == 3, "what is there is not asked for again"
    assert sorted(path.name for path in cache.parent.iterdir()) == ["bbbc039"], "nothing else is left"
    assert NucleiDataset("train").names == ["a.png", "b.png"]


def test_the_progress_bars_can_be_seen(cache, server, capsys):
    server.fetch(progress=True)
    assert capsys.readouterr().err.count("100%") == 3


@pytest.mark.parametrize("metadata", ["metadata", "."])
def test_a_folder_that_is_named_is_taken(monkeypatch, cache, server, tmp_path, metadata):
    folder = write_data_set(tmp_path / "mine", metadata)
    monkeypatch.setenv(bbbc039.VARIABLE, str(folder))
    assert server.fetch() == find_nuclei() == folder
    assert server.asked == [] and not cache.exists()


@pytest.mark.parametrize("lost", ["masks/c.png", "images/a.tif", "metadata/test.txt"])
def test_a_folder_that_is_named_and_not_whole_is_refused(monkeypatch, cache, tmp_path, lost):
    folder = write_data_set(tmp_path / "mine")
    (folder / lost).unlink()
    monkeypatch.setenv(bbbc039.VARIABLE, str(folder))
    for call in (find_nuclei, fetch_nuclei, partial(NucleiDataset, "train")):
        with pytest.raises(
            ValueError, match=f"UNET_TUTORIAL_DATA must name a folder .*there is no {lost.removeprefix('metadata/')}"
        ):
            call()
    with pytest.raises(ValueError, match="folder must hold the whole data set, but in"):
        NucleiDataset("train", folder)


def test_a_download_that_is_cut_off_leaves_nothing_and_goes_on_when_run_again(cache, server):
    server.cut = "masks.zip"
    with pytest.raises(ConnectionError, match="masks.zip could not be fetched .*Run this again when there is a netw"):
        server.fetch()
    assert find_nuclei() is None and not cache.exists()
    server.cut = None
    assert server.fetch() == cache
    assert server.asked == ["images.zip", "masks.zip", "masks.zip", "metadata.zip"], "the first came only once"


def test_a_download_that_was_altered_is_refused_and_not_kept(cache, server):
    right = server.archives["masks.zip"]
    server.archives["masks.zip"] = right[:-1] + b"!"
    with pytest.raises(ValueError, match="masks.zip must have the SHA-256 .*Nothing of it was kept; run this again"):
        server.fetch()
    assert find_nuclei() is None and not cache.exists()
    server.archives["masks.zip"] = right
    assert server.fetch() == cache


def test_a_network_that_answers_with_a_page_of_its_own_is_seen_through(cache, server):
    right, server.archives = server.archives, dict.fromkeys(bbbc039.ARCHIVES, b"<html>Welcome. Please sign in.</html>")
    with pytest.raises(ValueError, match="the network sent a page of its own, such as one to sign in") as caught:
        server.fetch()
    for word in ("images.zip must have the SHA-256", "Nothing of it was kept", "UNET_TUTORIAL_DATA"):
        assert word in str(caught.value)
    assert not cache.exists() and not any(path.is_file() for path in cache.parent.rglob("*"))
    server.archives = right
    assert server.fetch() == cache


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, server, tmp_path):
    monkeypatch.delenv(bbbc039.VARIABLE, raising=False)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(bbbc039, "cache_folder", lambda: tmp_path / "file" / "cache" / "bbbc039")
    with pytest.raises(OSError, match="could not take them .*or permit writing, and run this again") as caught:
        server.fetch()
    assert not isinstance(caught.value, ConnectionError) and server.asked == []
    assert str(tmp_path / "file" / "cache") in str(caught.value) and "UNET_TUTORIAL_DATA" in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("place, name", [(shutil, "move"), (zipfile.ZipFile, "extractall")])
def test_a_full_disk_leaves_nothing_half_made(monkeypatch, cache, server, place, name):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, name, full)
        with pytest.raises(OSError, match="No space left on device.*Make room for 250 MB there") as caught:
            server.fetch()
    assert not isinstance(caught.value, ConnectionError)
    left = {path.relative_to(cache.parent).as_posix() for path in cache.parent.rglob("*") if path.is_file()}
    assert left <= {f"bbbc039-downloads/{archive}" for archive in bbbc039.ARCHIVES}, "whole archives at most"
    assert server.fetch() == cache


def test_without_a_network_it_says_what_to_download_and_where_to_put_it(cache):
    with pytest.raises(ConnectionError) as caught:
        fetch_nuclei(address="http://127.0.0.1:9/", progress=False)
    for word in ("images.zip, masks.zip, metadata.zip from http://127.0.0.1:9/", "UNET_TUTORIAL_DATA", "one folder"):
        assert word in str(caught.value)
    assert not cache.exists()


@pytest.mark.parametrize("name", ["../stolen.txt", "/stolen.txt", "images/../../stolen.txt", "..\\stolen.txt", "C:s"])
def test_an_archive_that_writes_elsewhere_is_refused(monkeypatch, cache, server, tmp_path, name):
    content = io.BytesIO(server.archives["metadata.zip"])
    with zipfile.ZipFile(content, "a") as file:
        file.writestr(name, "mine")
    server.archives["metadata.zip"] = content.getvalue()
    pin(monkeypatch, server)
    with pytest.raises(ValueError, match="archive 'metadata.zip' names a file outside its folder"):
        server.fetch()
    assert find_nuclei() is None and not cache.exists()
    assert not list(tmp_path.rglob("stolen.txt")) and not list(tmp_path.rglob("*unpacking*"))


def test_a_link_in_an_archive_is_refused(monkeypatch, cache, server):
    content = io.BytesIO(server.archives["metadata.zip"])
    with zipfile.ZipFile(content, "a") as file:
        link = zipfile.ZipInfo("metadata/link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "../..")
    server.archives["metadata.zip"] = content.getvalue()
    pin(monkeypatch, server)
    with pytest.raises(ValueError, match="names a file outside its folder: 'metadata/link'"):
        server.fetch()


def test_archives_that_hold_less_than_the_data_set_leave_nothing(monkeypatch, cache, server, tmp_path):
    (tmp_path / "source" / "masks" / "d.png").unlink()
    server.archives["masks.zip"] = zipped(tmp_path / "source", "masks")
    pin(monkeypatch, server)
    with pytest.raises(ValueError, match="must hold the whole data set, but there is no masks/d.png"):
        server.fetch()
    assert find_nuclei() is None and not cache.exists()


def test_a_damaged_cache_is_replaced(cache, server):
    write_data_set(cache)
    (cache / "masks" / "c.png").unlink()
    assert find_nuclei() is None
    assert server.fetch() == cache == find_nuclei()


# Decoded -------------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_none_is_told_by_its_number(cache, server):
    del server.archives["masks.zip"]
    with pytest.raises(ConnectionError, match=r"masks.zip could not be fetched \(HTTPError 404\)"):
        server.fetch()


def test_what_killed_processes_left_is_swept_away_and_what_others_unpack_now_is_not(cache, server):
    for name, age in (("old", 7200), ("new", 60)):
        left = cache.with_name(f"bbbc039-unpacking-{name}")
        left.mkdir(parents=True)
        os.utime(left, (time.time() - age, time.time() - age))
    server.fetch()
    assert [path.name for path in cache.parent.glob("bbbc039-unpacking-*")] == ["bbbc039-unpacking-new"]


def test_of_two_notebooks_that_fetch_at_once_the_second_takes_what_the_first_has_brought(monkeypatch, cache, server):
    download = bbbc039._download

    def overtaken(address, name, folder, progress):
        monkeypatch.setattr(bbbc039, "_download", download)
        server.fetch()  # the other one is faster, and deletes the downloads that both share
        return folder / name  # which is gone

    monkeypatch.setattr(bbbc039, "_download", overtaken)
    assert server.fetch() == cache and find_nuclei() == cache


def test_a_colour_is_not_an_instance(tmp_path):
    data = NucleiDataset("val", write_data_set(tmp_path))
    assert data.instances(0).unique().tolist() == [0, 1, 2, 3]
    assert len(np.unique(pictures.imread(tmp_path / "masks" / "c.png")[..., 0])) == 3, "two colours and the background"
    image, mask = data[0]
    assert image.shape == mask.shape == (1, 24, 32) and image.dtype == mask.dtype == torch.float32
    assert torch.equal(mask[0] > 0, data.instances(0) > 0)
    assert data.images[0].dtype == np.uint16


def test_parts_that_meet_at_a_corner_are_two():
    assert decode_instances(np.array([[4, 0], [0, 4]])).max() == 2


@pytest.mark.parametrize(
    "mask", [[[1]], np.ones((2, 2)), np.ones((2, 2, 2), int), np.ones(4, int), np.ones((0, 2), int)]
)
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ValueError, match="mask must be whole numbers of shape .H, W., .H, W, 3. or .H, W, 4., but got"):
        decode_instances(mask)


def test_a_split_is_named(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        NucleiDataset("training", tmp_path)


@pytest.fixture(scope="module")
def real():
    folder = find_nuclei()
    assert folder is not None, f"set {bbbc039.VARIABLE} to the data set, or leave these out with -m 'not real_nuclei'"
    return {split: NucleiDataset(split, folder) for split in bbbc039.SPLITS}


@pytest.mark.real_nuclei
@pytest.mark.parametrize("split", bbbc039.SPLITS)
def test_the_files_are_read_as_skimage_reads_them(real, split):
    data, folder = real[split], find_nuclei()
    for index in (0, 1, len(data) // 2, -1):
        name = data.names[index]
        image = pictures.imread(folder / "images" / f"{name.removesuffix('.png')}.tif")
        assert image.dtype == data.images[index].dtype and np.array_equal(data.images[index], image)
        nuclei = decode_instances(pictures.imread(folder / "masks" / name))
        assert np.array_equal(data.instances(index).numpy(), nuclei)


def test_a_damaged_file_is_named(tmp_path):
    folder = write_data_set(tmp_path)
    path = folder / "images" / "c.tif"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="c.tif"):
        NucleiDataset("val", folder)


@pytest.mark.real_nuclei
def test_the_real_data_set_is_the_one_that_was_published(real):
    counts = {split: [int(data.instances(i).max()) for i in range(len(data))] for split, data in real.items()}
    assert {split: len(found) for split, found in counts.items()} == {"train": 100, "val": 50, "test": 50}
    assert sum(map(sum, counts.values())) == 23617
    assert sum(counts["test"]) == 5720 and sum(counts["val"]) == 5896
    assert sum(found.count(0) for found in counts.values()) == 3, "three fields hold no nucleus"
    assert {image.shape for data in real.values() for image in data.images} == {(520, 696)}
    assert {image.dtype for data in real.values() for image in data.images} == {np.dtype("uint16")}
    names = [name for data in real.values() for name in data.names]
    assert len(set(names)) == 200, "no field is in two splits"
