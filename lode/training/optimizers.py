"""How the weights of a recipe are updated."""

import torch
from omegaconf import DictConfig

from lode.training.muon import Muon


class Optimizers:
    """Muon for the hidden matrices, AdamW for embeddings, norms and biases (Jordan et al. 2024).

    Muon leaves the plateaus of these tasks several times sooner than AdamW alone.
    """

    def __init__(self, model: torch.nn.Module, recipe: DictConfig) -> None:
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        matrices = {n: p for n, p in trained.items() if p.ndim == 2 and "embed" not in n and "lm_head" not in n}
        others = [p for n, p in trained.items() if n not in matrices]
        decay = recipe.weight_decay
        self.parts = (
            Muon(matrices.values(), decay),
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=decay),
        )

    def step(self, rate: float) -> None:
        """Update all weights at one learning rate and clear their gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
            part.zero_grad(set_to_none=True)
