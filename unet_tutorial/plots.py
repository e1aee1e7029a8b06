"""Pictures: arrays go in, a matplotlib ``Figure`` comes out. `show` displays one together with its description."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

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

    if not isinstance(figure, Figure):
        raise ValueError(f"figure must be a matplotlib Figure, but got {type(figure).__name__}.")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("alt must describe in words what the figure shows, but got an empty text.")
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    png = base64.b64encode(buffer.getvalue()).decode()
    return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}}


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
    arrays = [to_picture(p) for p in pictures]
    if not arrays:
        raise ValueError("pictures must hold at least one picture, but got none.")
    if titles is not None and len(titles) != len(arrays):
        raise ValueError(f"titles must be as many as the pictures, {len(arrays)}, but got {len(titles)}.")
    columns = min(columns or len(arrays), len(arrays))
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
            axes.set_title(titles[i], fontsize=10)
        if colorbar:
            figure.colorbar(drawn, ax=axes, shrink=0.8)
    return figure


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
        If the shape is another one.

    Examples
    --------
    >>> to_picture(np.zeros((3, 8, 6))).shape
    (8, 6, 3)
    """
    if hasattr(picture, "detach"):
        picture = picture.detach().cpu()
        # numpy knows no bfloat16; whole numbers stay, because 0 to 255 means a colour and 0.0 to 255.0 does not
        picture = (picture.float() if picture.is_floating_point() else picture).numpy()
    array = np.asarray(picture)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    elif array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3):
        return array
    hint = " Take one image of the batch, for example batch[0]." if array.ndim == 4 else ""
    raise ValueError(
        f"a picture must have the shape (H, W), (1, H, W), (H, W, 3) or (3, H, W), but got {array.shape}.{hint}"
    )


def overlay(image, mask) -> np.ndarray:
    """Lay a mask over an image, in orange, through which the image is still seen.

    Parameters
    ----------
    image : array or torch.Tensor
        Grey image of the shape (H, W) or (1, H, W), values from 0 to 1.
    mask : array or torch.Tensor
        The same height and width; what is not 0 is coloured.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) float32, values from 0 to 1, to be drawn with `images`.

    Raises
    ------
    ValueError
        If image and mask differ in size.

    Examples
    --------
    >>> overlay(np.zeros((4, 4)), np.eye(4)).shape
    (4, 4, 3)
    """
    gray, inside = _gray_and_mask(image, mask)
    result = np.repeat(gray[..., None], 3, axis=2)
    result[inside] = 0.55 * result[inside] + 0.45 * np.array(to_rgb(ORANGE), dtype=np.float32)
    return result


def error_map(prediction, truth) -> np.ndarray:
    """Colour a binary prediction by where it is right and where it is wrong.

    Parameters
    ----------
    prediction, truth : array or torch.Tensor
        Binary masks of the same size, (H, W) or (1, H, W); what is not 0 is foreground.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) float32: found pixels white, missed ones blue, false ones orange, the rest black.

    Raises
    ------
    ValueError
        If the two differ in size.

    Examples
    --------
    >>> error_map([[1, 1], [0, 0]], [[1, 0], [1, 0]]).shape
    (2, 2, 3)
    """
    predicted, true = _gray_and_mask(prediction, truth)
    predicted = predicted != 0
    result = np.zeros((*true.shape, 3), dtype=np.float32)
    result[predicted & true] = 1
    result[~predicted & true] = to_rgb(SKY)
    result[predicted & ~true] = to_rgb(ORANGE)
    return result


def _gray_and_mask(image, mask) -> tuple[np.ndarray, np.ndarray]:
    gray, inside = to_picture(image).astype(np.float32), to_picture(mask) != 0
    if gray.ndim != 2 or gray.shape != inside.shape:
        raise ValueError(f"both pictures must have the same height and width, but got {gray.shape} and {inside.shape}.")
    return gray, inside


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
    if not lines:
        raise ValueError("lines must hold at least one line, but got none.")
    many = len(lines) > 4
    figure = Figure(figsize=(7.0 if many else 5.5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    dashes = ("-", "--", "-.", ":")
    for i, (name, values) in enumerate(lines.items()):
        positions = range(1, len(values) + 1) if x is None else x
        if len(positions) != len(values):
            raise ValueError(f"line {name!r} must be as long as x, {len(positions)}, but has {len(values)} values.")
        dash = dashes[(i + i // len(LINES)) % len(dashes)]  # a colour that comes again comes with another dash
        axes.plot(positions, values, label=name, color=LINES[i % len(LINES)], linestyle=dash)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    if x is None:  # they are counted, so there is no epoch 1.5
        axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(**{"loc": "upper left", "bbox_to_anchor": (1, 1)} if many else {})  # many names would hide the lines
    return figure


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
