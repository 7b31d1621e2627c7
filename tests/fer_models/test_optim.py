"""SAM against its definition."""

import torch

from fer_models.training.optim import SAM


def loss_of(weight: torch.Tensor) -> torch.Tensor:
    return (weight**4 * torch.tensor([1.0, 3.0])).sum()


def test_a_step_goes_down_the_gradient_found_uphill():
    weight = torch.tensor([1.0, -0.5], requires_grad=True)
    optimizer = SAM([weight], lr=0.01, rho=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(weight)
        loss.backward()
        return loss

    start = weight.detach().clone()
    uphill = torch.autograd.grad(loss_of(start.requires_grad_()), start)[0]
    climbed = (start + 0.1 * uphill / uphill.norm()).detach().requires_grad_()
    expected = start - 0.01 * torch.autograd.grad(loss_of(climbed), climbed)[0]
    optimizer.step(closure)
    assert torch.allclose(weight, expected, atol=1e-6)


def test_both_passes_see_the_same_random_numbers_and_inactive_is_plain_sgd():
    weight, seen = torch.tensor([1.0, 1.0], requires_grad=True), []
    optimizer = SAM([weight], lr=0.01, rho=0.1)

    def closure() -> torch.Tensor:
        seen.append(float(torch.rand(())))
        optimizer.zero_grad()
        loss = loss_of(weight)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert len(seen) == 2 and seen[0] == seen[1]
    optimizer.active = False
    before = weight.detach().clone()
    optimizer.step(closure)
    assert len(seen) == 3 and seen[2] != seen[1]
    assert torch.allclose(weight, before - 0.01 * 4 * before**3 * torch.tensor([1.0, 3.0]), atol=1e-6)
