"""Which states are neighbours? An illustration by t-SNE at three layers, with its seed: no claim is drawn.

As `state_picture`, but the clean states and those of the null, in grey, are laid out together by t-SNE (van der Maaten
& Hinton 2008; scikit-learn, started from principal components). Distances between heaps, their sizes and their shapes
mean nothing, and another seed gives another picture; what is claimed is measured by `convergence`.
"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from lode.figure import Looks, Table
from lode.figure._picture import Points, States, picture

SEED, PERPLEXITY = 0, 30.0


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every states table."""
    return picture(tables, looks, neighbours)


def neighbours(clean: States, null: States) -> Points:
    """Both laid out together."""
    states = np.concatenate([clean, null])
    perplexity = min(PERPLEXITY, (len(states) - 1) / 3)
    placed = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED).fit_transform(states).astype(np.float64)
    return Points(placed[: len(clean)], placed[len(clean) :], (f"t-SNE, seed {SEED}", f"perplexity {perplexity:.0f}"))
