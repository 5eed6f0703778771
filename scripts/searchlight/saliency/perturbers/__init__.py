"""Perturbers: which patches are hidden, one by one. A registry (``searchlight.registry``).

A member has ``Arguments``, and ``masks(shape, arguments)``, which yields masks of a height and width, float32: 1 keeps
a pixel, 0 hides it. It yields the same ones at every call.
"""

FOLDER = "saliency/perturbers"
