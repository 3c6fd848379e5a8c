"""Which runs a table or figure needs: one function each, shared by notebooks, sweeps and the report.

Each returns {row label: [one config a seed]}. The label is what a reader sees.
"""

from collections.abc import Callable

from fercore.config import RunConfig
from fercore.methods.table import METHODS
from fercore.papers.tuning import trials, tuned
from fercore.profiles import check_profile

SEEDS = {"quick": (0, 1), "laptop": (0, 1, 2), "paper": (0, 1, 2)}
QUICK_METHODS = ("softmax", "center", "dacl")
LEADERBOARD_SEEDS = {"quick": (0,), "laptop": (0, 1, 2, 3, 4), "paper": (0, 1, 2, 3, 4)}
TABLE_GAMMAS = (1, 3, 5, 7)  # the rows of table 3.1
HIGH_GAMMAS = (10, 20)  # from 10 on the thesis (section 3.3.2) sees recognition degrade
FACE_GAMMA = 5  # of table 3.3, the best on RAF-DB
FACE_GAMMAS = (1, 3, FACE_GAMMA)
Experiment = dict[str, list[RunConfig]]


def seeds_of(profile: str, seeds: int | None = None, **values: object) -> list[RunConfig]:
    """One config a seed, for the profile's seeds or the first few of them."""
    return [RunConfig(profile=profile, seed=seed, **values) for seed in SEEDS[check_profile(profile)][:seeds]]


def table_3_1(profile: str) -> Experiment:
    """Table 3.1; DDA once with the loss as printed, 1/(2m), and once as in the released code, 1/(2m^2)."""
    rows = {"softmax": seeds_of(profile, method="softmax"), "center loss": seeds_of(profile, method="center")}
    for gamma in TABLE_GAMMAS:
        for normalization in ("paper", "released"):
            label = f"DDA gamma {gamma}, {'printed' if normalization == 'paper' else normalization}"
            rows[label] = seeds_of(profile, method="dda", gamma=gamma, normalization=normalization)
    return rows


def chapter_1(profile: str) -> Experiment:
    """Softmax and center loss with every seed; one DDA run to look ahead."""
    rows = {"softmax": seeds_of(profile, method="softmax"), "center loss": seeds_of(profile, method="center")}
    return rows | {"DDA": seeds_of(profile, seeds=1, method="dda", gamma=5, normalization="released")}


def gamma_sweep(profile: str) -> Experiment:
    """Figure 3.5 (d) to (i): six gammas with the released normalization, gamma 0 being center loss."""
    rows = {"0": seeds_of(profile, method="center")}
    for gamma in TABLE_GAMMAS + HIGH_GAMMAS:
        seeds = 1 if gamma in HIGH_GAMMAS else None
        rows[str(gamma)] = seeds_of(profile, seeds, method="dda", gamma=gamma, normalization="released")
    return rows


MAP_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MAP_RATES = (0.001, 0.003, 0.01, 0.03)


def rate_map(profile: str) -> Experiment:
    """The weight of the mean log-likelihood (gamma/2 as printed, gamma/(2m) as released) against the learning rate.

    A short training with a quarter of the images, one seed a cell. Labels are "weight rate". The centers follow Wen's
    step alone, since the DDA part of (3.10) does not scale with gamma.
    """
    weights, rates = ((0.01, 1.0), (0.003, 0.01)) if profile == "quick" else (MAP_WEIGHTS, MAP_RATES)
    return {
        f"{weight:g} {rate:g}": seeds_of(
            profile, 1, method="dda", center_step="wen", gamma=2 * weight, lr=rate, **short_size(profile)
        )
        for weight in weights
        for rate in rates
    }


def short_size(profile: str) -> dict[str, float]:
    """What makes a training of `rate_map` and `stabilizers` short: a quarter of the images, four epochs."""
    return {} if profile == "quick" else {"data_fraction": 0.25, "epochs": 4}


STABILIZERS = {
    "nothing: rate 0.01, as printed": {},
    "the published rate, 0.001": {"lr": 0.001},
    "a hundredth of the rate": {"lr": 0.0001},
    "released center init": {"center_init": "released"},
    "Wen's center step alone": {"center_step": "wen"},
    "slow centers, alpha 0.05": {"alpha": 0.05},
    "gamma rises over the whole training": {"gamma_warmup": 1.0},
    "gradient clipped to norm 1": {"clip_norm": 1.0},
    "clipped, rate 0.001, gamma rises": {"clip_norm": 1.0, "lr": 0.001, "gamma_warmup": 1.0},
    "released normalization": {"normalization": "released"},
}


def stabilizers(profile: str) -> Experiment:
    """What keeps gamma 5 from diverging, one change at a time; the size of `rate_map`'s cells."""
    chosen = STABILIZERS if profile != "quick" else dict(list(STABILIZERS.items())[:: len(STABILIZERS) - 1])
    return {
        label: seeds_of(profile, 1, method="dda", gamma=5, **change, **short_size(profile)) for label, change in chosen.items()
    }


def face_baselines(profile: str) -> Experiment:
    """Softmax and center loss on SimFER."""
    return {
        "softmax": seeds_of(profile, method="softmax", data="simfer"),
        "center loss": seeds_of(profile, method="center", data="simfer"),
    }


def table_3_3(profile: str) -> Experiment:
    """Table 3.3 on SimFER; DDA once with the loss as printed, 1/(2m), and once as in the released code, 1/(2m^2)."""
    readings = {"DDA, printed": "paper", "DDA, released": "released"}
    return face_baselines(profile) | {
        label: seeds_of(profile, method="dda", data="simfer", gamma=FACE_GAMMA, normalization=reading)
        for label, reading in readings.items()
    }


def face_gammas(profile: str) -> Experiment:
    """Figure 3.15 on SimFER, with the released normalization; gamma 0 is center loss."""
    gammas = FACE_GAMMAS if profile != "quick" else (1, FACE_GAMMA)
    return {"0": face_baselines(profile)["center loss"]} | {
        str(gamma): seeds_of(profile, method="dda", data="simfer", gamma=gamma, normalization="released") for gamma in gammas
    }


def face_difficulty(profile: str) -> Experiment:
    """Softmax on SimFER's easy, default and hard presets, which differ in the knobs difficulty and wildness alone."""
    presets = {"easy": "laptop-easy", "default": "laptop", "hard": "laptop-hard"} if profile == "laptop" else {"default": None}
    return {label: seeds_of(profile, method="softmax", data="simfer", preset=preset) for label, preset in presets.items()}


def face_pretraining(profile: str) -> Experiment:
    """Softmax on SimFER from random weights, and from a network that was trained to tell people apart."""
    return {
        "from scratch": seeds_of(profile, method="softmax", data="simfer"),
        "pre-trained on identities": seeds_of(profile, 1, method="softmax", data="simfer", pretrained="simfer-id"),
    }


def attention_collapse(profile: str) -> Experiment:
    """Where attention goes: nothing in DACL's loss resists a -> 0, nor in AMTC3L's with an attached margin."""
    rows = {"DACL": {"method": "dacl"}, "g-DACL": {"method": "g-dacl"}}
    for margin in ("detached", "attached"):
        rows[f"AMTC3L, margin {margin}"] = {"method": "amtc3l-mm", "margin_grad": margin}
    return {label: seeds_of(profile, data="simfer", **values) for label, values in rows.items()}


def table_4_1(profile: str) -> Experiment:
    """The thesis's rows of table 4.1 that are about the loss, without its pre-training, on SimFER; DDA's are table 3.3's."""
    rows = {"softmax": "softmax", "center loss": "center", "DACL": "dacl", "g-DACL": "g-dacl"}
    tail = " [MS-CELEB-1M], from scratch"
    dda = {f"DDA{tail}, {name}": table_3_3(profile)[f"DDA, {name}"] for name in ("printed", "released")}
    return {f"{label}{tail}": seeds_of(profile, method=method, data="simfer") for label, method in rows.items()} | dda


def dacl_ablation(profile: str) -> Experiment:
    """DACL with its own attention, and with something else in its place; center loss gives every dimension 1."""
    rows = {"center loss: a = 1": {"method": "center"}, "a = 0.5": {"method": "dacl", "attention_from": "constant"}}
    rows |= {"noise": {"method": "dacl", "attention_from": "noise"}}
    rows |= {"another image's": {"method": "dacl", "attention_from": "shuffled"}, "its own: DACL": {"method": "dacl"}}
    seeds = 1 if profile == "quick" else None
    return {label: seeds_of(profile, seeds, data="simfer", **values) for label, values in rows.items()}


def tuning(profile: str) -> Experiment:
    """The trials of every method (fercore.tuning), a row each; and what a seed does to one, with softmax's default."""
    tried = {method: trials(method, profile) for method in METHODS}
    rows = {f"{method}, trial {n}": [trial] for method, some in tried.items() for n, trial in enumerate(some, 1)}
    seeds = LEADERBOARD_SEEDS[check_profile(profile)]
    return rows | {"softmax, every seed": [tried["softmax"][0].replace(seed=seed) for seed in seeds]}


def leaderboard(profile: str) -> Experiment:
    """Every method on SimFER as its trials chose it, with the same recipe and the same seeds; at quick a few of them."""
    seeds, names = LEADERBOARD_SEEDS[check_profile(profile)], QUICK_METHODS if profile == "quick" else METHODS
    return {
        METHODS[name].label: [
            RunConfig(method=name, data="simfer", profile=profile, seed=seed, **tuned(name, profile)) for seed in seeds
        ]
        for name in names
    }


def other_heads(profile: str) -> Experiment:
    """Softmax with the heads of other methods, by the leaderboard's recipe; what a head does, no loss should be praised for.

    Labels are the heads' names, as `RunConfig.head` has them.
    """
    seeds = 1 if profile == "quick" else None
    return {head: seeds_of(profile, seeds, method="softmax", data="simfer", head=head) for head in ("amtc3l", "one-branch")}


NOISE_METHODS = ("softmax", "center", "dacl", "amtc3l-mm", "nplusm-2b")


def label_noise(profile: str) -> Experiment:
    """Some methods with a fifth of the training labels wrong, at the length of their trials; one seed.

    Rows "clean LABEL" are those methods' own trials with the chosen settings; "noisy LABEL" differ in the labels alone.
    """
    rows = {}
    for method in NOISE_METHODS if profile != "quick" else NOISE_METHODS[:2]:
        short = {"epochs": trials(method, profile)[0].epochs, **tuned(method, profile)}
        clean = seeds_of(profile, 1, method=method, data="simfer", **short)
        rows[f"clean {METHODS[method].label}"] = clean
        rows[f"noisy {METHODS[method].label}"] = [run.replace(preset=f"{run.preset}-noisy") for run in clean]
    return rows


ANATOMY = {
    "AMTC3L, MS-NSS": dict(method="amtc3l-ms"),
    "AMTC3L, NS-NSS": dict(method="amtc3l-ns"),
    "AMTC3L, MM-NSS": dict(method="amtc3l-mm"),
    "AMTC3L, MM-NSS, margin attached": dict(method="amtc3l-mm", margin_grad="attached"),
    "TC3L, MM-NSS": dict(method="tc3l-mm"),
    "TC3L, MM-NSS, logarithms": dict(method="tc3l-mm", form="log"),
}


def amtc3l_anatomy(profile: str) -> Experiment:
    """The three samplers and three other readings of the loss, one seed each, on digits: their box can be drawn."""
    return {label: seeds_of(profile, 1, **values) for label, values in ANATOMY.items()}


NEGATIVES = ("ms", "ns", "mm")  # the three samplers, in the order of the AMTC3L paper's tables


def amtc3l_row(profile: str, **values: object) -> list[RunConfig]:
    """A row of the AMTC3L paper's tables, on SimFER; at profile quick one seed, for there are many rows."""
    return seeds_of(profile, 1 if profile == "quick" else None, data="simfer", **values)


def table_amtc3l_1(profile: str) -> Experiment:
    """AMTC3L's table I: cross entropy with the paper's classifier, and AMTC3L with each sampler."""
    rows = {"baseline": amtc3l_row(profile, method="softmax", head="amtc3l")}
    return rows | {f"{name.upper()}-NSS": amtc3l_row(profile, method=f"amtc3l-{name}") for name in NEGATIVES}


def table_amtc3l_2(profile: str) -> Experiment:
    """AMTC3L's table II: pipeline a adds TC3L to the baseline, b AMTC3L; b once more with its margin in the gradient."""
    rows = {"baseline": amtc3l_row(profile, method="softmax", head="amtc3l")}
    for pipeline, loss in (("a", "tc3l"), ("b", "amtc3l")):
        for name in NEGATIVES:
            rows[f"pipeline {pipeline} {name.upper()}-NSS"] = amtc3l_row(profile, method=f"{loss}-{name}")
    attached = amtc3l_row(profile, method="amtc3l-mm", margin_grad="attached")
    return rows | {"pipeline b MM-NSS, margin attached": attached}


LOUD = 300.0  # the weight at which AMTC3L's gradient by the embeddings is a sixth to a third of cross entropy's


def amtc3l_steps(profile: str) -> Experiment:
    """AMTC3L with each sampler in a short training on small faces, to be watched step by step (examination "steps").

    Once with the default weight, and once with one at which the metric loss can be heard beside the cross entropy.
    """
    small = {"preset": "quick", "image_size": 48, "crop": 40, "epochs": 1 if profile == "quick" else 4}
    return {
        f"{name.upper()}-NSS{tail}": amtc3l_row(profile, method=f"amtc3l-{name}", weight=weight, **small)
        for tail, weight in (("", 1.0), (", loud", LOUD))
        for name in NEGATIVES
    }


FOLDS = {"quick": 2, "laptop": 8, "paper": 8}  # as the (N+M) paper tests on CK+

# Subject-independent folds of few people: from scratch a network learns them by heart and fails on new ones. The paper
# pre-trains on FER2013; here SimFER stands for it, whose people are others.
SEQUENCES = dict(data="simfer", preset="sequences", pretrained="simfer", val_fraction=1 / 7)
SEQUENCES_TRAINING = {
    "quick": dict(epochs=2, clip_norm=1.0),
    "laptop": dict(epochs=12, batch_size=48, clip_norm=1.0),
    "paper": dict(image_size=60, crop=48, augment="random-crop", trunk="inception", optimizer="adam", lr=0.001, batch_size=144),
}
TUPLETS = {f"{b}B(N+{n.upper()})Softmax": f"nplus{n}-{b}b" for n in "1m" for b in (1, 2)}  # as table 3 names them


def over_folds(profile: str, **values: object) -> list[RunConfig]:
    """One config a test fold of SimFER's sequences; one seed."""
    recipe = SEQUENCES | SEQUENCES_TRAINING[check_profile(profile)] | values
    return [RunConfig(profile=profile, fold=fold, **recipe) for fold in range(FOLDS[profile])]


def tuplet_tables(profile: str) -> Experiment:
    """Tables 1 to 5 and figures 5 and 6 of the (N+M) paper, and two baselines that it lacks.

    Softmax alone, with the network of the one-branch rows; and the paper's method with tuples of made-up people.
    """
    rows = {"softmax": over_folds(profile, method="softmax", head="one-branch")}
    rows |= tuplet_accuracies(profile)
    if profile != "quick":
        rows["2B(N+M)Softmax, made-up people"] = over_folds(profile, method="nplusm-2b", identities="random")
    return rows


def tuplet_accuracies(profile: str) -> Experiment:
    """Tables 3 and 5: (N+1) and (N+M), one branch and two."""
    chosen = TUPLETS if profile != "quick" else dict(list(TUPLETS.items())[-1:])
    return {label: over_folds(profile, method=method) for label, method in chosen.items()}


def tuplet_confusions(profile: str) -> Experiment:
    """Tables 1, 2 and 4: the paper's method alone."""
    label = list(TUPLETS)[-1]
    return {label: tuplet_accuracies(profile)[label]}


EXPERIMENTS: dict[str, Callable[[str], Experiment]] = {
    "table_3_1": table_3_1,
    "chapter_1": chapter_1,
    "gamma_sweep": gamma_sweep,
    "rate_map": rate_map,
    "stabilizers": stabilizers,
    "face_baselines": face_baselines,
    "table_3_3": table_3_3,
    "face_gammas": face_gammas,
    "face_difficulty": face_difficulty,
    "face_pretraining": face_pretraining,
    "attention_collapse": attention_collapse,
    "table_4_1": table_4_1,
    "dacl_ablation": dacl_ablation,
    "tuning": tuning,
    "leaderboard": leaderboard,
    "other_heads": other_heads,
    "label_noise": label_noise,
    "amtc3l_anatomy": amtc3l_anatomy,
    "table_amtc3l_1": table_amtc3l_1,
    "table_amtc3l_2": table_amtc3l_2,
    "amtc3l_steps": amtc3l_steps,
    "tuplet_tables": tuplet_tables,
}

# What stands beside a published table, by the table's name in paper.csv. A label is one of the table's own rows there, with
# ", " and a reading appended where there are several; the data on which it ran is read from its configs and always shown.
PAPER_TABLES: dict[str, Callable[[str], Experiment]] = {
    "table 3.1": table_3_1,
    "table 3.3": table_3_3,
    "table 4.1": table_4_1,
    "table I": table_amtc3l_1,
    "table II": table_amtc3l_2,
    "table 1": tuplet_confusions,
    "table 2": tuplet_confusions,
    "table 3": tuplet_accuracies,
    "table 4": tuplet_confusions,
    "table 5": tuplet_accuracies,
}


def drawn(profile: str) -> set[str]:
    """Ids of the runs whose embeddings figures may draw: all but the trials, and of the leaderboard the first seed alone."""
    undrawn = ("tuning", "leaderboard", "label_noise")
    chosen = {name: make(profile).values() for name, make in EXPERIMENTS.items() if name not in undrawn}
    first = [configs[0] for configs in leaderboard(profile).values()]
    return {config.id for rows in chosen.values() for configs in rows for config in configs} | {config.id for config in first}
