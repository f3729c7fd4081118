"""Muon in single precision: `torch.optim.Muon` computes in bfloat16, 20 times slower on a CPU without such numbers."""

from collections.abc import Iterable
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

#: Coefficients of the odd polynomial that pulls singular values towards one, and how often it is applied.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NUM_ITERATIONS = 5


def orthogonalise(matrices: Float[Tensor, "*stack row column"]) -> Float[Tensor, "*stack row column"]:
    """Bring singular values of each matrix near one (0.7 to 1.2), its singular vectors kept: Newton-Schulz.

    Very small ones, below some 1e-3 of the matrix's norm, grow by 3.44 ** 5 at most and stay smaller.

    Source: Jordan et al., Muon (2024), https://kellerjordan.github.io/posts/muon/
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        return orthogonalise(matrices.mT).mT
    first, third, fifth = COEFFICIENTS
    result = matrices / matrices.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(NUM_ITERATIONS):
        gram = result @ result.mT
        result = first * result + (third * gram + fifth * gram @ gram) @ result
    return result


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised Nesterov momentum, as large as those of AdamW; weights decay apart from it.

    As `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"`, but for the precision.
    """

    def __init__(
        self, params: Iterable[Tensor], weight_decay: float, rate: float = 1e-3, momentum: float = 0.95
    ) -> None:
        super().__init__(
            sorted(params, key=lambda matrix: matrix.shape),
            {"lr": rate, "weight_decay": weight_decay, "momentum": momentum},
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; those of one shape together."""
        for group in self.param_groups:
            trained = [matrix for matrix in group["params"] if matrix.grad is not None]
            for shape, alike in groupby(trained, key=lambda matrix: matrix.shape):
                matrices = list(alike)
                updates = orthogonalise(torch.stack([self._ahead(m, m.grad, group["momentum"]) for m in matrices]))
                size = 0.2 * max(shape) ** 0.5
                for matrix, update in zip(matrices, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(update, alpha=group["lr"] * size)

    def _ahead(self, matrix: Tensor, gradient: Tensor, momentum: float) -> Tensor:
        """The gradient, led by its running mean, which takes it in first."""
        mean: Tensor = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
        mean.lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)
