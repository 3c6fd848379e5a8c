"""The one table of all methods: name -> objective, hyper-parameters, network, its paper's recipe; without PyTorch."""

from dataclasses import dataclass, field
from typing import Any

from fercore.errors import UnknownMethod
from fercore.methods.recipes import DACL_PAPER, DDA_PAPER, NPLUS1_PAPER, NPLUSM_PAPER, TC3L_PAPER


@dataclass(frozen=True)
class Method:
    """One row.

    Attributes:
        objective: a class of fercore.methods.objectives, or one of your own as "package.module:Class"; named, not imported,
            so that a config and an error need no PyTorch.
        label: what figures call it.
        source: where its formulas stand.
        hyperparameters: its own, with their defaults.
        always: what its network or training must be, in every profile.
        options: of the class besides config, K, D and feature shape, where several rows share one.
        paper: {data set: what its paper's recipe has other than the profile's}, for profile "paper" alone.
    """

    objective: str
    label: str
    source: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    paper: dict[str, dict[str, Any]] = field(default_factory=dict)


CENTERS = {"alpha": 0.5, "center_init": "he"}
CENTER = {"lambda_c": 0.01} | CENTERS
DDA_OWN = {"gamma": 5.0, "gamma_warmup": 0.0, "normalization": "paper", "center_step": "eq3.10"}
RECORD = {"memory": "running"}
TC3L_OWN = {"weight": 1.0} | CENTERS | {"dim_reduction": "mean"}  # the paper's weights are lost
AMTC3L_OWN = TC3L_OWN | {"margin_grad": "detached", "gate": "soft"}
TUPLE = {"weight": 1.0, "tau": 2.0, "positives": 6, "negatives": 6, "lengths": "unit", "softmax_of": "all", "identities": None}
ONE_POSITIVE = TUPLE | {"positives": 2}
CLUSTERS = TUPLE | {"mining": None, "reference": None}

# The gradient of an angle grows as an embedding of two dimensions passes near the origin, where contrastive and separate
# loss diverged on digits and triplet loss stood still.
ANGULAR = {"clip_norm": 1.0}
LIU = "Liu et al. 2017"
RAJOLI = "Rajoli et al. 2023"
SAMPLERS = {"ms": {}, "ns": RECORD, "mm": {}}


def center_rows() -> dict[str, Method]:
    return {
        "softmax": Method("Softmax", "softmax", "thesis, 3.2"),
        "center": Method("Center", "center loss", "Wen et al. 2016; thesis, 3.4", CENTER),
        "dda": Method("DDA", "DDA", "thesis, 3.6", CENTER | DDA_OWN, paper=DDA_PAPER),
        "dacl": Method("DACL", "DACL", "thesis, 4.3", CENTER | {"attention_from": None}, paper=DACL_PAPER),
        "g-dacl": Method("DACL", "g-DACL", "thesis, 4.8", CENTER, options={"gated": True}, paper=DACL_PAPER),
    }


def tc3l_rows() -> dict[str, Method]:
    """Both losses with each sampler; the head is AMTC3L's, since sigmoids need an embedding that is not rectified."""
    rows = {}
    for loss, own in (("TC3L", TC3L_OWN | {"form": "hinge"}), ("AMTC3L", AMTC3L_OWN)):
        for sampler, more in SAMPLERS.items():
            label, options = f"{loss}, {sampler.upper()}-NSS", {"sampler": sampler}
            row = Method(loss, label, RAJOLI, own | more, {"head": "amtc3l"}, options, TC3L_PAPER)
            rows[f"{loss.lower()}-{sampler}"] = row
    return rows


def tuplet_rows() -> dict[str, Method]:
    rows = {}
    for name, loss, own, paper in (
        ("1", "NPlusOne", ONE_POSITIVE, NPLUS1_PAPER),
        ("m", "NPlusM", CLUSTERS, NPLUSM_PAPER),
    ):
        for branches, head in (("1b", "one-branch"), ("2b", "two-branch")):
            label = f"{branches.upper()} (N+{name.upper()})"
            rows[f"nplus{name}-{branches}"] = Method(loss, label, LIU, own, always={"head": head} | ANGULAR, paper=paper)
    return rows


def baseline_rows() -> dict[str, Method]:
    """The losses that the papers discuss; weights are ours where a source has none that fits a mean over the batch."""
    one, head = {"weight": 1.0}, {"head": "amtc3l"}
    return {
        "island": Method("Island", "island loss", "Cai et al. 2018", CENTER | {"island_weight": 10.0}),
        "separate": Method("Separate", "separate loss", "Li et al. 2019", one | CENTERS, ANGULAR),
        "lp": Method("LocalityPreserving", "locality-preserving", "Li et al. 2017", {"weight": 0.01, "neighbors": 20}),
        "ccl": Method("CoupledClusters", "coupled clusters", "Liu et al. 2016", {"weight": 0.1, "margin": 1.0}),
        "triplet-center": Method("TripletCenter", "triplet-center", "He et al. 2018", {"weight": 0.1, "margin": 5.0} | CENTERS),
        "lossless-triplet": Method("LosslessTriplet", "lossless triplet", "Arsenault 2018", one, head),
        "contrastive": Method("Contrastive", "contrastive", "Hadsell et al. 2006", one | {"margin": 1.0}, ANGULAR),
        "triplet": Method("Triplet", "triplet", "Schroff et al. 2015", one | {"margin": 0.05}, ANGULAR),
    }


METHODS = center_rows() | tc3l_rows() | tuplet_rows() | baseline_rows()


def find_method(name: str) -> Method:
    """The row of `name`; UnknownMethod lists the known ones."""
    if name not in METHODS:
        known = ", ".join(METHODS)
        raise UnknownMethod(f"unknown method {name!r}; known: {known}; if it is your own: was its module imported?")
    return METHODS[name]
