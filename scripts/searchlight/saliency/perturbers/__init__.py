"""Perturbers: they make the masks that hide parts of an image. A registry (``searchlight.registry``).

A member has ``Arguments`` and ``masks(shape, arguments)``. ``masks`` yields (height, width) float32 masks: 1 keeps a
pixel, 0 hides it. Every call yields the same masks.
"""

FOLDER = "saliency/perturbers"
