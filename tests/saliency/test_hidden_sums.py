"""Sums of hidden pixels: equal by sparse and by dense products."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scores import IMAGE, PERTURBERS
from searchlight.saliency import hidden_sums
from searchlight.saliency.masks import make_masks


def test_sparse_and_dense_sums_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = make_masks(PERTURBERS["sparse window"], IMAGE)
    weights = np.random.default_rng(0).standard_normal((3, len(masks), 2))
    sparse = hidden_sums.HiddenSums(masks)
    monkeypatch.setattr(hidden_sums, "SPARSE_DENSITY", 0)
    monkeypatch.setattr(hidden_sums, "DENSE_MASKS", 3)
    dense = hidden_sums.HiddenSums(masks)
    np.testing.assert_allclose(sparse.on_pixels(sparse(weights)), dense.on_pixels(dense(weights)), atol=1e-12)
    assert len(sparse.coverage) < len(dense.coverage)
