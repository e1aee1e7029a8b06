"""Chapter 13: padded pixels, a batch that fits, a sick batch, a hook."""

import torch
from torch import nn

from .. import sizing
from ..data.masks import from_gray
from ..data.synthetic import SyntheticCircleDataset
from ..unet import UNet
from ._code import Code
from ._values import Numbers

padded = Numbers(
    lambda: 512 * 336 - 500 * 333,
    [
        (12 + 3, "Those are the rows and columns that are added. How many pixels do they hold?"),
        (512 * 336, "That is the whole padded image."),
        (12 * 333 + 3 * 500, "The corner is missing, where the new rows and columns cross."),
        (12 * 333, "The other side has no multiple of 16 either."),
        (0, "Neither side is a multiple of 16."),
    ],
    ("Four poolings: sides must be multiples of 16.", "The next multiples are 512 and 336."),
)


def _largest():
    batch = 1
    while sizing.memory(batch + 1, 256, 256).total <= 8 * 2**30:
        batch += 1
    return batch


def _if_all_grew():
    return int(8 * 2**30 / sizing.memory(1, 256, 256).total)


def _if_nothing_else():
    one, two = (sizing.memory(batch, 256, 256).total for batch in (1, 2))
    return int(8 * 2**30 / (two - one))


fits = Numbers(
    _largest,
    [
        (
            _if_all_grew,
            "That divides by the memory of a batch of one. Weights, gradients and "
            "the optimiser's state do not grow with the batch.",
        ),
        (_if_nothing_else, "That leaves no room for weights, gradients and the optimiser's state."),
        (32, "Try sizing.memory(32, 256, 256).total."),
    ],
    (
        "What of the memory grows with the batch, and what does not?",
        "Compare sizing.memory(1, 256, 256).total with that of a batch of 2: each further image costs the same.",
    ),
)


def _sick():
    discs = SyntheticCircleDataset(num_samples=8, image_size=64)
    images, masks = (torch.stack([discs[i][part] for i in range(8)]) for part in (0, 1))  # (8, 1, 64, 64) each
    return [(255 * images, (255 * masks[:, 0].flip(-1)).byte())]


def _mend(images, masks):
    masks = torch.stack([from_gray(mask) for mask in masks])  # (8, 1, 64, 64), 0 and 1
    return images / 255, masks.flip(-1)


def _as_float(function):
    _, masks = function(*_sick()[0])
    dtype = getattr(masks, "dtype", None)
    return None if dtype == torch.float32 else f"The masks are {dtype}. A loss wants float32, and the doctor says so."


mend = Code(
    _mend,
    _sick,
    [
        (lambda x, m: (x / 255, m), "The images are well. Ask the doctor about the masks."),
        (lambda x, m: (x, _mend(x, m)[1]), "The masks are well. Ask the doctor about the images."),
        (
            lambda x, m: (x / 255, _mend(x, m)[1].flip(-1)),
            "One illness shows itself only when the others are cured: do the masks lie on the discs?",
        ),
        (lambda x, m: (x / 255, (m / 255).flip(-1)), "The masks still need an axis for the channel."),
    ],
    (
        "Run diagnose first, and again after each change.",
        "There are three illnesses: the range of the images, the masks' values and axes, and masks that are mirrored.",
    ),
    tests=(_as_float,),
)


def _smallest(model, images):
    areas = []
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, i, output: areas.append(output[0, 0].numel())) for m in convolutions]
    model(images)
    for hook in hooks:
        hook.remove()
    return min(areas)


def _by_hooks(measure, kinds=(nn.Conv2d,), choose=min):
    def smallest(model, images):
        found = []
        layers = [m for m in model.modules() if isinstance(m, kinds)]
        hooks = [m.register_forward_hook(lambda m, i, output: found.append(measure(output))) for m in layers]
        model(images)
        for hook in hooks:
            hook.remove()
        return choose(found)

    return smallest


def _networks():
    torch.manual_seed(0)
    odd = nn.Sequential(nn.Conv2d(1, 2, 3, stride=3), nn.Upsample(scale_factor=2), nn.MaxPool2d(4), nn.Upsample(size=9))
    return [
        (UNet(1, channels=(4, 8, 16)), torch.rand(2, 1, 32, 45)),
        (UNet(1, channels=(4, 8)), torch.rand(2, 1, 20, 21)),
        (odd, torch.rand(2, 1, 30, 24)),  # no U-Net: only a hook can know
    ]


def _leaves_nothing(function):
    model, images = _networks()[1]
    function(model, images)
    left = sum(len(module._forward_hooks) for module in model.modules())
    return (
        f"{left} hooks are still in the network, and run at every call. hook.remove() takes one away." if left else None
    )


smallest = Code(
    _smallest,
    _networks,
    [
        (
            _by_hooks(lambda output: output.numel()),
            "That counts batch and channels as well. Height times width is asked for.",
        ),
        (
            _by_hooks(lambda output: output[0].numel()),
            "That counts the channels as well. Height times width is asked for.",
        ),
        (
            _by_hooks(lambda output: output[0, 0].numel(), (nn.Conv2d, nn.MaxPool2d)),
            "A pooling is no convolution: its output can be smaller.",
        ),
        (_by_hooks(lambda output: output[0, 0].numel(), choose=max), "That is the largest."),
        (
            lambda model, images: (
                (images.shape[2] // 2 ** getattr(model, "depth", 1))
                * (images.shape[3] // 2 ** getattr(model, "depth", 1))
            ),
            "That is computed, and right for a U-Net. For another network only a look at the outputs tells.",
        ),
    ],
    (
        "isinstance(module, nn.Conv2d) finds the convolutions. What can you hang on each?",
        "module.register_forward_hook(function) calls function(module, inputs, output); "
        "keep output[0, 0].numel(), and remove the hooks in the end.",
    ),
    tests=(_leaves_nothing,),
)
