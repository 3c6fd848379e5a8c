"""Which runs a figure or a table of the course needs: one function each, shared by notebooks, sweeps and the report.

Each returns {row label: [one config a seed]}; rows of published tables are those of fercore.papers.tables. A row has as many
seeds as there are (`tables.runs_of`), but for FIXED_SEEDS: what is looked at training by training.
"""

from collections.abc import Callable

from fercore.config import RunConfig
from fercore.methods.table import METHODS
from fercore.papers.tables import (
    AFFECTED,
    AMTC3L_1,
    AMTC3L_2,
    ATTENTIVE,
    BOTH_BRANCHES,
    CENTERS,
    CHAPTER_3,
    CHAPTER_4,
    DIGITS,
    DIGITS_SIZE,
    FACES_SIZE,
    OWN_RATES,
    RATES,
    SAMPLERS,
    TABLE_GAMMAS,
    TUPLETS,
    Experiment,
    Rows,
    dda,
    from_weights,
    normalized,
    on_affectnet,
    on_digits,
    on_normalized_digits,
    on_photographs,
    on_published_schedule,
    on_sequences,
    on_simfer,
)
from fercore.papers.tuning import CONTESTED, candidates, contest, trials, tuned
from fercore.profiles import check_profile

QUICK_METHODS = ("softmax", "center", "dacl")
QUICK_ROWS = CENTERS | dda("DDA gamma 1", gamma=1)  # as released, gamma 5 diverges in batches as small as quick's
QUICK_LOOK = DIGITS_SIZE["quick"] | {"data_fraction": 0.03, "batch_size": 32, "epochs": 2}  # where no finding needs more
HIGH_GAMMAS = (10, 20)  # from 10 on the thesis (section 3.3.2) sees recognition degrade
FACE_GAMMAS = (1, 1.25, 2.5, 3, 5)  # the last is table 3.3's, the best on RAF-DB; 1.25 does here what it does there


def table_3_1(profile: str) -> Experiment:
    """Table 3.1 on the network of the thesis's words; DDA as printed, 1/(2m), and as in the released code, 1/(2m^2)."""
    return on_digits(DIGITS if profile != "quick" else QUICK_ROWS, profile)


def table_3_1_normalized(profile: str) -> Experiment:
    """Table 3.1 on the network that its author published, at the thesis's rate and at each row's own."""
    return on_normalized_digits(profile)


def table_3_1_schedule(profile: str) -> Experiment:
    """Table 3.1's rate and epochs, on both networks, where they are not the profile's own."""
    return on_published_schedule(profile)


def table_3_1_readings(profile: str) -> Experiment:
    readings = table_3_1(profile) | table_3_1_normalized(profile)
    return readings | table_3_1_schedule(profile) if profile == "laptop" else readings


def digit_rates(profile: str) -> Experiment:
    """Learning rates on the author's network, one seed a cell. Labels are "ROW at RATE", rows as in table 3.1.

    Cells with gamma x rate above 0.2 are left out: half of that already ends far behind.
    """
    rates, rows = (RATES, OWN_RATES) if profile != "quick" else (RATES[2::2], ("softmax", "DDA gamma 1, printed"))
    return {
        f"{row} at {rate:g}": [RunConfig(profile=profile, **normalized(DIGITS[row], profile, lr=rate))]
        for row in rows
        for rate in rates
        if DIGITS[row].get("gamma", 0) * rate <= 0.2
    }


def chapter_1(profile: str) -> Experiment:
    """Softmax and center loss, and DDA to look ahead."""
    gamma = 1 if profile == "quick" else 5
    return on_digits(CENTERS | {"DDA": DIGITS[f"DDA gamma {gamma}, released"]}, profile)


def gamma_sweep(profile: str) -> Experiment:
    """Figure 3.5 (d) to (i): six gammas with the released normalization, gamma 0 being center loss."""
    gammas = TABLE_GAMMAS + HIGH_GAMMAS
    return on_digits(by_gamma(gammas if profile != "quick" else gammas[::5]), profile)


def by_gamma(gammas: tuple[float, ...]) -> Rows:
    """DDA as released, a row a gamma; 0 is center loss."""
    rows = {f"{gamma:g}": {"method": "dda", "gamma": gamma, "normalization": "released"} for gamma in gammas}
    return {"0": CENTERS["center loss"]} | rows


MAP_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
MAP_RATES = (0.001, 0.003, 0.01, 0.03)


def rate_map(profile: str) -> Experiment:
    """The weight of the mean log-likelihood (gamma/2 as printed, gamma/(2m) as released) against the learning rate.

    A short training with a quarter of the images, one seed a cell. Labels are "weight rate". The centers follow Wen's
    step alone, since the DDA part of (3.10) does not scale with gamma.
    """
    weights, rates = ((0.01, 1.0), (0.003, 0.01)) if profile == "quick" else (MAP_WEIGHTS, MAP_RATES)
    return {
        f"{weight:g} {rate:g}": short(profile, center_step="wen", gamma=2 * weight, lr=rate)
        for weight in weights
        for rate in rates
    }


def short(profile: str, **values: float | str) -> list[RunConfig]:
    """One short training of DDA, for `rate_map` and `stabilizers`: a quarter of the images, four epochs; at quick two."""
    size = QUICK_LOOK if profile == "quick" else {"data_fraction": 0.25, "epochs": 4}
    return [RunConfig(method="dda", profile=profile, **size, **values)]


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
    "released loss": {"normalization": "released"},
}


def stabilizers(profile: str) -> Experiment:
    """What keeps gamma 5 from diverging, one change at a time; the size of `rate_map`'s cells."""
    chosen = STABILIZERS if profile != "quick" else dict(list(STABILIZERS.items())[:: len(STABILIZERS) - 1])
    return {label: short(profile, gamma=5, **change) for label, change in chosen.items()}


def face_baselines(profile: str) -> Experiment:
    """Softmax and center loss on SimFER."""
    return on_simfer(CENTERS, profile)


def table_3_3(profile: str) -> Experiment:
    """Table 3.3 on SimFER; DDA once with the loss as printed, 1/(2m), and once as in the released code, 1/(2m^2)."""
    return on_simfer(CHAPTER_3, profile)


def table_3_4(profile: str) -> Experiment:
    """Table 3.4 on SimFER in AffectNet's proportions; at quick, without a second gamma."""
    return on_affectnet(AFFECTED if profile != "quick" else CENTERS, profile)


def face_gammas(profile: str) -> Experiment:
    """Figure 3.15 on SimFER, with the released normalization; gamma 0 is center loss."""
    return on_simfer(by_gamma(FACE_GAMMAS if profile != "quick" else FACE_GAMMAS[::4]), profile)


def face_difficulty(profile: str) -> Experiment:
    """Softmax on SimFER's easy, default and hard presets, which differ in the knobs difficulty and wildness alone."""
    presets = {"easy": "laptop-easy", "default": "laptop", "hard": "laptop-hard"} if profile == "laptop" else {"default": None}
    return on_simfer({label: CENTERS["softmax"] | {"preset": preset} for label, preset in presets.items()}, profile)


def face_pretraining(profile: str) -> Experiment:
    """Softmax on SimFER from random weights, and from a network that was trained to tell people apart."""
    softmax = CENTERS["softmax"]
    return on_simfer({"from scratch": softmax, "pre-trained on identities": softmax | {"pretrained": "simfer-id"}}, profile)


def attention_collapse(profile: str) -> Experiment:
    """Where attention goes: nothing in DACL's loss resists a -> 0, nor in AMTC3L's with an attached margin."""
    rows = {name: CHAPTER_4[name] for name in ("DACL", "g-DACL")}
    for margin in ("detached", "attached"):
        rows[f"AMTC3L, margin {margin}"] = {"method": "amtc3l-mm", "margin_grad": margin}
    return on_simfer(rows, profile)


def table_4_1(profile: str) -> Experiment:
    """The thesis's rows of table 4.1 that are about the loss, without its pre-training, on SimFER; DDA's are table 3.3's."""
    return on_simfer(from_weights(CHAPTER_4, "[MS-CELEB-1M], from scratch"), profile)


def table_4_2(profile: str) -> Experiment:
    """Table 4.2 likewise, without its pre-training; at quick, without a second gamma."""
    rows = AFFECTED | ATTENTIVE if profile != "quick" else CHAPTER_4
    return on_affectnet(from_weights(rows, "[MS-CELEB-1M], from scratch"), profile)


ABLATED: Rows = {
    "center loss: a = 1": CENTERS["center loss"],
    "a = 0.5": {"method": "dacl", "attention_from": "constant"},
    "noise": {"method": "dacl", "attention_from": "noise"},
    "another image's": {"method": "dacl", "attention_from": "shuffled"},
    "its own: DACL": CHAPTER_4["DACL"],
}


def dacl_ablation(profile: str) -> Experiment:
    """DACL with its own attention, and with something else in its place; center loss gives every dimension 1."""
    return on_simfer(ABLATED, profile)


def dacl_ablation_affectnet(profile: str) -> Experiment:
    """The same where a fifth of the labels are wrong, and DACL is ahead."""
    return on_affectnet(ABLATED, profile)


def tuning(profile: str) -> Experiment:
    """The trials of every method (fercore.papers.tuning), a row each; what a seed does to one, with softmax's default; and the
    full-length runs that decide where a trial beats the default clearly.
    """
    tried = {method: trials(method, profile) for method in METHODS}
    rows = {f"{method}, trial {n}": [trial] for method, some in tried.items() for n, trial in enumerate(some, 1)}
    default = tried["softmax"][0]
    rows |= on_simfer({"softmax, every seed": {"method": "softmax", "epochs": default.epochs}}, profile)
    for method in CONTESTED if profile == "laptop" else ():
        rows[f"{method}, other"], rows[f"{method}, default"] = contest(method, candidates(method)[1], profile)
    return rows


def leaderboard(profile: str) -> Experiment:
    """Every method on SimFER as its trials chose it, with the same recipe and the same seeds; at quick a few of them."""
    names = QUICK_METHODS if profile == "quick" else METHODS
    return on_simfer({METHODS[name].label: {"method": name} | tuned(name, profile) for name in names}, profile)


PHOTOGRAPHED = ("softmax", "center", "dda", "dacl", "g-dacl", "island", "separate", "triplet-center")
PHOTOGRAPHED += tuple(f"{loss}-{sampler}" for loss in ("tc3l", "amtc3l") for sampler in SAMPLERS)


def photographs(profile: str) -> Experiment:
    """The papers' methods and their neighbors on FER2013's photographs, each as in `leaderboard`.

    With the settings that the trials on rendered faces chose: on photographs nothing is chosen. AMTC3L's baseline is there too.
    """
    names = QUICK_METHODS if profile == "quick" else PHOTOGRAPHED
    rows = {METHODS[name].label: {"method": name} | tuned(name, profile) for name in names}
    return on_photographs(rows | {"softmax, AMTC3L's head": AMTC3L_2["baseline"]}, profile)


def other_heads(profile: str) -> Experiment:
    """Softmax with the heads of other methods, by the leaderboard's recipe; what a head does, no loss should be praised for.

    Labels are the heads' names, as `RunConfig.head` has them.
    """
    rows = {head: {"method": "softmax", "head": head} for head in ("amtc3l", "one-branch")}
    return on_simfer(rows, profile)


NOISE_METHODS = ("softmax", "center", "dacl", "amtc3l-mm", "nplusm-2b")


def label_noise(profile: str) -> Experiment:
    """Some methods with a fifth of the training labels wrong, at the length of their trials.

    Rows "clean LABEL" are those methods with their trials' chosen settings; "noisy LABEL" differ in the labels alone.
    """
    rows = {}
    for method in NOISE_METHODS if profile != "quick" else NOISE_METHODS[:2]:
        first = trials(method, profile)[0]
        own = {"method": method, "epochs": first.epochs, **tuned(method, profile)}
        rows[f"clean {METHODS[method].label}"] = own
        rows[f"noisy {METHODS[method].label}"] = own | {"preset": f"{first.preset}-noisy"}
    return on_simfer(rows, profile)


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
    size = QUICK_LOOK if profile == "quick" else DIGITS_SIZE[profile]
    return {label: [RunConfig(profile=profile, **size, **values)] for label, values in ANATOMY.items()}


def table_amtc3l_1(profile: str) -> Experiment:
    """AMTC3L's table I: cross entropy with the paper's classifier, and AMTC3L with each sampler."""
    return on_simfer(AMTC3L_1, profile)


def table_amtc3l_2(profile: str) -> Experiment:
    """AMTC3L's table II: pipeline a adds TC3L to the baseline, b AMTC3L; b once more with its margin in the gradient."""
    attached = {"method": "amtc3l-mm", "margin_grad": "attached"}
    return on_simfer(AMTC3L_2 | {"pipeline b MM-NSS, margin attached": attached}, profile)


AUDIBLE = (3.0, 10.0, 30.0, 100.0)  # from here on the metric loss acts; at 1, table II's, its pull is lost beside the other


def amtc3l_weights(profile: str) -> Experiment:
    """TC3L (pipeline a) and AMTC3L (b) with each sampler, at weights that act. Labels are "PIPELINE SAMPLER at WEIGHT"."""
    return on_simfer(
        {
            f"{pipeline} {sampler.upper()}-NSS at {weight:g}": {"method": f"{loss}-{sampler}", "weight": weight}
            for pipeline, loss in (("a", "tc3l"), ("b", "amtc3l"))
            for sampler in (SAMPLERS if profile != "quick" else SAMPLERS[-1:])
            for weight in (AUDIBLE if profile != "quick" else AUDIBLE[-1:])
        },
        profile,
    )


def amtc3l_record(profile: str) -> Experiment:
    """NS-NSS in pipelines a and b where its weight acts, naming rivals by the mistakes of the last mini-batch alone.

    The algorithm's own words favor it. The other samplers keep no record.
    """
    last_batch = {"weight": 10.0, "memory": "batch"}
    return on_simfer(
        {"a NS-NSS": {"method": "tc3l-ns"} | last_batch, "b NS-NSS": {"method": "amtc3l-ns"} | last_batch}, profile
    )


LOUD = 300.0  # the weight at which AMTC3L's gradient by the embeddings is a sixth to a third of cross entropy's


def amtc3l_steps(profile: str) -> Experiment:
    """AMTC3L with each sampler in a short training on small faces, to be watched step by step (examination "steps").

    Once with the default weight, and once with one at which the metric loss can be heard beside the cross entropy.
    """
    small = {"preset": "quick", "image_size": 48, "crop": 40, "epochs": 4} | FACES_SIZE[check_profile(profile)]
    seeds = range(1 if profile == "quick" else 3)  # each is trained once more to be watched
    return {
        f"{name.upper()}-NSS{tail}": [
            RunConfig(method=f"amtc3l-{name}", data="simfer", profile=profile, seed=seed, weight=weight, **small)
            for seed in seeds
        ]
        for tail, weight in (("", 1.0), (", loud", LOUD))
        for name in SAMPLERS
    }


def tuplet_tables(profile: str) -> Experiment:
    """Tables 1 to 5 and figures 5 and 6 of the (N+M) paper, and two baselines that it lacks.

    Softmax alone, with the network of the one-branch rows; and the paper's method with tuples of made-up people.
    """
    rows = {"softmax": {"method": "softmax", "head": "one-branch"}} | (TUPLETS if profile != "quick" else BOTH_BRANCHES)
    if profile != "quick":
        rows["2B(N+M)Softmax, made-up people"] = {"method": "nplusm-2b", "identities": "random"}
    return on_sequences(rows, profile)


def tuplet_ablation(profile: str) -> Experiment:
    """The paper's contributions 1 and 2, each left out: the learned reference distance, and the mining of positives."""
    rows = BOTH_BRANCHES | {"constant T": {"reference": "constant"}, "no mining": {"mining": "off"}}
    return on_sequences({label: {"method": "nplusm-2b"} | own for label, own in rows.items()}, profile)


def tuplet_accuracies(profile: str) -> Experiment:
    """Tables 3 and 5: (N+1) and (N+M), one branch and two."""
    return on_sequences(TUPLETS if profile != "quick" else BOTH_BRANCHES, profile)


def tuplet_confusions(profile: str) -> Experiment:
    """Tables 1, 2 and 4: the paper's method alone."""
    return on_sequences(BOTH_BRANCHES, profile)


EXPERIMENTS: dict[str, Callable[[str], Experiment]] = {
    "table_3_1": table_3_1,
    "table_3_1_normalized": table_3_1_normalized,
    "table_3_1_schedule": table_3_1_schedule,
    "digit_rates": digit_rates,
    "chapter_1": chapter_1,
    "gamma_sweep": gamma_sweep,
    "rate_map": rate_map,
    "stabilizers": stabilizers,
    "face_baselines": face_baselines,
    "table_3_3": table_3_3,
    "table_3_4": table_3_4,
    "face_gammas": face_gammas,
    "face_difficulty": face_difficulty,
    "face_pretraining": face_pretraining,
    "attention_collapse": attention_collapse,
    "table_4_1": table_4_1,
    "table_4_2": table_4_2,
    "dacl_ablation": dacl_ablation,
    "dacl_ablation_affectnet": dacl_ablation_affectnet,
    "tuning": tuning,
    "leaderboard": leaderboard,
    "photographs": photographs,
    "other_heads": other_heads,
    "label_noise": label_noise,
    "amtc3l_anatomy": amtc3l_anatomy,
    "table_amtc3l_1": table_amtc3l_1,
    "table_amtc3l_2": table_amtc3l_2,
    "amtc3l_weights": amtc3l_weights,
    "amtc3l_record": amtc3l_record,
    "amtc3l_steps": amtc3l_steps,
    "tuplet_tables": tuplet_tables,
    "tuplet_ablation": tuplet_ablation,
}

# What stands beside a published table, by the table's name in published.csv; the data on which it ran is read from its
# configs and always shown.
PAPER_TABLES: dict[str, Callable[[str], Experiment]] = {
    "table 3.1": table_3_1_readings,
    "table 3.3": table_3_3,
    "table 3.4": table_3_4,
    "table 4.1": table_4_1,
    "table 4.2": table_4_2,
    "table I": table_amtc3l_1,
    "table II": table_amtc3l_2,
    "table 1": tuplet_confusions,
    "table 2": tuplet_confusions,
    "table 3": tuplet_accuracies,
    "table 4": tuplet_confusions,
    "table 5": tuplet_accuracies,
}


SEEN = CENTERS | {"DDA, released, gamma 1": {"method": "dda", "normalization": "released", "gamma": 1.0}} | ATTENTIVE
PHOTOGRAPHED_ROWS: dict[str, Rows] = {  # these tables' rows among `photographs`: real faces, and not the papers'
    "table 3.3": {label: own for label, own in SEEN.items() if label not in ATTENTIVE},
    "table 4.1": from_weights(SEEN, "[MS-CELEB-1M], from scratch"),
    "table II": AMTC3L_2,
}


FIXED_SEEDS = ("digit_rates", "rate_map", "stabilizers", "tuning", "amtc3l_anatomy", "amtc3l_steps")


def drawn(profile: str) -> set[str]:
    """Ids of the runs whose embeddings figures may draw: all but the trials, and of the leaderboard the first seed alone."""
    undrawn = ("tuning", "leaderboard", "label_noise")
    chosen = {name: make(profile).values() for name, make in EXPERIMENTS.items() if name not in undrawn}
    first = [configs[0] for configs in leaderboard(profile).values()]
    return {config.id for rows in chosen.values() for configs in rows for config in configs} | {config.id for config in first}
