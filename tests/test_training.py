"""Training: it learns, it repeats, it leaves things as they were, and it says what is wrong."""

import os
import signal
import subprocess
import sys
from functools import partial
from itertools import count

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from unet_tutorial import training
from unet_tutorial.augment import Augmentation, Augmented
from unet_tutorial.checkpoints import read_checkpoint
from unet_tutorial.data.pictures import Crops
from unet_tutorial.data.synthetic import SyntheticCircleDataset
from unet_tutorial.devices import choose_device
from unet_tutorial.diagnosis import diagnose
from unet_tutorial.inference import predict
from unet_tutorial.losses import CombinedLoss, DiceLoss, bce_loss, dice_loss
from unet_tutorial.metrics import iou, predicted_masks
from unet_tutorial.pretrained import load_model
from unet_tutorial.training import History, Scores, evaluate, fit, try_learning_rates
from unet_tutorial.unet import UNet

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def discs(samples: int, split: str = "train", batch_size: int = 4, **options) -> DataLoader:
    return DataLoader(SyntheticCircleDataset(samples, image_size=64, split=split), batch_size, **options)


def tiny(**options) -> UNet:
    torch.manual_seed(0)
    return UNet(1, channels=(4, 8, 16), **options)


def batch(images: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(images, 1, 16, 16, generator=generator)
    return x, (x > 0.5).float()


def quick(model: nn.Module, train=None, val=None, **options) -> History:
    """Fit on the CPU, for one epoch on one batch where nothing else is said."""
    defaults = {"epochs": 1, "device": "cpu", "progress": False}
    train, val = ([batch()] if loader is None else loader for loader in (train, val))
    return fit(model, train, val, **defaults | options)


# It learns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_it_finds_discs_that_it_has_never_seen(device):
    torch.manual_seed(0)
    model = UNet(1, channels=(8, 16, 32))
    history = fit(
        model, discs(64, shuffle=True), discs(32, "val"), epochs=5, learning_rate=0.03, device=device, progress=False
    )
    assert history.epochs == len(history.val_loss) == len(history.val_iou) == 5
    assert history.val_iou[-1] > 0.9
    assert history.train_loss[-1] < history.train_loss[0]
    scores = evaluate(model, discs(32, "test"))
    assert scores.iou > 0.9
    assert next(model.parameters()).device.type == device


def test_several_classes():
    """Left half class 1, right half class 2, told apart by brightness; background between."""
    labels = torch.zeros(4, 16, 16, dtype=torch.int64)
    labels[..., :6], labels[..., 10:] = 1, 2
    images = labels[:, None].float() / 2 + 0.05 * torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    data = [(images, labels)]
    history = quick(tiny(num_classes=3), data, data, epochs=60, learning_rate=0.03)
    assert history.val_iou[-1] > 0.95


def test_the_same_seed_gives_the_same_weights():
    def trained(seed: int, **options) -> tuple[nn.Module, History]:
        torch.manual_seed(seed)
        model = UNet(1, channels=(4, 8))
        return model, quick(model, discs(12, shuffle=True, **options), discs(4, "val"), epochs=2)

    (first, history), (again, same), (other, _) = trained(3), trained(3), trained(4)
    (workers, with_workers) = trained(3, num_workers=1)
    assert history == same == with_workers
    for twin in (again, workers):
        assert all(torch.equal(a, b) for a, b in zip(first.parameters(), twin.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


def test_a_step_is_the_one_written_out_by_hand():
    """Two batches, SGD without schedule: forward, backward, step, and nothing else."""
    batches = [batch(3), batch(2)]
    model, by_hand = tiny(), tiny()
    history = quick(model, batches, optimizer=torch.optim.SGD, schedule="constant", learning_rate=0.1)
    by_hand.train()
    losses = []
    for x, masks in batches:
        loss = CombinedLoss()(by_hand(x), masks)
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
        losses.append(loss.item())
    for mine, other in zip(model.state_dict().values(), by_hand.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, other)
    assert history.train_loss == [pytest.approx((3 * losses[0] + 2 * losses[1]) / 5)]  # over images, not batches


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_the_learning_rate_follows_its_schedule(schedule):
    rates = []

    class Recorder(torch.optim.AdamW):
        def step(self):
            rates.append(self.param_groups[0]["lr"])
            super().step()

    quick(tiny(), [batch()] * 5, epochs=4, optimizer=Recorder, schedule=schedule, learning_rate=0.02)
    assert len(rates) == 20
    if schedule == "constant":
        assert rates == [0.02] * 20
    else:
        top = rates.index(max(rates))
        assert max(rates) == pytest.approx(0.02)
        assert top == 5  # after 30 % of the steps
        assert rates[:top] == sorted(rates[:top])
        assert rates[top:] == sorted(rates[top:], reverse=True)
        assert rates[0] < 0.001
        assert rates[-1] < 1e-6


def test_the_optimizer_and_the_loss_can_be_chosen():
    built = []

    def sgd(parameters, lr):
        built.append(torch.optim.SGD(parameters, lr, momentum=0.9))
        return built[-1]

    model = tiny()
    history = quick(model, loss=bce_loss, optimizer=sgd)
    assert len(built) == 1
    assert history.val_loss[-1] == evaluate(model, [batch()], loss=bce_loss).loss
    quick(tiny(), optimizer=partial(torch.optim.SGD, momentum=0.9))


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_very_short_training_works(steps):
    assert quick(tiny(), [batch()], epochs=steps).epochs == steps


# It can be held back, shortened and stopped --------------------------------------------------------------------------


def gradient_norms(monkeypatch) -> list[float]:
    """Record the length of the gradient with which every step is taken."""
    norms = []

    def step(self, closure=None):
        parameters = self.param_groups[0]["params"]
        norms.append(torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in parameters])).item())

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    return norms


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_long_gradients_are_shortened_and_short_ones_are_not(monkeypatch, precision):
    norms = gradient_norms(monkeypatch)
    for clip_norm in (None, 0.01, 1000.0):
        quick(tiny(), optimizer=torch.optim.SGD, schedule="constant", clip_norm=clip_norm, precision=precision)
    free, shortened, as_it_was = norms
    assert free > 0.1
    assert shortened == pytest.approx(0.01, rel=1e-3)
    assert as_it_was == pytest.approx(free, rel=1e-6)


def test_a_gradient_that_is_not_finite_is_not_clipped():
    def steep(logits, masks):
        return (logits - logits.detach()).abs().sqrt().mean()  # 0, with an infinite slope

    model = tiny()
    before = model.head.weight.clone()
    with pytest.raises(FloatingPointError, match="gradient's length is (nan|inf) in batch 1 of epoch 1. Lower the le"):
        quick(model, loss=steep, clip_norm=1.0)
    assert torch.equal(model.head.weight, before)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("device", DEVICES)
def test_short_precision_learns_as_well_and_keeps_the_weights_long(device, precision):
    dtypes = set()

    def trained(precision: str) -> tuple[nn.Module, History]:
        torch.manual_seed(0)
        model = UNet(1, channels=(4, 8, 16))
        model.head.register_forward_hook(lambda module, inputs, output: dtypes.add(output.dtype))
        loaders = discs(32, shuffle=True), discs(16, "val")
        options = {"epochs": 3, "learning_rate": 0.03, "device": device, "progress": False}
        return model, fit(model, *loaders, precision=precision, **options)

    (long, expected), (short, history) = trained("float32"), trained(precision)
    assert dtypes == {torch.float32, getattr(torch, precision)}
    assert history.val_iou[-1] == pytest.approx(expected.val_iou[-1], abs=0.1)
    assert not torch.equal(long.head.weight, short.head.weight)
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in short.parameters())
    assert evaluate(short, discs(16, "val"), precision=precision).iou == history.val_iou[-1]


def test_the_loss_is_taken_in_float32():
    seen = set()

    def loss(logits, masks):
        seen.add(logits.dtype)
        return bce_loss(logits, masks)

    quick(tiny(), loss=loss, precision="bfloat16")
    assert seen == {torch.float32}


def test_a_step_whose_scaled_gradients_overflow_is_left_out_also_in_the_schedule():
    """The loss times 65536 is infinite in float32: both steps only lower the scale."""
    rates = []

    class Recorder(torch.optim.SGD):
        def step(self):
            rates.append(self.param_groups[0]["lr"])
            super().step()

    model = tiny()
    before = model.head.weight.clone()
    huge = {"loss": lambda logits, masks: 1e34 * bce_loss(logits, masks), "precision": "float16", "optimizer": Recorder}
    quick(model, [batch()], **huge, epochs=2)
    assert rates == []
    assert torch.equal(model.head.weight, before)
    quick(tiny(), [batch()] * 2, precision="float16", optimizer=Recorder, epochs=2)
    expected, rates[:] = rates[:], []
    quick(tiny(), [batch()] * 2, optimizer=Recorder, epochs=2)
    assert rates == expected and len(rates) == 4


@pytest.mark.parametrize("device", DEVICES)
def test_channels_last_changes_the_format_and_not_the_result(device):
    plain, last = tiny(), tiny()
    data = [batch(4)]
    history = quick(plain, data, epochs=3, device=device)
    assert quick(last, data, epochs=3, device=device, channels_last=True).val_loss == pytest.approx(
        history.val_loss, rel=1e-3
    )
    four = [p for p in last.parameters() if p.ndim == 4]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in four)
    assert not all(p.is_contiguous(memory_format=torch.channels_last) for p in plain.parameters() if p.ndim == 4)


def test_a_compiled_model_can_be_trained(tmp_path):
    """Compiled in place, without the compiler of C++: the weights keep their names, also in the checkpoint."""
    model, plain = tiny(), tiny()
    model.compile(backend="eager")
    history = quick(model, epochs=2, checkpoint=tmp_path / "a.pt")
    assert history.val_loss == pytest.approx(quick(plain, epochs=2).val_loss, rel=1e-4)
    assert quick(tiny(), epochs=2, checkpoint=tmp_path / "a.pt", resume=True) == history


def judged(monkeypatch, *ious: float) -> None:
    """Let the evaluations find these IoUs, one after the other."""
    scores = iter(ious)
    monkeypatch.setattr(training, "evaluate", lambda *args, **options: Scores(0.5, next(scores)))


def weights_after(epochs: int) -> torch.Tensor:
    model = tiny()
    quick(model, epochs=epochs, schedule="constant")
    return model.head.weight


@pytest.mark.parametrize(
    ("patience", "ious", "epochs", "best"),
    [
        (1, [0.1, 0.3, 0.2, 0.9], 3, 2),
        (2, [0.1, 0.3, 0.2, 0.3, 0.9], 4, 2),  # as good again is not better
        (2, [0.5, 0.4, 0.6, 0.1, 0.2, 0.9], 5, 3),
        (3, [0.1, 0.2, 0.9, 0.8, 0.7], 5, 3),  # the epochs are over first
        (1, [0.1, 0.2, 0.3, 0.4, 0.5], 5, 5),
        (1, [0.0, 0.0], 2, 1),
    ],
)
def test_it_stops_when_it_gets_no_better_and_takes_the_best(monkeypatch, patience, ious, epochs, best):
    expected = weights_after(best)
    judged(monkeypatch, *ious)
    model = tiny()
    history = quick(model, epochs=5, schedule="constant", patience=patience)
    assert history.val_iou == ious[:epochs]
    assert torch.equal(model.head.weight, expected)


def test_without_patience_the_last_weights_stay(monkeypatch):
    expected = weights_after(3)
    judged(monkeypatch, 0.9, 0.2, 0.1)
    model = tiny()
    quick(model, epochs=3, schedule="constant")
    assert torch.equal(model.head.weight, expected)


def test_a_resumed_training_knows_its_patience(monkeypatch, tmp_path):
    expected = weights_after(2)
    options = {"epochs": 9, "schedule": "constant", "patience": 2, "checkpoint": tmp_path / "a.pt"}
    model = tiny()
    judged(monkeypatch, 0.1, 0.3, 0.2)
    with pytest.raises(StopIteration):  # no fourth score: the training breaks off
        quick(model, **options)
    assert not torch.equal(model.head.weight, expected)
    judged(monkeypatch, 0.1)
    model = tiny()
    assert quick(model, **options, resume=True).val_iou == [0.1, 0.3, 0.2, 0.1]
    assert torch.equal(model.head.weight, expected)
    model = tiny()
    assert quick(model, **options, resume=True).epochs == 4  # it had stopped, and stays so
    assert torch.equal(model.head.weight, expected)
    assert torch.equal(load_model(tmp_path / "a.pt").head.weight, expected)


def ctrl_c(model: nn.Module, call: int) -> nn.Module:
    """Send the signal of Ctrl-C in a certain call of the model."""
    calls = count(1)
    model.register_forward_pre_hook(lambda *_: signal.raise_signal(signal.SIGINT) if next(calls) == call else None)
    return model


@pytest.mark.parametrize(("call", "whole"), [(2, 0), (3, 0), (4, 0), (5, 1), (9, 2)])
def test_ctrl_c_returns_what_there_is(tmp_path, call, whole):
    """One batch that is tried, and then two batches to train and one to evaluate an epoch."""
    options = {"train": [batch(), batch(3)], "epochs": 4, "schedule": "constant"}
    model = ctrl_c(tiny().eval(), call)
    with pytest.warns(UserWarning, match=f"training was interrupted after {whole} of 4 epochs.$"):
        history = quick(model, **options)
    complete = quick(tiny(), **options)
    for name, values in vars(history).items():
        assert values == getattr(complete, name)[:whole]
    assert not model.training
    with pytest.warns(UserWarning, match=f"after {whole} of 4 epochs. Go on with resume=True"):
        quick(ctrl_c(tiny(), call), **options, checkpoint=tmp_path / "a.pt")
    assert len(read_checkpoint(tmp_path / "a.pt")["history"]["val_iou"]) == whole
    assert quick(tiny(), **options, checkpoint=tmp_path / "a.pt", resume=True) == complete


def test_ctrl_c_leaves_the_weights_where_they_are_and_with_patience_the_best(monkeypatch):
    options = {"train": [batch(), batch(3)], "epochs": 4, "schedule": "constant"}
    first, half = tiny(), tiny()
    quick(first, **options | {"epochs": 1})
    quick(half, **options | {"train": [batch(), batch(3), batch()], "epochs": 1})
    for patience, expected in ((None, half), (3, first)):
        model = ctrl_c(tiny(), 6)  # in the second batch of the second epoch
        with pytest.warns(UserWarning, match="interrupted after 1 of 4"):
            quick(model, **options, patience=patience)
        assert torch.equal(model.head.weight, expected.head.weight)


# It keeps what it saw ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [1, 3])
def test_watching_keeps_the_probabilities_after_every_epoch_and_changes_nothing(num_classes):
    images, masks = batch(3)
    data = [(images, masks if num_classes == 1 else masks[:, 0].long())]
    options = {"train": data, "val": data, "schedule": "constant"}
    for epochs in (1, 2):  # the weights after the first epoch, and after the second
        model, unwatched = tiny(num_classes=num_classes), tiny(num_classes=num_classes)
        history = quick(model, **options, epochs=epochs, watch=images[:2])
        assert history == quick(unwatched, **options, epochs=epochs)
        assert torch.equal(model.head.weight, unwatched.head.weight)
        with torch.no_grad():
            logits = model.eval()(images[:2])
        expected = logits.sigmoid() if num_classes == 1 else logits.softmax(dim=1)
        assert len(history.watched) == epochs
        assert history.watched[-1].shape == (2, num_classes, 16, 16)
        assert torch.equal(history.watched[-1], expected)


@pytest.mark.parametrize("device", DEVICES)
def test_what_was_watched_lies_on_the_cpu(device):
    history = quick(tiny(), epochs=2, watch=batch()[0], device=device)
    assert [seen.device.type for seen in history.watched] == ["cpu", "cpu"]
    assert all(0 <= seen.min() and seen.max() <= 1 for seen in history.watched)
    assert not torch.equal(*history.watched)


@pytest.mark.parametrize(
    ("watch", "message"),
    [
        (batch()[0][0], r"but got torch.float32 of shape \(1, 16, 16\). For one image, pass image\[None\]"),
        (batch()[0][:0], r"but got torch.float32 of shape \(0, 1, 16, 16\)"),
        (batch()[0].byte(), "watch must be images, floating point of shape .*, but got torch.uint8"),
        ([0, 1], r"but got \[0, 1\]"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_training(watch, message):
    model = tiny()
    before = model.head.weight.clone()
    with pytest.raises(ValueError, match=message):
        quick(model, watch=watch)
    assert torch.equal(model.head.weight, before)


def test_several_learning_rates_differ_in_nothing_but_the_learning_rate():
    """Same first weights and same order as a training by itself, also with a loader that has its own generator."""
    generator = torch.Generator().manual_seed(5)
    loaders = discs(12, shuffle=True, generator=generator), discs(4, "val")
    build, options = partial(UNet, 1, channels=(4, 8)), {"epochs": 2, "device": "cpu", "progress": False}
    alone = {}
    for rate in (0.001, 0.1):
        generator.manual_seed(5)
        torch.manual_seed(3)
        alone[rate] = fit(build(), *loaders, learning_rate=rate, watch=batch()[0], **options)
    generator.manual_seed(5)
    torch.manual_seed(3)
    tried = try_learning_rates(build, *loaders, learning_rates=(0.001, 0.1), watch=batch()[0], **options)
    assert tried == alone and list(tried) == [0.001, 0.1]
    assert tried[0.001] != tried[0.1]
    for rate, history in tried.items():
        assert all(torch.equal(a, b) for a, b in zip(history.watched, alone[rate].watched, strict=True))


@pytest.mark.parametrize(("rates", "message"), [((), "at least one learning rate"), ((0.1, -1), "but got -1")])
def test_learning_rates_that_are_none_are_refused(rates, message):
    with pytest.raises(ValueError, match=message):
        try_learning_rates(tiny, [batch()], [batch()], learning_rates=rates, epochs=1)


# It measures over images ---------------------------------------------------------------------------------------------


def test_the_mean_is_over_images_also_with_a_smaller_last_batch():
    model = nn.Conv2d(1, 1, kernel_size=1)  # a plain threshold at one half
    nn.init.constant_(model.weight, 20)
    nn.init.constant_(model.bias, -10)
    dataset = SyntheticCircleDataset(7, image_size=64)
    images, masks = (torch.stack(parts) for parts in zip(*dataset, strict=True))
    with torch.no_grad():
        logits = torch.cat([model(image[None]) for image in images])
        losses = [CombinedLoss()(logit[None], mask[None]) for logit, mask in zip(logits, masks, strict=True)]
    expected = Scores(torch.stack(losses).mean().item(), iou(predicted_masks(logits), masks).mean().item())
    assert iou(predicted_masks(logits), masks).std() > 0.01  # or else any mean would do
    for batch_size in (1, 3, 7):
        assert evaluate(model, DataLoader(dataset, batch_size)) == pytest.approx(expected, abs=1e-6)


def test_the_threshold_counts():
    model = nn.Conv2d(1, 1, kernel_size=1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)  # a probability of one half everywhere
    data = [(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))]
    assert evaluate(model, data, threshold=0.4).iou == 1
    assert evaluate(model, data, threshold=0.6).iou == 0
    with pytest.raises(ValueError, match="threshold"):
        evaluate(model, data, threshold=50)


def test_a_model_without_parameters_can_be_judged():
    assert evaluate(nn.Identity(), [(torch.full((1, 1, 4, 4), 9.0), torch.ones(1, 1, 4, 4))]).iou == 1


# It leaves things as they were ---------------------------------------------------------------------------------------


def test_weights_of_the_pixels_reach_the_loss_in_training_and_in_evaluation():
    images, masks = batch()
    seen = []

    def loss(logits, masks, weights):
        seen.append(weights)
        return (bce_loss(logits, masks) * weights).mean()

    weights = torch.rand(2, 16, 16)
    history = quick(tiny(), [(images, masks, weights)], [(images, masks, 2 * weights)], loss=loss)
    assert [torch.equal(a, b) for a, b in zip(seen, (2 * weights, weights, 2 * weights), strict=True)] == [True] * 3
    assert evaluate(tiny(), [(images, masks, weights)], loss=loss).iou == evaluate(tiny(), [(images, masks)]).iou
    assert history.epochs == 1
    with pytest.raises(ValueError, match=r"weights .* must have the masks' height and width .16, 16., but have .8, 8."):
        quick(tiny(), [(images, masks, weights[:, :8, :8])], [(images, masks, weights)], loss=loss)


def test_ctrl_c_before_the_first_step_leaves_an_older_checkpoint_alone(tmp_path):
    quick(tiny(), checkpoint=tmp_path / "a.pt")
    before = (tmp_path / "a.pt").read_bytes()
    with pytest.warns(UserWarning, match="interrupted after 0 of 1 epochs"):
        assert quick(ctrl_c(tiny(), 1), checkpoint=tmp_path / "a.pt").epochs == 0
    assert (tmp_path / "a.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val": [(batch()[0], 255 * batch()[1])]}, "masks must hold 0 and 1, but holds 0 and 255"),
        ({"val": [batch()[:1]]}, "must be a pair of tensors"),
        ({"val": [(batch()[0][..., :8], batch()[1])]}, r"masks must have the shape \(2, 1, 16, 8\)"),
        ({"watch": torch.rand(1, 3, 16, 16)}, "images must have 1 channel"),
        ({"watch": torch.rand(1, 1, 2, 2)}, "each side of the input must be at least"),
        ({"watch": batch()[0].double()}, "images must be float32 like the weights, but got float64"),
        ({"train": [(*batch(), batch()[1])], "val": [(*batch(), batch()[1])]}, "loss must take what the batches hold"),
        ({"loss": "dice"}, "loss must be what computes a loss .* but got 'dice'"),
        ({"loss": CombinedLoss}, r"but got the class CombinedLoss. Build it: CombinedLoss\(\)"),
        ({"optimizer": "adam"}, "optimizer must be what builds an optimizer, .* but got 'adam'"),
        ({"train": TensorDataset(*batch())}, r"train_loader must give batches .* Pass DataLoader\(data, batch_size"),
        ({"val": torch.zeros(2, 1, 16, 16)}, "val_loader must give batches of images and masks, .* but got Tensor"),
    ],
)
def test_what_would_be_found_after_an_epoch_is_found_before_the_first_step(options, message):
    model = tiny()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        quick(model, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("says", "gave"), [(3, "2"), (1, "more")])
def test_a_loader_whose_length_is_wrong_is_refused(says, gave):
    class Lying(list):
        def __len__(self) -> int:
            return says

    with pytest.raises(ValueError, match=f"as many batches as its length says, {says}, .* it gave {gave}"):
        quick(tiny(), Lying([batch(), batch()]))


IGNORING = {
    "ours": lambda: CombinedLoss(ignore_index=255),
    "PyTorch's": lambda: nn.CrossEntropyLoss(ignore_index=255),
    "a partial": lambda: partial(bce_loss, ignore_index=255),
}


@pytest.mark.parametrize("loss", IGNORING)
def test_what_the_loss_leaves_out_does_not_count_for_the_score(loss):
    """What stands in the images' and the masks' left half cannot be seen in any number."""
    images, masks = batch()
    classes = masks[:, 0].long().masked_fill(torch.arange(16) < 8, 255)  # (2, 16, 16)
    model = tiny(num_classes=3)
    seen = evaluate(model, [(images, classes)], loss=IGNORING[loss]())
    logits = model.eval()(images)
    expected = iou(logits.argmax(1)[..., 8:], classes[..., 8:], 3).nanmean(1).mean()
    assert seen.iou == pytest.approx(expected.item())
    history = quick(model, [(images, classes)], [(images, classes)], loss=IGNORING[loss](), epochs=2)
    assert history.epochs == 2 and all(0 <= score <= 1 for score in history.val_iou)
    with pytest.raises(ValueError, match="but holds 255 too.*say ignore_index=255; in fit, the loss says it"):
        evaluate(model, [(images, classes)])


def test_one_class_may_have_pixels_that_do_not_count_too():
    images, masks = batch()
    marked = masks.masked_fill(torch.arange(16) < 8, 255)
    seen = evaluate(tiny(), [(images, marked)], loss=CombinedLoss(ignore_index=255))
    predicted = predicted_masks(tiny().eval()(images))
    assert seen.iou == pytest.approx(iou(predicted[..., 8:], masks[..., 8:]).mean().item())
    nothing = [(images[:1], torch.full((1, 1, 16, 16), 255.0)), (images, marked)]
    assert evaluate(tiny(), nothing, loss=CombinedLoss(ignore_index=255)).iou == pytest.approx(seen.iou)


WRAPPINGS = {
    "data parallel": nn.DataParallel,
    "compiled": partial(torch.compile, backend="eager"),
    "both": lambda model: nn.DataParallel(torch.compile(model, backend="eager")),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapped_model_is_trained_kept_and_loaded_as_itself(tmp_path, wrapping):
    plain, wrapped = tiny(), WRAPPINGS[wrapping](tiny())
    expected = quick(plain, epochs=2, patience=2, schedule="constant")
    history = quick(wrapped, epochs=2, patience=2, schedule="constant", checkpoint=tmp_path / "a.pt")
    assert history.val_loss == pytest.approx(expected.val_loss, rel=1e-4)
    again = load_model(tmp_path / "a.pt")
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    resumed = quick(tiny(), epochs=2, patience=2, schedule="constant", checkpoint=tmp_path / "a.pt", resume=True)
    assert resumed == history
    assert len(diagnose(wrapped, *batch())) == len(diagnose(plain, *batch()))
    torch.testing.assert_close(predict(wrapped, batch()[0]), predict(plain, batch()[0]), rtol=1e-3, atol=1e-4)


LOADERS = {
    "augmented": lambda data, g: Augmented(DataLoader(data, 2, shuffle=True, generator=g), Augmentation()),
    "augmented twice": lambda data, g: Augmented(
        Augmented(DataLoader(data, 2, shuffle=True, generator=g), Augmentation()), Augmentation(elastic=1)
    ),
    "crops": lambda data, g: DataLoader(Crops(data, size=16, samples=6), 2, shuffle=True, generator=g),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("own", [True, False], ids=["own generator", "the common one"])
def test_every_loader_of_ours_goes_on_where_it_was_and_gives_each_rate_the_same(tmp_path, loader, own):
    data = [
        (torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(i)), torch.ones(1, 20, 20)) for i in range(6)
    ]
    seen = []

    def run(first: int, **options) -> History:
        torch.manual_seed(first)
        train = LOADERS[loader](data, torch.Generator().manual_seed(first) if own else None)
        options = {"epochs": 3, "schedule": "constant", "device": "cpu", "progress": False} | options
        return fit(options.pop("model", tiny()), train, [batch()], **options)

    expected = run(1)
    model = tiny()
    with pytest.warns(UserWarning, match="interrupted after 1 of 3"):
        run(1, model=ctrl_c(model, 7), checkpoint=tmp_path / "a.pt")  # tried, 3 and 1, 3
    assert run(9, checkpoint=tmp_path / "a.pt", resume=True) == expected
    train = LOADERS[loader](data, torch.Generator().manual_seed(1) if own else None)

    def build() -> nn.Module:
        model = tiny()
        model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        return model

    options = {"epochs": 1, "device": "cpu", "progress": False}
    try_learning_rates(build, train, [batch()], learning_rates=(1e-3, 2e-3), **options)
    half = len(seen) // 2
    assert all(torch.equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (partial(dice_loss, smooth=1.0), partial(dice_loss, smooth=2.0)),
        (lambda logits, m: dice_loss(logits, m, 1.0), lambda logits, m: dice_loss(logits, m, 2.0)),
        (nn.CrossEntropyLoss(torch.tensor([1.0, 2.0])), nn.CrossEntropyLoss(torch.tensor([1.0, 3.0]))),
        (nn.Sequential(DiceLoss(1.0)), nn.Sequential(DiceLoss(2.0))),
    ],
    ids=["partial", "lambda", "weights", "a module of modules"],
)
def test_another_loss_has_another_name(first, second):
    assert training._name(first) == training._name(first) != training._name(second)


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_changes_neither_weights_nor_statistics_nor_modes(training):
    model = tiny().train(training)
    model.encoder.stages[0].eval()  # frozen by hand, and to stay so
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    evaluate(model, discs(4))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_fit_trains_in_training_mode_and_judges_in_eval_mode():
    model = tiny().eval()
    modes = []
    model.register_forward_hook(lambda module, inputs, output: modes.append(module.training))
    quick(model, [batch(), batch()], [batch()], epochs=2)
    assert modes == [False] + [True, True, False] * 2  # the first batch of the evaluation is tried before
    assert not any(module.training for module in model.modules())


def test_the_modes_come_back_after_an_error():
    model = tiny().eval()
    with pytest.raises(ValueError, match="images must have 1 channel"):
        quick(model, [(torch.zeros(2, 3, 16, 16), torch.zeros(2, 1, 16, 16))])
    assert not any(module.training for module in model.modules())


def test_evaluate_stays_where_the_model_is_and_moves_it_when_told():
    with pytest.raises(ValueError, match="device must be a name such as 'cpu' or 'cuda', but got 'gpu'"):
        evaluate(tiny(), [batch()], device="gpu")
    for device in DEVICES:
        model = tiny()
        evaluate(model, [batch()], device=device)
        assert next(model.parameters()).device.type == device
        evaluate(model, [batch()])
        assert next(model.parameters()).device.type == device


# It says what is wrong -----------------------------------------------------------------------------------------------


def test_the_device_is_a_gpu_if_there_is_one():
    assert choose_device() == torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == choose_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device must be a name such as 'cpu' or 'cuda', but got 'gpu'"),
        (["cpu"], r"device must be a name such as 'cpu' or 'cuda', but got \['cpu'\]"),
        (f"cuda:{torch.cuda.device_count()}", f"is not there: torch finds {torch.cuda.device_count()} GPUs"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, message):
    with pytest.raises(ValueError, match=message):
        choose_device(device)


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, but got 0"),
        ({"epochs": 1.0}, "epochs must be a whole number of at least 1, but got 1.0"),
        ({"learning_rate": 0}, "learning_rate must be a number greater than 0, but got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number greater than 0, but got nan"),
        ({"learning_rate": "fast"}, "learning_rate must be a number greater than 0, but got 'fast'"),
        ({"schedule": "one cycle"}, "schedule must be one of .* Did you mean 'one-cycle'"),
        ({"clip_norm": 0}, "clip_norm must be a number greater than 0, but got 0"),
        ({"clip_norm": float("inf")}, "clip_norm must be a number greater than 0, but got inf"),
        ({"clip_norm": "1"}, "clip_norm must be a number greater than 0, but got '1'"),
        ({"patience": 0}, "patience must be a whole number of at least 1, but got 0"),
        ({"patience": 0.5}, "patience must be a whole number of at least 1, but got 0.5"),
        (
            {"precision": "bf16"},
            "precision must be one of 'float32', 'bfloat16', 'float16', but got 'bf16'.*'bfloat",
        ),
        (
            {"precision": "float16", "device": "meta"},
            "'float16' is for the CPU and for GPUs of CUDA, but the dev",
        ),
        ({"device": "gpu"}, "device must be a name such as"),
        ({"loss": nn.BCEWithLogitsLoss(reduction="none")}, r"loss must return one number a batch, but returned the"),
        ({"train": DataLoader(Stream())}, "train_loader must know its number of batches, but DataLoader has no"),
        ({"val": iter([batch()])}, "val_loader must know its number of batches, but list_iterator has no length"),
        ({"train": [torch.zeros(2, 1, 16, 16)]}, "must be a pair of tensors .images, masks., but the loader gave Ten"),
        ({"train": [(*batch(), 1)]}, "must be a pair of tensors .images, masks., but the loader gave 3 parts"),
        ({"train": [{"image": 1}]}, "must be a pair of tensors .images, masks., but the loader gave dict"),
        ({"train": [(batch(2)[0], batch(3)[1])]}, "one mask an image, but got 2 images and 3 masks"),
        ({"train": [(batch()[0], batch()[1][:, 0])]}, r"masks must have the shape \(2, 1, 16, 16\) .*masks\[:, None\]"),
        ({"train": [(batch()[0], 255 * batch()[1])]}, "masks must hold 0 and 1"),
        ({"train": [(batch()[0], batch()[1].long())]}, "masks must be float32"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        quick(tiny(), **options)


def test_an_old_gpu_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(ValueError, match="precision 'bfloat16' needs a newer GPU than 'cuda'. Pass precision='float16"):
        quick(tiny(), precision="bfloat16", device="cuda")


def test_evaluate_refuses_a_precision_that_it_does_not_know():
    with pytest.raises(ValueError, match="precision must be one of .*, but got 'half'"):
        evaluate(tiny(), [batch()], precision="half")


def test_a_built_optimizer_is_refused():
    model = tiny()
    built = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="got a built Adam. Pass the class, such as torch.optim.Adam, and learning"):
        quick(model, optimizer=built)


@pytest.mark.parametrize("name", ["train_loader", "val_loader"])
def test_an_empty_loader_is_refused_before_training(name):
    model = tiny()
    before = model.head.weight.clone()
    empty = DataLoader(TensorDataset(*batch(2)), batch_size=4, drop_last=True)
    loaders = {"train_loader": [batch()], "val_loader": [batch()]} | {name: empty}
    with pytest.raises(ValueError, match=f"{name} must give at least one batch, but it is empty.*drop_last"):
        fit(model, **loaders, epochs=1, device="cpu", progress=False)
    assert torch.equal(model.head.weight, before)


def test_evaluating_on_nothing_is_refused():
    with pytest.raises(ValueError, match="loader must give at least one batch, but it is empty"):
        evaluate(tiny(), [])


def test_a_loss_that_is_not_a_number_stops_the_training_with_the_weights_from_before():
    images, masks = batch()
    broken = images.clone()
    broken[0, 0, 3, 3] = float("nan")
    model, reference = tiny(), tiny()
    with pytest.raises(FloatingPointError, match="the loss is nan in batch 2 of epoch 1. Look for NaN or infinity in"):
        quick(model, [(images, masks), (broken, masks)], optimizer=torch.optim.SGD, schedule="constant")
    quick(reference, [(images, masks)], optimizer=torch.optim.SGD, schedule="constant")
    for mine, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(mine, other)
    with pytest.raises(FloatingPointError, match="the loss is nan in batch 1 of the evaluation"):
        evaluate(tiny(), [(broken, masks)])


# It shows where it is ------------------------------------------------------------------------------------------------

SHOWN = """
import torch
from unet_tutorial.training import fit
from unet_tutorial.unet import UNet
data = [(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))] * 3
fit(UNet(1, channels=(2, 4)), data, data, epochs=2, device="cpu", progress={progress})
"""


@pytest.mark.parametrize(
    ("progress", "environment", "shown"),
    [(True, {}, True), (False, {}, False), (True, {"TQDM_DISABLE": "1"}, False)],
)
def test_the_progress_bar_can_be_hidden_by_argument_and_by_environment(progress, environment, shown):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TQDM_")}
    run = subprocess.run(
        [sys.executable, "-c", SHOWN.format(progress=progress)],
        env=clean | environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout == ""
    assert ("epoch 2/2" in run.stderr and "6/6" in run.stderr and "val_iou=" in run.stderr) == shown
    assert bool(run.stderr) == shown


def test_the_history_is_a_stable_line():
    assert repr(History()) == "History(epochs=0)"
    history = History([0.5, 0.25], [0.5, 0.3], [0.1, 0.9])
    assert repr(history) == "History(epochs=2, train_loss=0.2500, val_loss=0.3000, val_iou=0.9000)"
    history.watched.append(batch()[0])
    assert repr(history) == "History(epochs=2, train_loss=0.2500, val_loss=0.3000, val_iou=0.9000)"
    assert history == History([0.5, 0.25], [0.5, 0.3], [0.1, 0.9])


def test_the_history_draws_itself_in_a_notebook():
    history = History([0.5, 0.25], [0.5, 0.3], [0.1, 0.9])
    data, metadata = history._repr_mimebundle_()
    assert data["image/png"].startswith("iVBORw0KGgo")  # base64 of a PNG's first bytes
    assert data["text/plain"] == metadata["image/png"]["alt"]
    assert data["text/plain"] == (
        "Curves over 2 epochs: training loss from 0.500 to 0.250, validation loss from 0.500 to 0.300, "
        "validation IoU from 0.100 to 0.900."
    )
    assert History()._repr_mimebundle_() == {"text/plain": "History(epochs=0)"}


def test_training_knows_no_other_device_by_itself(monkeypatch):
    """Left alone, fit computes where choose_device says."""
    asked = []
    monkeypatch.setattr(training, "choose_device", lambda device: asked.append(device) or torch.device("cpu"))
    fit(tiny(), [batch()], [batch()], epochs=1, progress=False)
    assert asked == [None]
