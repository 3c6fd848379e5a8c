"""How many images the releases hold."""

# Images of each class in canonical order, or their number in all where the class counts were not published; a set
# with several releases in use has several entries, and what is found is held against the nearest one. Sources: the RAF-DB and
# AffectNet lists, fer2013.csv, the CK+ paper (sequences x 3), the (N+M) paper (MMI and SFEW; MMI's frames are 3 a sequence),
# the descriptions of ckextended.csv, whose neutral images are the sequences without an emotion, and of JAFFE.
EXPECTED: dict[str, tuple[dict[str, tuple[int, ...] | int], ...]] = {
    "rafdb": ({"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)},),
    "affectnet": (
        {"train": (14090, 6378, 3803, 134415, 25459, 24882, 74874), "test": (500,) * 7},
        *({"train": (14090, 6378, 3803, 134415, 25459, 24882, 74874, 3750), "test": (*(500,) * 7, few)} for few in (500, 499)),
    ),
    "fer2013": (
        {
            "train": (3171, 4097, 436, 7215, 4830, 3995, 4965),
            "val": (415, 496, 56, 895, 653, 467, 607),
            "test": (416, 528, 55, 879, 594, 491, 626),
        },
        {"train": (3171, 4097, 436, 7215, 4830, 3995, 4965), "test": (831, 1024, 111, 1774, 1247, 958, 1233)},  # folders
    ),
    "ckplus": ({"all": (249, 75, 177, 207, 84, 135, 0, 54)}, {"train": 736, "val": 92, "test": 92}),
    "mmi": ({"all": 3 * 213}, {"all": 3 * 208}),
    "sfew": ({"train": 958, "test": 436}, {"train": 891, "test": 431}),
    "jaffe": ({"all": (30, 32, 29, 31, 31, 30, 30)},),
}
