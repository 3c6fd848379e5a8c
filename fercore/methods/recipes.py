"""What the papers' own recipes have other than the profile's, for profile "paper" alone."""

DDA_PAPER = {"affectnet": {"gamma": 4.0}}  # thesis, 3.3.2: the best there; 5, the default, on RAF-DB

# Thesis, 4.3.1. Its MS-Celeb-1M weights have no address: pretrained=msceleb:PATH loads them, ImageNet's stand in.
DACL_PAPER = {
    "rafdb": {"image_size": 256, "crop": 224, "batch_size": 128},
    "affectnet": {"pretrained": "imagenet", "lr_decay": 5.0},
    "simfer": {"batch_size": 128},
}

# AMTC3L's paper, IV-B, for RAF-DB, where it says 60 epochs and a tenth of the rate every 20. Momentum, weight decay and the
# size of the crops are lost: the thesis's stand in. Its equation 3 sums over the dimensions.
TC3L_TRAINING = {"trunk": "resnet50", "lr": 0.05, "augment": "multi-scale", "erasing": 0.5}
TC3L_RAF = TC3L_TRAINING | {"image_size": 256, "crop": 224}
TC3L_PAPER = {
    "rafdb": TC3L_RAF | {"dim_reduction": "sum"},
    "affectnet": TC3L_TRAINING | {"pretrained": "imagenet", "dim_reduction": "sum"},
    "simfer": TC3L_TRAINING,
}

# (N+M) paper, 5.1 and 5.2: Adam after pre-training on FER2013 (and on Multi-PIE, which is left out). The rate is lost:
# Adam's own stands in.
TUPLE_TRAINING = {"trunk": "inception", "optimizer": "adam", "lr": 0.001, "pretrained": "fer2013"} | {
    "softmax_of": "queries",
    "lengths": "free",
    "clip_norm": 0.0,
}
TUPLE_PAPER = dict.fromkeys(("ckplus", "mmi", "sfew"), TUPLE_TRAINING) | {"simfer": TUPLE_TRAINING | {"pretrained": "none"}}
NPLUSM_PAPER = {name: recipe | {"batch_size": 144} for name, recipe in TUPLE_PAPER.items()}
NPLUSM_PAPER["mmi"] |= {"batch_size": 120, "positives": 5, "negatives": 5}
NPLUS1_PAPER = {name: recipe | {"batch_size": 96} for name, recipe in TUPLE_PAPER.items()}  # 12 tuples here too
