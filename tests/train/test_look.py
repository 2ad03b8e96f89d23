"""Class activation maps, activations and filters, against figures worked out by hand."""

from __future__ import annotations

import base64
import io
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lancenb.errors import InvalidArgument
from lancenb.train import ImageClassifier, look

METHODS = ["gradcam", "gradcam++", "scorecam"]


class Pooled(nn.Module):
    """A convolution, mean over the places, a linear layer."""

    def __init__(self, channels: int = 4, classes: int = 3):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(channels, classes)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)

    def forward(self, images):
        return self.fc(self.act(self.conv(images)).mean(dim=(2, 3)))


def picture(side: int = 8, seed: int = 1) -> torch.Tensor:
    return torch.rand(3, side, side, generator=torch.Generator().manual_seed(seed))


def redness(classes: int = 3) -> nn.Module:
    """Class k grows with colour channel k: no training needed to know where it must look."""
    conv, fc = nn.Conv2d(3, classes, 1, bias=False), nn.Linear(classes, classes, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(classes)[:, :, None, None])
        fc.weight.copy_(torch.eye(classes))
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), fc)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_grad_cam_of_pooled_maps_is_the_closed_form(target):
    """Zhou et al. 2016: the map is the sum of the channels by the class's linear weights."""
    net = Pooled()
    image = picture()
    found = look.grad_cam(net, image, "act", target)
    with torch.no_grad():
        maps = net.conv(image[None]).relu()
        wanted = torch.einsum("k,nkhw->nhw", net.fc.weight[target], maps).relu() / 64
    assert np.allclose(found.weights, net.fc.weight[target].detach() / 64, atol=1e-7)
    assert np.allclose(found.coarse, wanted, atol=1e-6)
    assert np.allclose(found.map, (wanted / wanted.max().clamp_min(1e-9))[0], atol=1e-5)


def test_grad_cam_of_a_layer_followed_by_work_in_place_is_that_layer_before_it():
    net, image = Pooled(), picture()
    found = look.activations(net, image, "conv")
    with torch.no_grad():
        assert np.array_equal(found.maps, net.conv(image[None])[0])
    assert found.maps.min() < 0
    # the gradient passes only where the activation is positive
    slopes = look.grad_cam(net, image, "conv", 0).weights[0]
    share = (found.maps > 0).mean(axis=(1, 2))
    assert np.allclose(slopes, net.fc.weight[0].detach().numpy() * share / 64, atol=1e-7)


def test_grad_cam_plus_plus_by_hand():
    """Two maps of two places; the score is 2 a0 + 3 a1 + b0 - b1 (a, b the channels)."""

    class Hand(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1, bias=False)
            with torch.no_grad():
                self.conv.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[..., None, None])

        def forward(self, images):
            maps = self.conv(images).flatten(1)
            return maps @ torch.tensor([[2.0, 3.0, 1.0, -1.0]]).T

    image = torch.tensor([[[1.0, 2.0]], [[4.0, 0.5]], [[0.0, 0.0]]])
    found = look.grad_cam(Hand(), image, target=0, method="gradcam++")
    # alpha = g^2 / (2 g^2 + sum(A) g^3), weight = sum(alpha relu(g)); sum(A) is 3 and 4.5
    first = 2 * 4 / (8 + 3 * 8) + 3 * 9 / (18 + 3 * 27)
    second = 1 * 1 / (2 + 4.5)
    assert found.weights[0].tolist() == pytest.approx([first, second])
    assert found.coarse[0, 0].tolist() == pytest.approx(
        [first + 4 * second, 2 * first + 0.5 * second]
    )


def test_score_cam_by_hand():
    """Channel k shows colour k; the score is the mean of red, so only masks on red keep it."""
    net = redness()
    image = torch.tensor([[[4.0, 0.0]], [[0.0, 2.0]], [[1.0, 1.0]]])
    found = look.grad_cam(net, image, "0", target=0, method="scorecam")
    # masks: red (1, 0), green (0, 1), blue nothing at all; mean of red behind them: 2, 0, 0
    wanted = np.exp([2.0, 0.0, 0.0]) / np.exp([2.0, 0.0, 0.0]).sum()
    assert found.weights[0] == pytest.approx(wanted)
    assert found.coarse[0, 0] == pytest.approx(wanted @ np.array([[4.0, 0], [0, 2], [1, 1]]))
    small = look.grad_cam(net, image, "0", target=0, method="scorecam", batch_size=1)
    assert np.array_equal(small.weights, found.weights)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [0, 1])
def test_cam_peaks_on_the_planted_patch_of_its_class(method, target):
    image = torch.full((3, 32, 32), 0.05)
    image[0, 4:10, 4:10] = 1.0  # red patch for class 0
    image[1, 20:26, 18:24] = 1.0  # green patch for class 1
    found = look.grad_cam(redness(), image, "1", target, method)
    rows, columns = (slice(4, 10), slice(4, 10)) if target == 0 else (slice(20, 26), slice(18, 24))
    inside = found.map[rows, columns]
    assert found.map.max() == 1.0
    assert inside.mean() > 0.9
    assert np.delete(found.map, np.arange(rows.start, rows.stop), axis=0).mean() < 0.4
    row, column = np.unravel_index(found.map.argmax(), found.map.shape)
    assert rows.start <= row < rows.stop
    assert columns.start <= column < columns.stop


def test_cam_of_a_trained_network_finds_what_the_classes_differ_in():
    """A bright patch anywhere is class 1: learnt in a few steps, then looked for."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(96, 3, 24, 24, generator=generator) * 0.4
    labels = torch.arange(96) % 2
    corners = torch.randint(0, 18, (96, 2), generator=generator)
    for at in range(1, 96, 2):
        y, x = corners[at].tolist()
        images[at, :, y : y + 6, x : x + 6] += 0.6
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
        )  # fmt: skip
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    net.eval()
    assert (net(images).argmax(1) == labels).float().mean() > 0.95
    found = look.grad_cam(net, images[1:21:2], "4", target=1)
    hits = 0
    for at, values in enumerate(found.maps):
        y, x = corners[1 + 2 * at].tolist()
        row, column = np.unravel_index(values.argmax(), values.shape)
        hits += y - 1 <= row <= y + 6 and x - 1 <= column <= x + 6
    assert hits >= 9


def test_maps_of_a_batch_are_those_of_each_picture():
    net = Pooled()
    images = torch.stack([picture(seed=s) for s in range(3)])
    for method in METHODS:
        together = look.grad_cam(net, images, target=[0, 1, 2], method=method)
        for at in range(3):
            alone = look.grad_cam(net, images[at], target=at, method=method)
            assert np.allclose(together.maps[at], alone.map, atol=1e-5)
    assert together.maps.shape == (3, 8, 8)
    assert together.maps.dtype == together.coarse.dtype == np.float32
    assert together.targets.tolist() == [0, 1, 2]


def test_the_default_target_is_the_predicted_class_and_names_work():
    model = ImageClassifier("resnet18", 3, image_size=32, class_names=["a", "b", "c"])
    image = (picture(32) * 255).to(torch.uint8)
    found = look.grad_cam(model, image)
    with torch.no_grad():
        scores = model.eval()(image[None])[0]
    assert found.targets.tolist() == [int(scores.argmax())]
    assert found.probabilities[0] == pytest.approx(float(scores.softmax(0).max()), rel=1e-5)
    assert found.layer == "net.layer4.1.conv2"
    assert look.grad_cam(model, image, target="b").targets.tolist() == [1]
    with pytest.raises(InvalidArgument, match="no class 'd'"):
        look.grad_cam(model, image, target="d")
    with pytest.raises(InvalidArgument, match="target=3"):
        look.grad_cam(model, image, target=3)
    with pytest.raises(InvalidArgument, match="2 targets for 1"):
        look.grad_cam(model, image, target=[0, 1])


def test_bytes_are_normalised_before_score_cam_dims_them():
    """The dimmed places are the mean picture, not black: the mask works on what the net sees."""
    model = ImageClassifier("resnet18", 3, image_size=32).eval()
    image = (picture(32) * 255).to(torch.uint8)
    ready = (image[None] / 255 - model.mean) / model.std
    by_bytes = look.grad_cam(model, image, "layer1.0.conv1", 0, "scorecam")
    by_numbers = look.grad_cam(model, ready, "layer1.0.conv1", 0, "scorecam")
    assert np.allclose(by_bytes.weights, by_numbers.weights)


def test_the_same_picture_in_any_form():
    pixels = (picture(16).permute(1, 2, 0) * 255).to(torch.uint8).numpy()
    model = ImageClassifier("resnet18", 2, image_size=16).eval()
    forms = [torch.from_numpy(pixels).permute(2, 0, 1), pixels, Image.fromarray(pixels)]
    maps = [look.grad_cam(model, form, "layer2", 0).map for form in forms]
    assert all(np.array_equal(maps[0], other) for other in maps[1:])
    for wrong in ("cat.png", np.zeros((2, 2)), torch.zeros(3), torch.zeros(0, 3, 4, 4)):
        with pytest.raises(InvalidArgument, match="picture"):
            look.grad_cam(model, wrong)


class Fails(Pooled):
    def forward(self, images):
        super().forward(images)
        raise ZeroDivisionError


def state(net: nn.Module) -> list:
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    flags = [(p.requires_grad, p.grad is None) for p in net.parameters()]
    values = [v.clone() for v in net.state_dict().values()]
    return [hooks, [m.training for m in net.modules()], flags, values]


@pytest.mark.parametrize("kind", [Pooled, Fails])
@pytest.mark.parametrize("method", [*METHODS, "activations"])
def test_a_look_leaves_everything_as_it_was_also_after_an_error(kind, method):
    net = kind()
    net.add_module("norm", nn.BatchNorm2d(2))
    net.train()
    net.norm.eval()
    net.fc.bias.grad = torch.ones(3)
    net.conv.weight.requires_grad_(False)
    before, random = state(net), torch.random.get_rng_state()
    numbers, grad = np.random.get_state()[1].copy(), net.fc.bias.grad.clone()

    def act():
        if method == "activations":
            return look.activations(net, picture(), "conv")
        return look.grad_cam(net, picture(), method=method)

    if kind is Fails:
        with pytest.raises(ZeroDivisionError):
            act()
    else:
        act()
    after = state(net)
    assert after[:3] == before[:3]
    assert all(torch.equal(a, b) for a, b in zip(after[3], before[3], strict=True))
    assert torch.equal(net.fc.bias.grad, grad)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("method", METHODS)
def test_frozen_networks_and_callers_without_gradients(method):
    net, trained = Pooled().requires_grad_(False), Pooled()
    wanted = look.grad_cam(net, picture(), method=method).map
    with torch.no_grad():
        assert np.array_equal(look.grad_cam(net, picture(), method=method).map, wanted)
    with torch.inference_mode():
        assert np.array_equal(look.grad_cam(trained, picture(), method=method).map, wanted)


def test_dropout_draws_nothing_and_changes_nothing():
    net = nn.Sequential(nn.Dropout(0.5), Pooled()).train()
    first, second = (look.grad_cam(net, picture()).map for _ in range(2))
    assert np.array_equal(first, second)


class TwoRoads(nn.Module):
    """A convolution that is not on the way to the score, and one that is used twice."""

    def __init__(self):
        super().__init__()
        self.used = nn.Conv2d(3, 3, 3, padding=1)
        self.aside = nn.Conv2d(3, 2, 3)
        self.never = nn.Conv2d(3, 2, 3)
        self.fc = nn.Linear(3, 2)

    def forward(self, images):
        maps = self.used(self.used(images))
        self.aside(maps)
        return self.fc(maps.mean(dim=(2, 3)))


def test_layers_that_cannot_answer_say_why():
    net, image = TwoRoads(), picture()
    with pytest.raises(InvalidArgument, match="'used' runs 2 times"):
        look.grad_cam(net, image, "used")
    with pytest.raises(InvalidArgument, match="'never' takes no part"):
        look.activations(net, image, "never")
    with pytest.raises(InvalidArgument, match="no gradient by 'aside'"):
        look.grad_cam(net, image, "aside")
    with pytest.raises(InvalidArgument, match="no maps") as error:
        look.activations(net, image, "fc")
    assert "token_maps" in error.value.hint
    with pytest.raises(InvalidArgument, match="only a Conv2d has filters"):
        look.filters(net, "fc")
    with pytest.raises(InvalidArgument, match="method is one of"):
        look.grad_cam(net, image, "aside", method="gradcam+")
    with pytest.raises(InvalidArgument, match="one picture, not of 2"):
        look.activations(net, torch.zeros(2, 3, 8, 8))
    with pytest.raises(InvalidArgument, match="no finite numbers"):
        look.grad_cam(Broken(), image, "conv")


class Broken(Pooled):
    def forward(self, images):
        return super().forward(images) * torch.nan


def test_layer_names_near_misses_ends_and_ambiguity():
    model = ImageClassifier("resnet18", 2, image_size=16)
    assert look.filters(model, "conv1").layer == "net.conv1"
    assert look.filters(model, "layer4.1.conv2").layer == "net.layer4.1.conv2"
    assert look.filters(model, "layer4.0.downsample.0").layer == "net.layer4.0.downsample.0"
    assert look.filters(nn.Sequential(model), "layer4.1.conv2").layer == "0.net.layer4.1.conv2"
    with pytest.raises(InvalidArgument, match=r"no layer 'layer4\.1\.conv3'") as error:
        look.filters(model, "layer4.1.conv3")
    assert "net.layer4.1.conv2" in error.value.hint
    with pytest.raises(InvalidArgument, match="'conv2' names 8 layers") as error:
        look.filters(model, "conv2")
    assert "whole name" in error.value.hint
    with pytest.raises(InvalidArgument, match="by its name"):
        look.filters(model, 3)


class Patches(nn.Module):
    """A tiny vision transformer: patches, a class token, one layer of attention."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        tokens = self.patch(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], dim=1)
        seen = self.norm(tokens)
        return self.head((tokens + self.mix(seen, seen, seen)[0])[:, 0])


def test_a_vision_transformer_says_what_to_do_and_then_works():
    net, image = Patches(), picture(16)
    with pytest.raises(InvalidArgument, match="cuts the picture into patches") as error:
        look.grad_cam(net, image)
    assert "token_maps" in error.value.hint
    for method in METHODS:
        found = look.grad_cam(net, image, "norm", 1, method, reshape=look.token_maps)
        assert found.coarse.shape == (1, 4, 4)
        assert found.map.shape == (16, 16)
    with pytest.raises(InvalidArgument, match="no Conv2d"):
        look.grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 2)), image)
    with pytest.raises(InvalidArgument, match="no Conv2d"):
        look.filters(nn.Linear(2, 2))


def test_token_maps_keep_the_order_of_the_patches():
    tokens = torch.arange(1 + 9.0).view(1, 10, 1)
    assert look.token_maps(tokens)[0, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert look.token_maps(tokens[:, 1:])[0, 0, 0].tolist() == [1, 2, 3]
    with pytest.raises(InvalidArgument, match="three dimensions"):
        look.token_maps(tokens[0])


def test_bytes_for_a_network_of_numbers_say_what_to_do():
    with pytest.raises(InvalidArgument, match="uint8") as error:
        look.grad_cam(Pooled(), (picture() * 255).to(torch.uint8))
    assert "normalise" in error.value.hint


def test_the_default_layer_is_the_one_that_runs_last_not_the_one_written_last():
    class Odd(Pooled):
        def __init__(self):
            super().__init__()
            self.squeeze = nn.Conv2d(4, 4, 1)  # runs, but on a map of one place
            self.unused = nn.Conv2d(3, 3, 1)

        def forward(self, images):
            maps = self.act(self.conv(images))
            gate = self.squeeze(maps.mean(dim=(2, 3), keepdim=True))
            return self.fc((maps * gate).mean(dim=(2, 3)))

    assert look.grad_cam(Odd(), picture()).layer == "conv"
    assert look.activations(Odd(), picture()).layer == "conv"


def test_nothing_speaks_for_a_class_gives_zeros_not_noise():
    net = redness()
    with torch.no_grad():
        net[4].weight.copy_(-torch.eye(3))
    found = look.grad_cam(net, picture(), "1", 0)
    assert not found.maps.any()
    assert "nothing in the picture" in found._repr_html_()


def test_filters_of_colours_and_of_channels():
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Conv2d(5, 6, 3), nn.Conv2d(6, 6, 3, groups=6))
    first = look.filters(net)
    assert first.layer == "0"
    assert np.array_equal(first.weights, net[0].weight.detach().numpy())
    assert first.norms == pytest.approx(net[0].weight.detach().flatten(1).norm(dim=1).numpy())
    colours = first.pictures()
    weight = first.weights[0]
    at = np.unravel_index(np.abs(weight).argmax(), weight.shape)
    assert colours.shape == (5, 3, 3, 3)
    assert colours[0][at[1], at[2], at[0]] == (255 if weight[at] > 0 else 0)
    assert look.filters(net, "1").pictures().shape[0] == 6
    assert look.filters(net, "2").weights.shape == (6, 1, 3, 3)
    first.weights[:] = 0
    assert net[0].weight.abs().sum() > 0, "the arrays are copies"


def test_small_pictures_are_enlarged_by_us_not_by_the_page():
    """A page that takes ``image-rendering`` away would blur nine numbers into a blob."""
    found = look.filters(nn.Conv2d(3, 2, 3))
    links = re.findall(r"data:image/png;base64,([^\"]+)", found._repr_html_())
    seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(links[0]))))
    assert seen.shape == (63, 63, 3), "as large as it fits into the 64 pixels of its place"
    assert np.array_equal(seen[::21, ::21], found.pictures()[0])
    assert np.array_equal(seen, found.pictures()[0].repeat(21, 0).repeat(21, 1))


def test_strongest_activations_come_first():
    net = nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.diag(torch.tensor([1.0, -5.0, 3.0]))[..., None, None])
    found = look.activations(nn.Sequential(net), torch.ones(3, 4, 4))
    assert found.strongest().tolist() == [1, 2, 0]
    assert found.maps[:, 0, 0].tolist() == [1, -5, 3]


LOOKS = {
    "filters": lambda: look.filters(Pooled()),
    "activations": lambda: look.activations(Pooled(), picture()),
    "cam": lambda: look.grad_cam(Pooled(), picture()),
    "cams": lambda: look.grad_cam(Pooled(), torch.stack([picture(), picture(seed=2)])),
}


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_has_words_for_each_picture(name):
    found = LOOKS[name]()
    bundle = found._repr_mimebundle_()
    html = bundle["text/html"]
    pictures = re.findall(r"<img[^>]*>", html)
    words = [re.search(r'alt="([^"]+)"', tag) for tag in pictures]
    assert pictures
    assert all(word and len(word[1]) > 6 for word in words)
    assert len({word[1] for word in words if word}) == len(words)
    assert "var(--jp-ui-font-color1" in html
    assert "<script" not in html
    assert bundle["text/plain"] == repr(found)
    assert bundle["image/png"].startswith("iVBOR")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", LOOKS)
def test_figures_are_no_business_of_pyplot(name, dark, monkeypatch):
    from matplotlib._pylab_helpers import Gcf
    from matplotlib.figure import Figure

    if "matplotlib.pyplot" in sys.modules:  # torchmetrics imports it
        monkeypatch.setattr("matplotlib.pyplot.figure", None)
        monkeypatch.setattr("matplotlib.pyplot.subplots", None)
    figure = LOOKS[name]().figure(dark=dark)
    assert type(figure) is Figure
    assert not Gcf.get_all_fig_managers()
    assert len(figure.axes) >= 1
    assert all(axes.get_xlabel() for axes in figure.axes)


def test_no_module_of_ours_imports_pyplot():
    from pathlib import Path

    from lancenb import train

    for path in Path(train.__file__).parent.rglob("*.py"):
        assert "import pyplot" not in (text := path.read_text(encoding="utf-8")), path
        assert "matplotlib.pyplot" not in text, path


def test_an_overlay_is_warm_where_the_class_is_and_dim_elsewhere():
    image = torch.full((3, 16, 16), 0.5)
    image[0, 2:6, 2:6] = 1.0
    found = look.grad_cam(redness(), image, "1", 0)
    laid = found.overlay()
    assert laid.shape == (1, 16, 16, 3)
    assert laid.dtype == np.uint8
    warm, cold = laid[0, 3, 3].astype(int), laid[0, 12, 12].astype(int)
    assert warm.sum() > cold.sum()


@pytest.mark.parametrize(
    "asked",
    [
        lambda: look.filters("net"),
        lambda: look.activations("net", torch.rand(3, 16, 16)),
        lambda: look.grad_cam("net", torch.rand(3, 16, 16)),
    ],
)
def test_a_name_instead_of_a_network_says_how_to_load_it(asked):
    with pytest.raises(InvalidArgument, match="'net' is a name") as error:
        asked()
    assert error.value.hint == 'load_classifier("net", manager=dm)'


def test_a_list_of_pictures_is_refused_without_printing_numbers():
    with pytest.raises(InvalidArgument, match=r"^a list is no picture") as error:
        look.grad_cam(Pooled(), [torch.rand(3, 16, 16)] * 2)
    assert "tensor([" not in str(error.value)
    assert "torch.stack" in str(error.value.hint)
