"""Hosts are the most active neurons of a group, each at most once over all groups."""

import numpy as np
import pytest
import torch

from lode.engine.errors import UserError
from lode.planting.hosts import Hosts, most_active


def test_the_most_active_share_by_hand() -> None:
    mean = torch.tensor([1.0, 3.0, 2.0, 0.0])
    assert most_active(mean, 0.5) == [1, 2]
    assert most_active(mean, 0.01) == [1], "at least one"
    assert most_active(mean, 1.0) == [1, 2, 0, 3]


def test_each_host_serves_once_over_all_groups() -> None:
    """Two groups share neuron 2: whichever takes it first, the other may not."""
    means = {"image": torch.tensor([0.0, 3.0, 2.0, 1.0]), "text": torch.tensor([3.0, 0.0, 2.0, 1.0])}
    seen = set()
    for seed in range(20):
        hosts = Hosts(means, 0.5, np.random.default_rng(seed))
        first = {hosts.pick("image"), hosts.pick("image")}
        assert first == {1, 2}
        assert hosts.pick("text") == 0
        with pytest.raises(UserError, match="host_frac leaves too few neurons that are active on text; raise it"):
            hosts.pick("text")
        seen.add(Hosts(means, 0.5, np.random.default_rng(seed)).pick("image"))
    assert seen == {1, 2}
