"""The nuclei: found or fetched whole or not at all, decoded as they are, and pictures of one's own."""

import errno
import hashlib
import io
import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from skimage import io as pictures
from skimage.transform import resize
from torch.nn import functional

from unet_tutorial.data import nuclei
from unet_tutorial.data.nuclei import (
    Crops,
    InstanceDataset,
    NucleiDataset,
    decode_instances,
    fetch_nuclei,
    find_nuclei,
    normalize,
    own_pictures,
)

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
            colours[2:9, 2:9] = 1
            colours[2:9, 9:16] = 2  # touches the first
            colours[14:20, 20:30] = 1  # the first one's colour, but another nucleus
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
    monkeypatch.delenv(nuclei.VARIABLE, raising=False)
    monkeypatch.setattr(nuclei, "cache_folder", lambda: tmp_path / "cache" / "bbbc039")
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
    monkeypatch.setattr(nuclei, "ARCHIVES", sums)


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
    monkeypatch.setenv(nuclei.VARIABLE, str(folder))
    assert server.fetch() == find_nuclei() == folder
    assert server.asked == [] and not cache.exists()


@pytest.mark.parametrize("lost", ["masks/c.png", "images/a.tif", "metadata/test.txt"])
def test_a_folder_that_is_named_and_not_whole_is_refused(monkeypatch, cache, tmp_path, lost):
    folder = write_data_set(tmp_path / "mine")
    (folder / lost).unlink()
    monkeypatch.setenv(nuclei.VARIABLE, str(folder))
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
    right, server.archives = server.archives, dict.fromkeys(nuclei.ARCHIVES, b"<html>Welcome. Please sign in.</html>")
    with pytest.raises(ValueError, match="the network sent a page of its own, such as one to sign in") as caught:
        server.fetch()
    for word in ("images.zip must have the SHA-256", "Nothing of it was kept", "UNET_TUTORIAL_DATA"):
        assert word in str(caught.value)
    assert not cache.exists() and not any(path.is_file() for path in cache.parent.rglob("*"))
    server.archives = right
    assert server.fetch() == cache


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, server, tmp_path):
    monkeypatch.delenv(nuclei.VARIABLE, raising=False)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(nuclei, "cache_folder", lambda: tmp_path / "file" / "cache" / "bbbc039")
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
    assert left <= {f"bbbc039-downloads/{archive}" for archive in nuclei.ARCHIVES}, "whole archives at most"
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


def test_normalizing_forgives_the_lamp_but_does_not_stretch_noise():
    rng = np.random.default_rng(0)
    field = rng.uniform(100, 120, (64, 64))
    bright = np.where(np.hypot(*(np.mgrid[:64, :64] - 32)) < 12, 10 * field, field)
    assert np.abs(normalize(bright) - normalize(3 * bright)).max() < 0.01
    assert normalize(bright).min() == 0 and normalize(bright).max() == 1
    assert normalize(field).max() < 0.2, "a field without anything stays dark"


@pytest.mark.parametrize(
    "image, options, message",
    [
        (np.ones((2, 2, 3)), {}, "image must be numbers of shape .H, W., one channel, but got float64"),
        ([[1.0]], {}, "but got list"),
        (np.array([[-1.0, 2.0]]), {}, "at least 0, but some are negative, infinite or NaN"),
        (np.array([[np.nan, 2.0]]), {}, "infinite or NaN"),
        (np.ones((2, 2)), {"low": 50, "high": 50}, "low and high must be percentiles"),
        (np.ones((2, 2)), {"contrast": 1}, "contrast must be greater than 1"),
    ],
)
def test_what_cannot_be_normalized_is_refused(image, options, message):
    with pytest.raises(ValueError, match=message):
        normalize(image, **options)


def test_indices_count_as_in_a_list(tmp_path):
    data = NucleiDataset("train", write_data_set(tmp_path))
    assert len(data) == 2 and torch.equal(data[-1][0], data[1][0])
    for index in (2, -3):
        with pytest.raises(IndexError, match="out of range for a data set of 2 pictures"):
            data[index]
    with pytest.raises(ValueError, match="Did you mean 'train'"):
        NucleiDataset("training", tmp_path)


def test_pictures_that_do_not_fit_one_another_are_refused():
    picture = np.ones((4, 4))
    with pytest.raises(ValueError, match="of one length, at least 1, but have 1, 2 and 1"):
        InstanceDataset(["a"], [picture] * 2, [picture.astype(int)])
    with pytest.raises(ValueError, match="picture 'a': mask must have the image's height and width"):
        InstanceDataset(["a"], [picture], [np.ones((3, 3), int)])


# Pieces --------------------------------------------------------------------------------------------------------------


def test_pieces_belong_together_and_depend_on_seed_and_index_alone():
    images = [torch.arange(40 * 50.0).reshape(1, 40, 50), torch.arange(60 * 45.0).reshape(1, 60, 45)]
    whole = [(image, image[0].long(), image[0]) for image in images]
    crops = Crops(whole, size=32, samples=20)
    for image, mask, weight in (crops[i] for i in range(20)):
        assert image.shape == (1, 32, 32) and torch.equal(image[0].long(), mask) and torch.equal(image[0], weight)
    again = Crops(whole, size=32, samples=5)
    assert torch.equal(again[3][0], crops[3][0])
    assert len({float(crops[i][0][0, 0, 0]) for i in range(20)}) > 10
    assert any(not torch.equal(Crops(whole, size=32, seed=1)[i][0], crops[i][0]) for i in range(5))
    with pytest.raises(IndexError, match="index 5 is out of range for 5 crops"):
        again[5]


def test_pieces_larger_than_a_picture_or_of_unequal_parts_are_refused():
    image, mask, weights = torch.rand(1, 40, 50), torch.zeros(40, 50).long(), torch.ones(40, 50)
    with pytest.raises(ValueError, match="at least size = 64, but in picture 0 they have .40, 50."):
        Crops([(image, mask, weights)], size=64)
    with pytest.raises(ValueError, match="one height and width"):
        Crops([(image, mask[:39], weights)], size=32)
    with pytest.raises(ValueError, match="at least one, but there is none"):
        Crops([])


# Pictures of one's own -----------------------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    marked = np.zeros((32, 40), dtype=np.uint8)
    marked[4:12, 4:12] = marked[20:28, 20:36] = 255
    save(tmp_path / "images" / "first.tif", (marked * 3 + 200).astype(np.uint16))
    save(tmp_path / "masks" / "first.png", marked)
    numbered = np.zeros((48, 40), dtype=np.uint16)
    numbered[4:12, 4:12], numbered[4:12, 12:20] = 7, 300  # they touch
    save(tmp_path / "images" / "second.png", (numbered > 0).astype(np.uint8) * 90)
    save(tmp_path / "masks" / "second.tif", numbered)
    return tmp_path


def save(path, picture):
    pictures.imsave(path, picture, check_contrast=False)


def test_pictures_of_ones_own_are_read_by_their_names(mine):
    data = own_pictures(mine)
    assert data.names == ["first", "second"]
    assert data.instances(0).unique().tolist() == [0, 1, 2], "a mask of 0 and 255: what hangs together is one"
    assert data.instances(1).unique().tolist() == [0, 7, 300], "a mask of numbers is taken as it is"
    assert [tuple(image.shape) for image, _ in (data[0], data[1])] == [(1, 32, 40), (1, 48, 40)]


@pytest.mark.parametrize(
    "lost, message",
    [
        ("masks/first.png", "these 1 in .* have no mask: first"),
        ("images/second.png", "these 1 in .* have no image: second"),
    ],
)
def test_a_picture_without_its_partner_is_named(mine, lost, message):
    (mine / lost).unlink()
    with pytest.raises(ValueError, match=message):
        own_pictures(mine)


def test_what_is_wrong_with_pictures_of_ones_own_is_said(mine, tmp_path):
    with pytest.raises(ValueError, match="must hold images/ and masks/, but there is no"):
        own_pictures(tmp_path / "nowhere")
    save(mine / "masks" / "first.png", np.zeros((32, 40, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="first.png' has the shape .32, 40, 3.. Save it in grey"):
        own_pictures(mine)
    save(mine / "masks" / "first.png", np.zeros((32, 41), dtype=np.uint8))
    with pytest.raises(ValueError, match="picture 'first': mask must have the image's height and width"):
        own_pictures(mine)
    save(mine / "masks" / "first.tif", np.zeros((32, 40), dtype=np.uint8))
    with pytest.raises(ValueError, match="'first' is there twice"):
        own_pictures(mine)
    for path in (mine / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="must hold pictures .*, but there is none in"):
        own_pictures(mine)


@pytest.mark.parametrize(
    "values, message",
    [
        ([[0, 0.25], [0.5, 1]], "float32 and holds 0.25, 0.5. Was it resized with interpolation"),
        ([[0, np.nan], [np.inf, 1]], "float32 and holds inf, nan"),
        ([[0, 1e30], [0, 1]], "float32 and holds 1e.30"),
        ([[0, -1], [0, 2]], "float32 and holds -1.$"),
    ],
)
def test_a_mask_of_other_numbers_than_whole_ones_is_refused(mine, values, message):
    wrong = np.kron(np.array(values, dtype=np.float32), np.ones((24, 20), dtype=np.float32))
    save(mine / "masks" / "second.tif", wrong)
    with pytest.raises(ValueError, match=rf"second.tif' must hold whole numbers, .* but it is {message}"):
        own_pictures(mine)


def test_whole_numbers_in_floating_point_lose_nothing(mine):
    numbered = pictures.imread(mine / "masks" / "second.tif")
    save(mine / "masks" / "second.tif", numbered.astype(np.float32))
    assert own_pictures(mine).instances(1).tolist() == numbered.tolist()


def test_masks_of_which_none_marks_an_object_are_refused(mine):
    save(mine / "masks" / "second.tif", np.zeros((48, 40), dtype=np.uint16))
    assert own_pictures(mine).instances(1).max() == 0, "one picture may hold nothing"
    save(mine / "masks" / "first.png", np.zeros((32, 40), dtype=np.uint8))
    with pytest.raises(ValueError, match="must mark at least one object, but all 2 in .*masks' hold nothing but 0"):
        own_pictures(mine)


def discs(rng, numbers, side, smallest, largest) -> np.ndarray:
    """Draw discs of these numbers at random places, one over the other: uint16 (side, side)."""
    y, x = np.mgrid[:side, :side]
    mask = np.zeros((side, side), dtype=np.uint16)
    for number in numbers:
        row, column = rng.uniform(0, side, 2)
        mask[np.hypot(y - row, x - column) < rng.uniform(smallest, largest)] = number
    return mask


def bilinear(mask, factor):  # without looking at what lies between, as many libraries do
    channels = torch.from_numpy(mask.astype(np.float32))[None, None]  # (1, 1, H, W)
    return functional.interpolate(channels, scale_factor=factor, mode="bilinear")[0, 0].numpy()


def scaled(mask, factor, **options):
    size = [round(factor * side) for side in mask.shape]
    return resize(mask.astype(float), size, preserve_range=True, **options).clip(0, mask.max())


@pytest.mark.parametrize(
    "shrink",
    [
        partial(bilinear, factor=0.5),
        partial(bilinear, factor=2.7),
        partial(scaled, factor=0.25, order=1, anti_aliasing=True),
        partial(scaled, factor=0.6, order=3, anti_aliasing=True),
        partial(scaled, factor=3, order=1),
        partial(scaled, factor=3, order=3),
    ],
)
@pytest.mark.parametrize("value, dtype", [(255, np.uint8), (65535, np.uint16)])
def test_a_mask_of_two_values_that_was_interpolated_is_refused(mine, shrink, value, dtype):
    rng = np.random.default_rng(0)
    for count in (1, 4, 12, 12):
        marked = discs(rng, [value] * count, 128, 8, 25)
        mask = shrink(marked).round().astype(dtype)
        assert mask.max() == value and len(np.unique(mask)) > 4
        save(mine / "images" / "second.png", np.full(mask.shape, 90, dtype=np.uint8))
        save(mine / "masks" / "second.tif", mask)
        with pytest.raises(ValueError, match=f"second.tif' .* as in a mask of 0 and {value} that was resized with int"):
            own_pictures(mine)
        save(mine / "masks" / "second.tif", (mask > value // 2).astype(dtype))  # the way out that the message names
        assert own_pictures(mine).instances(1).max() <= count


def numbered_masks(rng):
    """Yield masks that number their objects in every way that might be taken for a rim."""
    yield discs(rng, rng.permutation(40) + 1, 100, 4, 14)  # crowded, one over the other
    yield discs(rng, rng.permutation(9) + 1, 100, 10, 30)
    yield discs(rng, rng.permutation(60) + 1, 100, 0.6, 3)  # hardly any pixels
    yield discs(rng, rng.permutation(500) + 1, 40, 1, 2)  # so many that no background is left
    yield discs(rng, rng.integers(1, 5, 40), 100, 3, 12)  # four colours, so that touching objects may differ
    top, left, side = *rng.integers(0, 80, 2), rng.integers(8, 20)
    yield discs(rng, rng.permutation(60) + 1, 100, 4, 14)[top : top + side, left : left + side]  # slivers at the frame
    for apart in (0, 4):  # one large object with the largest number, and small ones that touch it or do not
        mask, radius = np.zeros((80, 80), dtype=np.uint16), rng.uniform(8, 25)
        distance = np.hypot(*(np.mgrid[:80, :80] - 40))
        for number in range(1, rng.integers(4, 14)):
            angle = rng.uniform(0, 2 * np.pi)
            centre = 40 + (radius + apart) * np.array([np.sin(angle), np.cos(angle)])
            mask[np.hypot(*(np.mgrid[:80, :80] - centre[:, None, None])) < rng.uniform(0.6, 3.5)] = number
        mask[distance < radius] = 255
        yield mask


def test_masks_that_number_their_objects_are_never_taken_for_interpolated(tmp_path):
    rng = np.random.default_rng(0)
    masks = [mask for _ in range(40) for mask in numbered_masks(rng)]
    assert sum(len(np.unique(mask)) > 4 for mask in masks) > 200, "the others have too few values to be asked"
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number, mask in enumerate(masks):
        save(tmp_path / "images" / f"{number:03}.png", np.full(mask.shape, 90, dtype=np.uint8))
        save(tmp_path / "masks" / f"{number:03}.tif", mask)
    data = own_pictures(tmp_path)
    for number, mask in enumerate(masks):
        if len(np.unique(mask)) > 2:
            assert np.array_equal(data.instances(number), mask)


# The real data set ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    folder = find_nuclei()
    assert folder is not None, f"set {nuclei.VARIABLE} to the data set, or leave these out with -m 'not real_nuclei'"
    return {split: NucleiDataset(split, folder) for split in nuclei.SPLITS}


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
