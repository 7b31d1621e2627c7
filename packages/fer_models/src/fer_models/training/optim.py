"""Optimizers that torch doesn't have."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD


class SAM(SGD):
    """Sharpness-aware minimisation around SGD (Foret et al. 2021, https://arxiv.org/abs/2010.01412).

    Each step looks where the loss is worst within ``rho`` of the weights, and goes down with the gradient found there.
    It costs two passes. Both see the same random numbers, so the same mixup and dropout; batch normalisation counts
    both passes in its running statistics, where the paper counts the first.

    Args:
        params: As for SGD.
        lr: As for SGD.
        rho: Radius of the neighbourhood.
        **kwargs: As for SGD.

    Attributes:
        active: While False, steps are SGD's own.
    """

    def __init__(self, params: Any, lr: float, rho: float, **kwargs: Any) -> None:
        super().__init__(params, lr, **kwargs)
        self.rho, self.active = rho, True

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; ``closure`` computes the loss and its gradients anew."""
        if closure is None:
            raise TypeError("SAM needs a closure that computes the loss again")
        compute = torch.enable_grad()(closure)
        if not self.active:
            return super().step(compute)
        random = torch.get_rng_state(), torch.cuda.get_rng_state_all()
        loss = compute()
        climbed = self._climb()
        torch.set_rng_state(random[0])
        torch.cuda.set_rng_state_all(random[1])
        compute()
        for weight, climb in climbed:
            weight.sub_(climb)
        super().step()
        return loss

    def _climb(self) -> list[tuple[Tensor, Tensor]]:
        """Move each weight up its gradient, by ``rho`` in all, and tell by how much each moved."""
        weights = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in weights])
        climbed = [(p, p.grad * (self.rho / (norm + 1e-12))) for p in weights]
        for weight, climb in climbed:
            weight.add_(climb)
        return climbed
