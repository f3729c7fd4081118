"""Where do states of groups of tokens lie? An illustration: their first two principal components at three layers.

A row a benchmark, a panel a layer, a point a token of the reservoir (no first token, no sink), in the colour of its
group; in grey the same tokens where the medium is blank or silent, else with permuted weights. Principal components are
those of the clean states of the layer (scikit-learn's PCA); the axes say their share of the variance. No claim is
drawn: two dimensions keep few distances. What is claimed is measured by `convergence`.
"""

from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from lode.figure import Looks, Table
from lode.figure._picture import Points, States, picture


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every states table."""
    return picture(tables, looks, components)


def components(clean: States, null: States) -> Points:
    """The first two principal components of the clean states."""
    found = PCA(2, svd_solver="full").fit(clean)
    first, second = found.explained_variance_ratio_
    names = (f"component 1 ({100 * first:.0f} %)", f"component 2 ({100 * second:.0f} %)")
    return Points(found.transform(clean), found.transform(null), names)
