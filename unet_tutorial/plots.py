"""Pictures: arrays go in, a matplotlib ``Figure`` comes out. `show` displays one together with its description."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from ._checks import number, option, whole_number
from ._palette import BLUE, COLORS, GREEN, LINES, ORANGE, PURPLE, RED, SKY  # noqa: F401, chapters use them from here


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, with the text that a screen reader speaks in its place.

    Outside a notebook there is nothing to display it in, and only the text is printed.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure, as the functions of this module return it.
    alt : str
        What is to be seen, in one or two sentences.

    Raises
    ------
    ValueError
        If ``alt`` is empty, or ``figure`` is no figure.

    Examples
    --------
    >>> show(curves({"loss": [1.0, 0.5, 0.3]}, xlabel="epoch"), alt="The loss falls from 1.0 to 0.3.")
    The loss falls from 1.0 to 0.3.
    """
    from IPython import get_ipython
    from IPython.display import display

    _check_shown(figure, alt)
    if get_ipython() is None:
        print(alt)
        return
    data, metadata = bundle(figure, alt)
    display(data, metadata=metadata, raw=True)


def bundle(figure: Figure, alt: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return a figure in the form in which notebooks take it, with its description in the place of the figure's name.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    alt : str
        What is to be seen.

    Returns
    -------
    data, metadata : dict
        What a ``_repr_mimebundle_`` returns: the picture and its text by their types, and the text again where
        programs look for it.

    Examples
    --------
    >>> data, metadata = bundle(images([np.eye(4)]), alt="A white diagonal.")
    >>> data["text/plain"], metadata
    ('A white diagonal.', {'image/png': {'alt': 'A white diagonal.'}})
    """
    _check_shown(figure, alt)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    png = base64.b64encode(buffer.getvalue()).decode()
    return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}}


def _check_shown(figure: object, alt: object) -> None:
    if not isinstance(figure, Figure):
        raise ValueError(f"figure must be a matplotlib Figure, but got {type(figure).__name__}.")
    if not isinstance(alt, str) or not alt.strip():
        came = "an empty text" if isinstance(alt, str) else repr(alt)
        raise ValueError(f"alt must describe in words what the figure shows, but got {came}.")


def images(
    pictures: Sequence,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    cmap: str = "gray",
    vmin: float | None = None,
    vmax: float | None = None,
    colorbar: bool = False,
    size: float = 2.4,
) -> Figure:
    """Draw pictures side by side, each pixel as it is, without smoothing.

    Parameters
    ----------
    pictures : sequence of array or torch.Tensor
        Each of the shape (H, W), (1, H, W), (H, W, 3) or (3, H, W). Tensors may live on any device.
    titles : sequence of str, optional
        A title for each.
    columns : int, optional
        Pictures in a row; all of them if not given.
    cmap : str, default "gray"
        The colour map for pictures with one channel.
    vmin, vmax : float, optional
        The values drawn darkest and brightest; if not given, each picture's own extremes, or False and True.
    colorbar : bool, default False
        Draw the scale of the values beside each picture.
    size : float, default 2.4
        Width of one picture in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no picture, a picture has another shape, or the titles are not as many.

    Examples
    --------
    >>> figure = images([np.zeros((8, 8)), np.ones((3, 8, 8))], ["dark", "white"])
    >>> len(figure.axes)
    2
    """
    if isinstance(pictures, str) or not hasattr(pictures, "__iter__") or getattr(pictures, "ndim", 1) == 0:
        raise ValueError(f"pictures must list pictures, but got {type(pictures).__name__}.")
    arrays = [to_picture(p) for p in pictures]
    if not arrays:
        raise ValueError("pictures must hold at least one picture, but got none.")
    if titles is not None and (isinstance(titles, str) or not isinstance(titles, (Sequence, np.ndarray))):
        raise ValueError(f"titles must list a title for each picture, but got {titles!r}.")
    if titles is not None and len(titles) != len(arrays):
        raise ValueError(f"titles must be as many as the pictures, {len(arrays)}, but got {len(titles)}.")
    columns = min(len(arrays) if columns is None else whole_number("columns", columns), len(arrays))
    size = number("size", size, above_zero=True)
    vmin, vmax = _end("vmin", vmin), _end("vmax", vmax)
    option("cmap", cmap, colormaps)
    rows = -(-len(arrays) // columns)
    aspect = arrays[0].shape[0] / arrays[0].shape[1]
    figure = Figure(figsize=(size * columns * (1.25 if colorbar else 1), rows * (size * aspect + 0.4)))
    figure.set_layout_engine("constrained")
    for i, array in enumerate(arrays):
        axes = figure.add_subplot(rows, columns, i + 1)
        low, high = (0, 1) if array.dtype == bool and vmin is vmax is None else (vmin, vmax)
        drawn = axes.imshow(array, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        if titles is not None:
            axes.set_title(str(titles[i]), fontsize=10, parse_math=_is_formula(titles[i]))
        if colorbar:
            figure.colorbar(drawn, ax=axes, shrink=0.8)
    return figure


def _end(name: str, value) -> float | None:
    """Return an end of the range of values as a number, also of an array without axes, such as x.max()."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    right = isinstance(value, Real) and not isinstance(value, bool)
    if value is not None and not (right and -1e300 < value < 1e300):
        raise ValueError(f"{name} must be a number, but got {value!r}.")
    return None if value is None else float(value)


def _is_formula(text: object) -> bool:
    """Whether a text with dollars can be read as a formula; names of files may hold some too."""
    if "$" not in str(text):
        return False
    try:
        MathTextParser("agg").parse(str(text))
    except ValueError:
        return False
    return True


def to_picture(picture) -> np.ndarray:
    """Bring one picture to the shape that is drawn: (H, W), or (H, W, 3) in colour.

    Parameters
    ----------
    picture : array or torch.Tensor
        Of the shape (H, W), (1, H, W), (H, W, 3) or (3, H, W), on any device.

    Returns
    -------
    numpy.ndarray
        The same values.

    Raises
    ------
    ValueError
        If the shape is another one, or it does not hold numbers.

    Examples
    --------
    >>> to_picture(np.zeros((3, 8, 6))).shape
    (8, 6, 3)
    """
    picture = _read(picture)
    try:
        array = np.asarray(picture)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"a picture must be an array of numbers, but got {type(picture).__name__}.") from error
    if isinstance(picture, np.ma.MaskedArray):
        array = picture
    if array.dtype.kind not in "biuf" or array.size == 0:
        raise ValueError(
            f"a picture must be an array of numbers, but got {type(picture).__name__}"
            f"{f' of {array.dtype} and shape {array.shape}' if array.ndim else ''}."
        )
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    elif array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3):
        return array
    drawable = array.ndim == 4 and (array.shape[1] in (1, 3) or array.shape[3] == 3)
    hint = " Take one image of the batch, for example batch[0]." if drawable else ""
    raise ValueError(
        f"a picture must have the shape (H, W), (1, H, W), (H, W, 3) or (3, H, W), but got {array.shape}.{hint}"
    )


def _read(values):
    """Return what a tensor holds as an array, and anything else as it is."""
    if not hasattr(values, "detach"):
        return values
    if str(values.layout) != "torch.strided" or values.is_quantized or values.device.type == "meta":
        kind = "quantized" if values.is_quantized else str(values.layout).removeprefix("torch.")
        raise ValueError(f"what is drawn must be a dense tensor, but is {kind} on the device '{values.device}'.")
    values = values.detach().cpu()
    # numpy knows no bfloat16; whole numbers stay, because 0 to 255 means a colour and 0.0 to 255.0 does not
    return (values.float() if values.is_floating_point() else values).numpy()


def overlay(image, mask) -> np.ndarray:
    """Lay a mask over an image, in orange, through which the image is still seen.

    Parameters
    ----------
    image : array or torch.Tensor
        Grey image of the shape (H, W) or (1, H, W), values from 0 to 1.
    mask : array or torch.Tensor
        The same height and width: False and True, 0 and 1, or labels; what is not 0 is coloured.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) float32, values from 0 to 1, to be drawn with `images`.

    Raises
    ------
    ValueError
        If image and mask differ in size, the image is not numbers from 0 to 1, or the mask holds something between
        0 and 1, such as probabilities.

    Examples
    --------
    >>> overlay(np.zeros((4, 4)), np.eye(4)).shape
    (4, 4, 3)
    """
    gray, inside = _unmasked("image", to_picture(image)), _inside("mask", mask)
    if not (gray.min() >= 0 and gray.max() <= 1):  # NaN is neither
        raise ValueError(
            f"image must hold numbers from 0 to 1, but holds {_span(gray)}. Divide 8-bit values by 255, or bring the "
            f"picture's own range to 0 to 1."
        )
    _check_same_size("image", gray, "mask", inside)
    gray = gray.astype(np.float32)
    result = np.repeat(gray[..., None], 3, axis=2)
    result[inside] = 0.55 * result[inside] + 0.45 * np.array(to_rgb(ORANGE), dtype=np.float32)
    return result


def error_map(prediction, truth) -> np.ndarray:
    """Colour a binary prediction by where it is right and where it is wrong.

    Parameters
    ----------
    prediction, truth : array or torch.Tensor
        Masks of the same size, (H, W) or (1, H, W): False and True, 0 and 1, or labels; what is not 0 is foreground.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) float32: found pixels white, missed ones blue, false ones orange, the rest black.

    Raises
    ------
    ValueError
        If the two differ in size, or hold something between 0 and 1, such as probabilities.

    Examples
    --------
    >>> error_map([[1, 1], [0, 0]], [[1, 0], [1, 0]]).shape
    (2, 2, 3)
    """
    predicted, true = _inside("prediction", prediction), _inside("truth", truth)
    _check_same_size("prediction", predicted, "truth", true)
    result = np.zeros((*true.shape, 3), dtype=np.float32)
    result[predicted & true] = 1
    result[~predicted & true] = to_rgb(SKY)
    result[predicted & ~true] = to_rgb(ORANGE)
    return result


def _inside(name: str, mask) -> np.ndarray:
    """Return where a mask is not 0, (H, W); refuse probabilities, of which almost none is."""
    array = _unmasked(name, to_picture(mask))
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.round(array))).all():
        raise ValueError(
            f"{name} must be a mask of whole numbers, but holds {_span(array)}. Probabilities become one by a "
            f"threshold, such as {name} > 0.5."
        )
    return array != 0


def _unmasked(name: str, array: np.ndarray) -> np.ndarray:
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError(f"{name} must be a plain array, but is a masked one. Fill it, as in {name}.filled(0).")
    return array


def _span(array: np.ndarray) -> str:
    return f"{array.min():g} to {array.max():g}"


def _check_same_size(name: str, first: np.ndarray, other_name: str, other: np.ndarray) -> None:
    if first.ndim != 2 or first.shape != other.shape:
        raise ValueError(
            f"{name} and {other_name} must have one channel and the same height and width, but got {first.shape} and "
            f"{other.shape}."
        )


def contact_sheet(pictures, *, most: int = 24, columns: int = 6) -> Figure:
    """Draw many pictures small, each with the outlines of what is marked in it: the first look at one's own data.

    Parameters
    ----------
    pictures : unet_tutorial.data.pictures.Pictures
        What was read. One without a mask has no outlines, and its title says so.
    most : int, default 24
        How many are drawn at most. Of more pictures, every second, third and so on.
    columns : int, default 6
        Pictures in a row.

    Returns
    -------
    matplotlib.figure.Figure
        To be shown with ``alt=contact_sheet_text(pictures)``.

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> figure = contact_sheet(nuclei_pieces())
    >>> len(figure.axes)
    4
    """
    drawn, titles = [], []
    for index in _spread(len(pictures), most):
        image = pictures.image(index).numpy()  # (C, H, W)
        step = max(1, -(-max(image.shape[1:]) // 200))  # about 200 pixels are seen
        image = image[:, ::step, ::step]
        image = image[[0, 1, 2]] if image.shape[0] >= 3 else image[[0, 0, 0]]
        picture = np.ascontiguousarray(image.transpose(1, 2, 0))  # (h, w, 3)
        if index in pictures.labelled:
            picture[_edges(pictures.instances(index).numpy()[::step, ::step])] = to_rgb(ORANGE)
        drawn.append(picture)
        titles.append(_named(pictures, index))
    return images(drawn, titles, columns=columns, size=1.7, vmin=0, vmax=1)


def contact_sheet_text(pictures, *, most: int = 24) -> str:
    """Say in words what `contact_sheet` draws, for whoever cannot see it.

    Parameters
    ----------
    pictures : unet_tutorial.data.pictures.Pictures
        What was read.
    most : int, default 24
        As for `contact_sheet`.

    Returns
    -------
    str

    Examples
    --------
    >>> from unet_tutorial.data.pictures import nuclei_pieces
    >>> contact_sheet_text(nuclei_pieces()[:1])
    '1 of 1 pictures, with the outlines of what is marked. IXMtest_A06_s6_w1...: 5 objects.'
    """
    chosen = _spread(len(pictures), most)
    what = "objects" if pictures.task == "objects" else "parts"
    said = []
    for index in chosen:
        if index not in pictures.labelled:
            said.append(f"{pictures.names[index]}: no mask")
            continue
        labels = pictures.instances(index).numpy()
        count = np.unique(labels[labels > 0]).size
        said.append(f"{pictures.names[index]}: {count} {what if count != 1 else what[:-1]}")
    return f"{len(chosen)} of {len(pictures)} pictures, with the outlines of what is marked. {'; '.join(said)}."


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many indices, evenly spread."""
    return list(range(0, count, max(1, -(-count // most))))


def _named(pictures, index: int) -> str:
    name = pictures.names[index]
    short = (name if len(name) <= 20 else f"{name[:9]}…{name[-10:]}").replace("$", r"\$")  # $ would be mathematics
    return short if index in pictures.labelled else f"{short}\n(no mask)"


def _edges(labels: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of every object: bool (h, w)."""
    padded = np.pad(labels, 1, mode="edge")
    other = np.zeros(labels.shape, dtype=bool)
    for rows, columns in ((slice(0, -2), slice(1, -1)), (slice(2, None), slice(1, -1))):
        other |= (padded[rows, columns] != labels) | (padded[columns, rows] != labels)
    return other & (labels > 0)


def curves(
    lines: dict[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    xlabel: str,
    ylabel: str = "",
) -> Figure:
    """Draw lines over a common axis, each with its own colour and dash and its name in the legend.

    Parameters
    ----------
    lines : dict of str to sequence of float
        The values of each line by its name.
    x : sequence of float, optional
        Positions on the horizontal axis; 1, 2, 3 … if not given.
    xlabel, ylabel : str
        What the axes mean.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no line, or a line is not as long as ``x``.

    Examples
    --------
    >>> figure = curves({"train": [0.7, 0.4], "val": [0.8, 0.5]}, xlabel="epoch", ylabel="loss")
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['train', 'val']
    """
    if not isinstance(lines, Mapping):
        raise ValueError(f"lines must be a dict of a line's name to its values, but got {type(lines).__name__}.")
    if not lines:
        raise ValueError("lines must hold at least one line, but got none.")
    drawn = {str(name): _values(f"line {name!r}", values) for name, values in lines.items()}
    places = None if x is None else _values("x", x)
    many = len(lines) > 4
    figure = Figure(figsize=(7.0 if many else 5.5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    dashes = ("-", "--", "-.", ":")
    for i, (name, values) in enumerate(drawn.items()):
        positions = np.arange(1, len(values) + 1) if places is None else places
        if len(positions) != len(values):
            raise ValueError(f"line {name!r} must be as long as x, {len(positions)}, but has {len(values)} values.")
        dash = dashes[(i + i // len(LINES)) % len(dashes)]  # a colour that comes again comes with another dash
        axes.plot(positions, values, label=_plain(name), color=LINES[i % len(LINES)], linestyle=dash)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    if x is None:  # they are counted, so there is no epoch 1.5
        axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(**{"loc": "upper left", "bbox_to_anchor": (1, 1)} if many else {})  # many names would hide the lines
    return figure


def _plain(text: str) -> str:
    """Return a text in which a dollar is a dollar, unless it is a formula: a legend knows no other way to say so."""
    return text if "$" not in text or _is_formula(text) else text.replace("$", r"\$")


def _values(name: str, values) -> np.ndarray:
    """Return the values of a line as an array; refuse what is not numbers in one row."""
    try:
        array = np.asarray(_read(values))
    except ValueError as error:
        raise ValueError(f"{name} must be numbers in one row, but got {type(values).__name__}.") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biuf"):
        raise ValueError(f"{name} must be numbers in one row, but got {array.dtype} of shape {array.shape}.")
    return array


def history(record) -> Figure:
    """Draw a training: the losses on the left, the validation IoU on the right, over the epochs.

    Parameters
    ----------
    record : unet_tutorial.training.History
        What `unet_tutorial.training.fit` returned.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``record`` is no history, or holds no epoch.

    Examples
    --------
    >>> from unet_tutorial.training import History
    >>> figure = history(History(train_loss=[0.5, 0.3], val_loss=[0.45, 0.3], val_iou=[0.6, 0.8]))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'IoU']
    """
    if not all(hasattr(record, name) for name in ("train_loss", "val_loss", "val_iou")):
        raise ValueError(f"record must be a History as fit returns it, but got {type(record).__name__}.")
    if not record.train_loss:
        raise ValueError("record must hold at least one epoch, but the training ended before the first was over.")
    figure = Figure(figsize=(7.5, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(record.train_loss) + 1)
    # Points too, or else a training of one epoch would be an empty picture.
    left.plot(epochs, record.train_loss, label="training", color=BLUE, linestyle="-", marker="o", markersize=3)
    left.plot(epochs, record.val_loss, label="validation", color=RED, linestyle="--", marker="s", markersize=3)
    right.plot(epochs, record.val_iou, label="validation", color=RED, linestyle="--", marker="s", markersize=3)
    right.set_ylim(0, 1)
    for axes, ylabel in ((left, "loss"), (right, "IoU")):
        axes.set_xlabel("epoch")
        axes.set_ylabel(ylabel)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
