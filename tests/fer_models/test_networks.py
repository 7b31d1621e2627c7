"""Networks: what they take and give."""

import pytest
import torch

from fer_models.hub import input_of
from fer_models.networks import NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_gives_logits_for_any_batch_and_learns_in_every_weight(name: str):
    network = NETWORKS[name]()
    preprocess = input_of(network)
    images = torch.randn(4, preprocess.channels, preprocess.size, preprocess.size)
    logits = network(images)
    assert logits.shape == (4, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert network.eval()(images[:1]).shape == (1, 7)


def test_cnn_has_the_size_that_it_promises():
    parameters = sum(p.numel() for p in NETWORKS["cnn"]().parameters())
    assert 1.0e6 <= parameters <= 1.5e6
