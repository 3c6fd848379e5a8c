"""The values that an option with names may take, one tuple an option.

They stand apart from what they choose between, and import nothing: the mathematics and `RunConfig` share them, and `--help`
and the error of a command line come at once, without loading PyTorch for a few words.
"""

INITS = ("he", "released")  # of the centers
NORMALIZATIONS = ("paper", "released")  # of the DDA loss
CENTER_STEPS = ("eq3.10", "wen", "released")  # of DDA
REDUCTIONS = ("mean", "sum")  # of a sample's TC3L over the embedding's dimensions
FORMS = ("hinge", "log")  # of TC3L
MARGIN_GRADIENTS = ("detached", "attached")  # of AMTC3L
MEMORIES = ("running", "batch", "decay")  # of NS-NSS's misclassification record
GATES = ("soft", "hard")  # of selective attention
ATTENTION_FROM = ("constant", "noise", "shuffled")  # of DACL, in its own attention's place
LENGTHS = ("unit", "free")  # of the embeddings in the tuplet losses
IDENTITIES = ("random",)  # of the tuples, in the data set's own's place
MINING = ("off",)  # of the (N+M) loss's positives: all are kept
REFERENCES = ("constant",)  # of the (N+M) loss, which else is learned
SOFTMAX_OF = ("all", "queries")  # of the tuples' images

INCEPTION = "inception"
TRUNK_NAMES = ("resnet18", "resnet50", INCEPTION)
HEADS = ("amtc3l", "one-branch", "two-branch")
LENETS = ("normalized",)
SMALL_BELOW = 80  # px: smaller crops get a small stem; 80 lets the thesis's 90 px keep ImageNet's, and with it its weights

AUGMENTATIONS = ("none", "flip", "five-crop", "random-crop", "multi-scale")
OPTIMIZERS = ("adam",)  # in the place of SGD with momentum
SCHEDULES = ("trapezoid", "step")

PRECISIONS = ("auto", "fp32", "bf16")  # of the network's arithmetic in training
