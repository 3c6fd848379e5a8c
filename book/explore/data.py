"""Make what the explorables show: `python -m book.explore.data` writes it into book/_static/explore/.

The plane is taken from shipped results; the faces are rendered. A page opened from a disk may load a script or a picture but
no data file, so the numbers come as scripts.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from fercore.config import RunConfig
from fercore.papers.experiments import (
    HIGH_GAMMAS,
    Experiment,
    amtc3l_anatomy,
    chapter_1,
    gamma_sweep,
    table_3_1,
    table_3_1_normalized,
)
from fercore.plots import class_colors
from fercore.runs.result import RunResult
from fercore.runs.shipped import shipped_result
from simfer.assets import load_head
from simfer.expression import CLASS_NAMES, Expression, sample_expression
from simfer.identity import Identity, sample_identity
from simfer.render import render
from simfer.wild import Scene

FOLDER = Path(__file__).parents[1] / "_static" / "explore"

# --- the plane ----------------------------------------------------------------------------------------------------------

PER_CLASS = 50  # of the 100 images a digit that each run follows through its epochs
OWN_RATE = ", normalized, own rate"


def plane() -> dict:
    """What the page knows: classes [K], their colors, which are rare, and every run as `followed` gives it."""
    provenance = shipped_result(chapter_1("laptop")["softmax"][0].id).provenance
    runs = []
    for network, rows in networks().items():
        for label, config in rows.items():
            loss, _, setting = label.replace("DDA gamma", "DDA, gamma").partition(", ")
            runs.append({"network": network, "loss": loss, "setting": setting} | followed(shipped_result(config.id)))
    names = provenance["class_names"]
    return {"classes": names, "minority": provenance["minority"], "colors": class_colors(len(names)), "runs": runs}


def networks() -> dict[str, dict[str, RunConfig]]:
    """{network: {loss: its run with seed 0}}, from chapters 1, 2 and 6."""
    high = {f"DDA gamma {gamma}, released": gamma_sweep("laptop")[str(gamma)] for gamma in HIGH_GAMMAS}
    lossless = {label: runs for label, runs in amtc3l_anatomy("laptop").items() if label.endswith("-NSS")}
    published = {label: runs for label, runs in table_3_1_normalized("laptop").items() if label.endswith(OWN_RATE)}
    return {
        "LeNets++ by the thesis's words": first_of(table_3_1("laptop") | high | lossless),
        "LeNets++ as its author published it": first_of(
            {label.removesuffix(OWN_RATE): runs for label, runs in published.items()}
        ),
    }


def first_of(rows: Experiment) -> dict[str, RunConfig]:
    return {label: runs[0] for label, runs in rows.items()}


def followed(result: RunResult) -> dict:
    """The same images after each epoch.

    Returns:
        id; accuracy in percent (None where it diverged); labels [n]; points: [E, n, 2] int16 in base64, of which 32767 is
        `reach`; centers [E, K, 2], likewise, or "" where the loss has none.
    """
    if result.diverged:
        return {"id": result.config.id, "accuracy": None}
    points, labels = result.arrays["snapshot_embeddings"].astype(float), result.arrays["snapshot_labels"]
    kept = np.sort(np.concatenate([np.flatnonzero(labels == k)[:PER_CLASS] for k in np.unique(labels)]))
    centers = result.arrays.get("centers", np.zeros((0, 0, 2))).astype(float)
    reach = float(max(np.abs(points[:, kept]).max(), np.abs(centers).max(initial=0)))
    return {
        "id": result.config.id,
        "accuracy": round(100 * result.accuracy, 2),
        "labels": labels[kept].tolist(),
        "epochs": len(points),
        "reach": round(reach, 3),
        "points": packed(points[:, kept], reach),
        "centers": packed(centers, reach),
    }


def packed(values: np.ndarray, reach: float) -> str:
    return base64.b64encode(np.round(values / reach * 32767).astype("<i2").tobytes()).decode()


def rival_record() -> dict:
    """For the hardest negative: centers [K, 2] of the AMTC3L run of chapter 6, and who was taken for whom, S [K, K]."""
    run = shipped_result(amtc3l_anatomy("laptop")["AMTC3L, MM-NSS"][0].id)
    record = np.array(run.test["last"]["confusion"])
    np.fill_diagonal(record, 0)
    centers = run.arrays["centers"][-1].astype(float).round(2)
    return {"id": run.config.id, "centers": centers.tolist(), "record": record.tolist()}


# --- the faces ----------------------------------------------------------------------------------------------------------

SIDE = 160  # pixels of a sprite
PERSON, PROTOTYPE = 102, 1  # seeds of the person and of the expressions
STRENGTHS = (0.33, 0.67, 1.0)
YAWS = (-0.6, -0.3, 0.0, 0.3, 0.6)  # radians
LIGHTS = {"from the left": -1.2, "from the front": 0.0, "from the right": 1.2}  # x of the direction to the key light


def faces() -> tuple[dict, Image.Image]:
    """What the sliders mean, and one sheet of sprites: a row an expression and strength, a column a light and a pose."""
    person = sample_identity(load_head(), np.random.default_rng(PERSON))
    rows = [(name, strength) for name in CLASS_NAMES[:-1] for strength in STRENGTHS] + [("Neutral", 0.0)]
    columns = [(light, yaw) for light in LIGHTS for yaw in YAWS]
    sheet = Image.new("RGB", (len(columns) * SIDE, len(rows) * SIDE))
    for top, (name, strength) in enumerate(rows):
        for left, (light, yaw) in enumerate(columns):
            sheet.paste(sprite(person, name, strength, light, yaw), (left * SIDE, top * SIDE))
    return {
        "side": SIDE, "rows": rows, "columns": columns, "person": PERSON, "prototype": PROTOTYPE,
        "expressions": CLASS_NAMES, "strengths": STRENGTHS, "yaws": YAWS, "lights": LIGHTS,
    }, sheet  # fmt: skip


def sprite(person: Identity, name: str, strength: float, light: str, yaw: float) -> Image.Image:
    """One face, drawn as a reader would draw it with simfer."""
    label = CLASS_NAMES.index(name)
    full = sample_expression(label, np.random.default_rng([label, PROTOTYPE]), difficulty=0.0)
    expression = Expression(label, {action: strength * weight for action, weight in full.actions.items()})
    scene = Scene(yaw=yaw, light=(LIGHTS[light], 0.3, 0.5), ambient=0.25 if LIGHTS[light] else 0.42, texture_seed=6)
    return render(person, expression, scene, SIDE)


# --- files ----------------------------------------------------------------------------------------------------------------


def script(name: str, content: dict) -> str:
    """A script that hands `content` to the page as `explore.NAME`."""
    return f"window.explore = window.explore || {{}};\nexplore.{name} = {json.dumps(content, separators=(',', ':'))};\n"


def write_all() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    meaning, sheet = faces()
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=72, method=6)
    (FOLDER / "faces.webp").write_bytes(buffer.getvalue())
    for name, content in {"plane": plane(), "rivals": rival_record(), "faces": meaning}.items():
        (FOLDER / f"{name}_data.js").write_text(script(name, content), encoding="utf-8")


if __name__ == "__main__":
    write_all()
