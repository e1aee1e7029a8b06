"""Losses: how far the logits are from the mask, as one number to make small.

All take (logits, masks). One class: logits (B, 1, H, W) and float32 masks of 0 and 1 of the same shape.
Several classes: logits (B, C, H, W) and int64 class indices (B, H, W).

Many data sets mark pixels that do not count, such as the rim of an object, with a number of their own, often 255. All
losses take it as ``ignore_index``: such pixels are in no sum and in no mean, and a batch without any other costs 0.
`unet_tutorial.training.fit` reads it from the loss, so that its metric leaves out the same pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from . import _contract
from ._checks import number


def bce_loss(logits: torch.Tensor, masks: torch.Tensor, ignore_index: int | None = None) -> torch.Tensor:
    """Cross entropy: minus the log of the probability that the model gave to the truth, mean over pixels.

    For one class this is the binary cross entropy, with the sigmoid inside. For several it is the cross
    entropy of the softmax. Every pixel counts the same, so a small object counts little.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    masks : torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W) of class indices.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        A scalar of at least 0.

    Raises
    ------
    ValueError
        If shape, dtype or values of the masks do not fit the logits.

    Examples
    --------
    >>> masks = torch.zeros(1, 1, 64, 64)
    >>> masks[..., 20:24, 20:24] = 1
    >>> print(f"{bce_loss(torch.full((1, 1, 64, 64), -2.0), masks):.3f}")
    0.135
    """
    masks, counted = _checked(logits, masks, ignore_index)
    return _mean(_cross_entropy(logits, masks), counted)


def dice_loss(
    logits: torch.Tensor,
    masks: torch.Tensor,
    smooth: float = 1e-6,
    per_image: bool = True,
    ignore_index: int | None = None,
) -> torch.Tensor:
    r"""Soft Dice loss: one minus twice the overlap over the sum of both areas.

    With the probabilities :math:`p` and the mask :math:`m`, and sums over the pixels,

    .. math:: 1 - \frac{2 \sum p m + \epsilon}{\sum p + \sum m + \epsilon}.

    The background's size plays no part, so a small object counts as much as a large one. An empty mask
    is the weak spot: with a small ``smooth``, even a confident "nothing here" costs nearly 1. With several
    classes the same holds for every class that an image does not show.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    masks : torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W) of class indices.
    smooth : float, default 1e-6
        The :math:`\epsilon` above, in pixels. Greater than 0, so that nothing divides by zero.
    per_image : bool, default True
        Take the loss of every image and then the mean. Otherwise the sums run over the whole batch.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        A scalar between 0 and 1. For several classes, the mean over the classes, background included.

    Raises
    ------
    ValueError
        If shape, dtype or values of the masks do not fit the logits, or ``smooth`` is not positive.

    References
    ----------
    Milletari, Navab and Ahmadi 2016, arXiv:1606.04797 (there with squares in the denominator).

    Examples
    --------
    >>> print(f"{dice_loss(torch.full((1, 1, 8, 8), -10.0), torch.zeros(1, 1, 8, 8)):.4f}")
    0.9997
    """
    smooth = number("smooth", smooth, above_zero=True)
    masks, counted = _checked(logits, masks, ignore_index)
    return _dice_loss(logits, masks, counted, smooth, per_image)


def weighted_cross_entropy(
    logits: torch.Tensor, masks: torch.Tensor, weights: torch.Tensor, ignore_index: int | None = None
) -> torch.Tensor:
    """`bce_loss` in which every pixel counts as its weight says, such as that of `unet_tutorial.instances.weight_map`.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    masks : torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W) of class indices.
    weights : torch.Tensor
        Floating point of the shape of the masks, at least 0, not all 0.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        A scalar of at least 0: the weighted mean over the pixels of the batch.

    Raises
    ------
    ValueError
        If shape, dtype or values of the masks do not fit the logits, or the weights do not fit the masks.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, equation 1.

    Examples
    --------
    >>> logits = torch.tensor([[[[9.0, 9.0]], [[-9.0, -9.0]]]])  # class 0, twice
    >>> masks = torch.tensor([[[0, 1]]])  # right, wrong
    >>> round(weighted_cross_entropy(logits, masks, torch.tensor([[[3.0, 1.0]]])).item(), 3)
    4.5
    """
    masks, counted = _checked(logits, masks, ignore_index)
    _contract.weights_for(masks, weights)
    return _mean(_cross_entropy(logits, masks), counted, weights)


def focal_loss(
    logits: torch.Tensor,
    masks: torch.Tensor,
    gamma: float = 2.0,
    alpha: float | None = None,
    ignore_index: int | None = None,
) -> torch.Tensor:
    r"""Focal loss: cross entropy in which pixels that are already right count less.

    With the probability :math:`p_t` that the model gave to the truth, each pixel costs
    :math:`-\alpha_t (1 - p_t)^\gamma \log p_t`.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    masks : torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W) of class indices.
    gamma : float, default 2.0
        0 is the cross entropy; the larger, the less an easy pixel counts.
    alpha : float, optional
        For one class: the weight of the object's pixels, between 0 and 1; the background's is 1 - alpha.
        The paper's best is 0.25. None weighs all the same.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        A scalar of at least 0, the mean over pixels.

    Raises
    ------
    ValueError
        If the masks do not fit the logits, ``gamma`` is negative, ``alpha`` is not between 0 and 1, or
        ``alpha`` is given with several classes.

    References
    ----------
    Lin et al. 2017, arXiv:1708.02002.

    Examples
    --------
    >>> logits, masks = torch.tensor([[[[3.0, -3.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    >>> print(f"{focal_loss(logits, masks, gamma=0):.3f} {focal_loss(logits, masks):.3f}")
    1.549 1.383
    """
    gamma, alpha = number("gamma", gamma), _check_alpha(alpha)
    masks, counted = _checked(logits, masks, ignore_index)
    if alpha is not None and logits.shape[1] > 1:
        raise ValueError(
            f"alpha weighs one class against the background, but the logits have {logits.shape[1]} channels. "
            f"Leave it out."
        )
    cost = _cross_entropy(logits, masks)  # (B, 1, H, W) or (B, H, W): -log p_t
    missing = -torch.expm1(-cost)  # 1 - p_t, exact also where p_t is close to 1
    focal = missing.clamp_min(1e-12) ** gamma * cost  # the power of 0 has no finite slope for gamma < 1
    if alpha is not None:
        focal = focal * torch.where(masks > 0, alpha, 1 - alpha)
    return _mean(focal, counted)


def tversky_loss(
    logits: torch.Tensor,
    masks: torch.Tensor,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1e-6,
    per_image: bool = True,
    ignore_index: int | None = None,
) -> torch.Tensor:
    r"""Tversky loss: Dice with separate prices for false alarms and for missed pixels.

    .. math:: 1 - \frac{TP + \epsilon}{TP + \alpha FP + \beta FN + \epsilon}

    with :math:`TP = \sum p m`, :math:`FP = \sum p (1 - m)` and :math:`FN = \sum (1 - p) m`. With
    ``alpha = beta = 0.5`` it is the Dice loss with twice the ``smooth``.

    Parameters
    ----------
    logits : torch.Tensor
        (B, C, H, W), what the model returns, before sigmoid or softmax.
    masks : torch.Tensor
        For C = 1, float32 (B, 1, H, W) of 0 and 1. For C > 1, int64 (B, H, W) of class indices.
    alpha : float, default 0.3
        The price of a false alarm.
    beta : float, default 0.7
        The price of a missed pixel. Above ``alpha``, the model rather finds too much than too little.
    smooth : float, default 1e-6
        The :math:`\epsilon` above, in pixels, greater than 0.
    per_image : bool, default True
        Take the loss of every image and then the mean. Otherwise the sums run over the whole batch.
    ignore_index : int, optional
        The value of masks' pixels that do not count, such as 255.

    Returns
    -------
    torch.Tensor
        A scalar between 0 and 1. For several classes, the mean over the classes, background included.

    Raises
    ------
    ValueError
        If the masks do not fit the logits, a price is negative, or ``smooth`` is not positive.

    References
    ----------
    Salehi, Erdogmus and Gholipour 2017, arXiv:1706.05721.

    Examples
    --------
    >>> masks = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])
    >>> missed = torch.tensor([[[[9.0, -9.0, -9.0, -9.0]]]])
    >>> false_alarm = torch.tensor([[[[9.0, 9.0, 9.0, -9.0]]]])
    >>> bool(tversky_loss(missed, masks) > tversky_loss(false_alarm, masks))
    True
    """
    alpha, beta = number("alpha", alpha), number("beta", beta)
    smooth = number("smooth", smooth, above_zero=True)
    masks, counted = _checked(logits, masks, ignore_index)
    overlap, predicted, true = _areas(logits, masks, counted, per_image)
    priced = overlap + alpha * (predicted - overlap) + beta * (true - overlap)
    return 1 - ((overlap + smooth) / (priced + smooth)).mean()


class DiceLoss(nn.Module):
    """`dice_loss` as a module.

    Parameters
    ----------
    smooth : float, default 1e-6
        See `dice_loss`.
    per_image : bool, default True
        See `dice_loss`.
    ignore_index : int, optional
        See `dice_loss`.

    Raises
    ------
    ValueError
        If ``smooth`` is not positive; at the call, if the masks do not fit the logits.

    Examples
    --------
    >>> DiceLoss()(torch.full((1, 1, 8, 8), 9.0), torch.ones(1, 1, 8, 8)) < 0.001
    tensor(True)
    """

    def __init__(self, smooth: float = 1e-6, per_image: bool = True, ignore_index: int | None = None):
        super().__init__()
        self.smooth = number("smooth", smooth, above_zero=True)
        self.per_image = per_image
        self.ignore_index = _contract.index("ignore_index", ignore_index)

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return dice_loss(logits, masks, self.smooth, self.per_image, self.ignore_index)


class FocalLoss(nn.Module):
    """`focal_loss` as a module.

    Parameters
    ----------
    gamma : float, default 2.0
        See `focal_loss`.
    alpha : float, optional
        See `focal_loss`.
    ignore_index : int, optional
        See `focal_loss`.

    Raises
    ------
    ValueError
        If ``gamma`` is negative or ``alpha`` is not between 0 and 1; at the call, if the masks do not fit.

    Examples
    --------
    >>> FocalLoss()(torch.full((1, 1, 8, 8), 9.0), torch.ones(1, 1, 8, 8)) < 0.001
    tensor(True)
    """

    def __init__(self, gamma: float = 2.0, alpha: float | None = None, ignore_index: int | None = None):
        super().__init__()
        self.gamma = number("gamma", gamma)
        self.alpha = _check_alpha(alpha)
        self.ignore_index = _contract.index("ignore_index", ignore_index)

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return focal_loss(logits, masks, self.gamma, self.alpha, self.ignore_index)


class TverskyLoss(nn.Module):
    """`tversky_loss` as a module.

    Parameters
    ----------
    alpha : float, default 0.3
        See `tversky_loss`.
    beta : float, default 0.7
        See `tversky_loss`.
    smooth : float, default 1e-6
        See `tversky_loss`.
    per_image : bool, default True
        See `tversky_loss`.
    ignore_index : int, optional
        See `tversky_loss`.

    Raises
    ------
    ValueError
        If a price is negative or ``smooth`` is not positive; at the call, if the masks do not fit.

    Examples
    --------
    >>> TverskyLoss()(torch.full((1, 1, 8, 8), 9.0), torch.ones(1, 1, 8, 8)) < 0.001
    tensor(True)
    """

    def __init__(
        self,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1e-6,
        per_image: bool = True,
        ignore_index: int | None = None,
    ):
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.beta = number("beta", beta)
        self.smooth = number("smooth", smooth, above_zero=True)
        self.per_image = per_image
        self.ignore_index = _contract.index("ignore_index", ignore_index)

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        return tversky_loss(logits, masks, self.alpha, self.beta, self.smooth, self.per_image, self.ignore_index)


class CombinedLoss(nn.Module):
    """A weighted sum of `bce_loss`, which has a useful slope everywhere, and `dice_loss`, which sees small objects.

    Parameters
    ----------
    bce_weight, dice_weight : float, default 0.5
        The weights, at least 0, not both 0.
    smooth : float, default 1e-6
        See `dice_loss`.
    ignore_index : int, optional
        See `bce_loss`.

    Raises
    ------
    ValueError
        If a weight is negative or both are 0, or ``smooth`` is not positive; at the call, if the masks
        do not fit the logits.

    Examples
    --------
    >>> logits, masks = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    >>> both = CombinedLoss()(logits, masks)
    >>> torch.isclose(both, (bce_loss(logits, masks) + dice_loss(logits, masks)) / 2)
    tensor(True)
    """

    def __init__(
        self,
        bce_weight: float = 0.5,
        dice_weight: float = 0.5,
        smooth: float = 1e-6,
        ignore_index: int | None = None,
    ):
        super().__init__()
        self.bce_weight = number("bce_weight", bce_weight)
        self.dice_weight = number("dice_weight", dice_weight)
        self.smooth = number("smooth", smooth, above_zero=True)
        if bce_weight == dice_weight == 0:
            raise ValueError("bce_weight and dice_weight must not both be 0: nothing would be left to learn from.")
        self.ignore_index = _contract.index("ignore_index", ignore_index)

    def forward(self, logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        masks, counted = _checked(logits, masks, self.ignore_index)
        bce = _mean(_cross_entropy(logits, masks), counted)
        return self.bce_weight * bce + self.dice_weight * _dice_loss(logits, masks, counted, self.smooth, True)


def _checked(
    logits: torch.Tensor, masks: torch.Tensor, ignore_index: int | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Refuse masks that do not fit; return them with 0 where a pixel does not count, and which do, or None for all."""
    ignore_index = _contract.index("ignore_index", ignore_index)
    _contract.masks_for(logits, masks, ignore_index)
    counted = _contract.counted(masks, ignore_index)
    return (masks, None) if counted is None else (masks.masked_fill(~counted, 0), counted)


def _mean(cost: torch.Tensor, counted: torch.Tensor | None, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean of what the pixels cost, by their weights; 0 where none counts."""
    if counted is None and weights is None:
        return cost.mean()
    weights = torch.ones_like(cost) if weights is None else weights.to(cost.dtype)
    weights = weights if counted is None else weights * counted
    return (cost * weights).sum() / weights.sum().clamp_min(torch.finfo(cost.dtype).tiny)


def _dice_loss(
    logits: torch.Tensor, masks: torch.Tensor, counted: torch.Tensor | None, smooth: float, per_image: bool
) -> torch.Tensor:
    overlap, predicted, true = _areas(logits, masks, counted, per_image)
    return 1 - ((2 * overlap + smooth) / (predicted + true + smooth)).mean()


def _cross_entropy(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return -log of the probability of the truth for every pixel, (B, 1, H, W) or (B, H, W)."""
    logits = _wide(logits)
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits, masks.to(logits.dtype), reduction="none")
    return F.cross_entropy(logits, masks, reduction="none")


def _areas(
    logits: torch.Tensor, masks: torch.Tensor, counted: torch.Tensor | None, per_image: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return overlap, predicted area and true area, each (B, C), or (C,) where the batch is one big image."""
    logits = _wide(logits)
    if logits.shape[1] == 1:
        probabilities = torch.sigmoid(logits)
        truth = masks.to(logits.dtype)
    else:
        probabilities = torch.softmax(logits, dim=1)
        classes = torch.arange(logits.shape[1], device=masks.device)[:, None, None]
        truth = (masks[:, None] == classes).to(logits.dtype)  # (B, C, H, W)
        counted = None if counted is None else counted[:, None]  # (B, 1, H, W)
    if counted is not None:
        probabilities, truth = probabilities * counted, truth * counted
    axes = (2, 3) if per_image else (0, 2, 3)
    return (probabilities * truth).sum(axes), probabilities.sum(axes), truth.sum(axes)


def _wide(logits: torch.Tensor) -> torch.Tensor:
    """Return half-precision logits in float32: a sum over 65,504 pixels of 1 is the end of float16."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _check_alpha(alpha: float | None) -> float | None:
    if alpha is None:
        return None
    if number("alpha", alpha) > 1:
        raise ValueError(f"alpha must lie between 0 and 1, but got {alpha!r}.")
    return float(alpha)
