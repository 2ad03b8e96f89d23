"""Looking inside a trained network, and at what it gets wrong.

- :func:`filters`: the kernels of a convolution as small pictures;
- :func:`activations`: what each channel of a layer says to a picture;
- :func:`grad_cam`: which parts of a picture speak for a class (Grad-CAM, Grad-CAM++, Score-CAM);
- :func:`mistakes`: the surest wrong answers of an evaluation, as pictures.

Layers go by name, as ``model.named_modules()`` lists them; the end of a name is enough when there
is one such layer. A look leaves a model as it found it: modes of its parts, gradients, hooks and
random numbers, also after an error. Each answer holds arrays, draws itself in a notebook in the
colours of the theme with words for those who do not see it, and gives a
:class:`matplotlib.figure.Figure`.

>>> import torch
>>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
...                           torch.nn.Linear(4 * 36, 2))
>>> filters(net).weights.shape, activations(net, torch.rand(3, 8, 8), "0").maps.shape
((4, 3, 3, 3), (4, 6, 6))
>>> grad_cam(net, torch.rand(3, 8, 8), target=1).map.shape
(8, 8)
"""

from __future__ import annotations

from ._activations import Activations, activations
from ._cam import METHODS, ClassMaps, grad_cam
from ._filters import Filters, filters
from ._layers import token_maps
from ._mistakes import Mistakes, mistakes

__all__ = [
    "METHODS",
    "Activations",
    "ClassMaps",
    "Filters",
    "Mistakes",
    "activations",
    "filters",
    "grad_cam",
    "mistakes",
    "token_maps",
]
