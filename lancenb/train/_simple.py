"""``SimpleCNN``: a network of few layers, for small pictures and quick tries."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

#: Its name for ``ImageClassifier(model=...)`` and ``fit(...)``.
NAME = "simple_cnn"


class SimpleCNN(nn.Module):
    """Three blocks of convolution, normalisation and pooling, then one linear layer.

    Each block halves the side and doubles the channels (32, 64, 128); the mean over the rest
    makes it take pictures of any size from 8 pixels. About 94,000 weights for 10 classes: an
    epoch over thousands of 32-pixel pictures takes seconds on a laptop.

    Args:
        num_classes: outputs.
        width: channels of the first block.

    >>> SimpleCNN(5)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, num_classes: int = 10, width: int = 32):
        super().__init__()
        sizes = (3, width, 2 * width, 4 * width)
        self.features = nn.Sequential(*(_block(before, after) for before, after in pairwise(sizes)))
        self.fc = nn.Linear(sizes[-1], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, num_classes)`` of prepared pictures ``(n, 3, h, w)``, float."""
        return self.fc(self.features(images).mean(dim=(2, 3)))


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )
