"""The recipe of the set that these tests share."""

from simfer.dataset import Recipe

SMALL = Recipe(train=(4, 3, 3, 4, 3, 3, 4), test=(2, 1, 2, 1, 2, 1, 1), identities=(5, 3), size=24)
