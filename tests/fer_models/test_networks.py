"""Networks: what they take and give."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision.models import efficientnet_b0, vgg19_bn

from fer_data.errors import UserError
from fer_models.hub import input_of
from fer_models.networks import CLASSIFIERS, NETWORKS
from fer_models.networks.cnn import SqueezeExcite
from fer_models.networks.resnet import BasicBlock
from fer_models.training.pretrained import load_imagenet


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_gives_logits_for_any_batch_and_learns_in_every_weight(name: str):
    network = NETWORKS[name]()
    preprocess = input_of(network)
    images = torch.randn(4, preprocess.channels, preprocess.size, preprocess.size)
    logits = network(images)
    assert logits.shape == (4, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert network.eval()(images[:1]).shape == (1, 7)


def test_squeeze_and_excitation_never_starts_dead():
    for seed in range(200):
        torch.manual_seed(seed)
        block = nn.Sequential(nn.BatchNorm2d(64), SqueezeExcite(64, reduction=16))
        block(torch.randn(4, 64, 48, 48)).square().sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in block.parameters()), seed


@pytest.mark.parametrize(("name", "size"), [("vgg19", 64), ("efficientnet", 96), ("efficientnet", 112), ("resnet", 40)])
def test_takes_other_sizes(name: str, size: int):
    network = NETWORKS[name](input_size=size).eval()
    assert network(torch.randn(1, 1, size, size)).shape == (1, 7) and input_of(network).size == size


@pytest.mark.parametrize("name", ["vgg19", "efficientnet"])
def test_imagenet_weights_answer_gray_as_they_answer_three_equal_channels(name: str):
    """Random weights stand in for the download: they have its names and shapes."""
    network = NETWORKS[name](input_size=112).eval()
    original = vgg19_bn().eval() if name == "vgg19" else efficientnet_b0().eval()
    for buffer in (b for key, b in original.named_buffers() if "running" in key):
        buffer.uniform_(0.5, 1.5)
    network.take_imagenet(original.state_dict())
    gray = torch.randn(2, 1, 112, 112)
    with torch.no_grad():
        assert torch.allclose(network.features(gray), original.features(gray.repeat(1, 3, 1, 1)), atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_blocks_and_head_are_the_whole_network(name: str):
    network = NETWORKS[name]()
    listed = [p for part in [*network.blocks(), network.head] for p in part.parameters()]
    assert {id(p) for p in listed} == {id(p) for p in network.parameters()} and len(network.blocks()) >= 3


def test_pretrained_without_network_or_weights_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(UserError, match="can't be downloaded"):
        load_imagenet(NETWORKS["vgg19"]())
    with pytest.raises(UserError, match="CNN has no ImageNet weights"):
        load_imagenet(NETWORKS["cnn"]())


def unreachable(*args: object, **kwargs: object) -> None:
    raise URLError("no network")


def test_stochastic_depth_keeps_the_mean_and_is_off_in_use():
    torch.manual_seed(0)
    block = BasicBlock(16, 16, 1, survival=0.5)
    x = torch.randn(2000, 16, 4, 4)
    block.body = nn.Identity()
    out = block(x.abs())
    skipped = (out == x.abs()).all((1, 2, 3)).float().mean()
    assert 0.45 < skipped < 0.55 and out.mean() == pytest.approx(float(2 * x.abs().mean()), rel=0.05)
    assert torch.equal(block.eval()(x.abs()), 2 * x.abs())


def test_cnn_has_the_size_that_it_promises():
    parameters = sum(p.numel() for p in NETWORKS["cnn"]().parameters())
    assert 1.0e6 <= parameters <= 1.5e6
