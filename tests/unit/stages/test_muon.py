"""Muon in single precision against torch's, against the singular value decomposition, and by hand."""

import pytest
import torch

from lode.training.muon import COEFFICIENTS, NUM_ITERATIONS, Muon, orthogonalise


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (3, 5, 8)])
def test_singular_values_go_through_the_polynomial_and_vectors_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.norm(dim=-1, keepdim=True)
    for _ in range(NUM_ITERATIONS):
        values = sum(c * values ** (2 * k + 1) for k, c in enumerate(COEFFICIENTS))
    torch.testing.assert_close(orthogonalise(matrices), left @ torch.diag_embed(values) @ right)


def test_a_multiple_of_the_identity_stays_one_near_it():
    result = orthogonalise(7 * torch.eye(2))
    torch.testing.assert_close(result, result[0, 0] * torch.eye(2))
    assert 0.7 < result[0, 0] < 1.2


def test_it_steps_as_that_of_torch():
    generator = torch.Generator().manual_seed(1)
    ours = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((8, 5), (5, 8), (8, 5))]
    theirs = [torch.nn.Parameter(matrix.detach().clone()) for matrix in ours]
    mine = Muon(ours, weight_decay=0.1, rate=0.02)
    published = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    start = [matrix.detach().clone() for matrix in ours]
    for _ in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        mine.step()
        published.step()
    for one, other, before in zip(ours, theirs, start, strict=True):  # bfloat16 holds three digits
        assert (one - other).norm() < 0.02 * (one - before).norm()


def test_what_has_no_gradient_stays():
    matrix = torch.nn.Parameter(torch.ones(2, 2))
    Muon([matrix], weight_decay=0.5).step()
    torch.testing.assert_close(matrix.detach(), torch.ones(2, 2))
