"""SimFER's tree: RAF-DB's layout, with the true labels, identities and sequences of simfer.csv."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from fercore.data.readers.catalog import Catalog
from fercore.data.readers.files import (
    SMALL_FILE,
    bad,
    make_catalog,
    read_table,
    refuse_duplicates,
    require_file,
    text_lines,
    whole_number,
)
from fercore.data.readers.raf import LIST, read_list
from fercore.paths import data_dir, shown

SIMFER_FOLDS = 8  # where SimFER has no test images: as for CK+


def read_simfer(root: Path) -> Catalog:
    """SimFER: RAF-DB's layout, with identities from simfer.csv.

    A preset without test images (sequences, identity) is read for subject-independent folds. Of a sequence the frames at
    its peak are kept, as the protocols of CK+ and MMI do, and the neutral one is counted as skipped.

    Raises:
        DataError: not generated yet, or not to its end; the csv and the list disagree; and as `read_rafdb`.
    """
    root = Path(root)
    make = f"run `{maker(root)}`, which makes it or goes on where it stopped"
    if not root.is_dir():
        raise bad(root, "folder not found", make)
    manifest = root / "manifest.json"
    if manifest.exists():
        require_file(manifest, most=SMALL_FILE)
    try:
        complete = manifest.exists() and json.loads("".join(text_lines(manifest))).get("complete") is True
    except (ValueError, AttributeError, RecursionError):
        raise bad(manifest, "is not a JSON object", make) from None
    if not complete:
        raise bad(root, "was not generated to its end", make)
    entries = read_list(root)
    listed = root / "simfer.csv"
    rows = list(read_table(listed, ("name", "split", "label", "identity")))
    refuse_duplicates((row["name"].lower() for _, row in rows), listed, [line for line, _ in rows])
    known = truths(entries, listed, {row["name"].lower(): (line, row) for line, row in rows})
    kept = [i for i, (_, sequence, frame) in enumerate(known) if sequence < 0 or frame > 0]
    skipped = entries["skipped"] + Counter({"neutral frames of sequences": len(known) - len(kept)})
    files, labels, splits, known = (
        [values[i] for i in kept] for values in (entries["files"], entries["labels"], entries["splits"], known)
    )
    identities, sequences, _ = zip(*known, strict=True) if known else ((), (), ())
    more = {"files": tuple(files), "identities": identities}
    if max(sequences, default=-1) >= 0 or "test" not in splits:
        more["folds"], splits = SIMFER_FOLDS, ["all"] * len(splits)
    if max(sequences, default=-1) >= 0:
        more["sequences"] = sequences
    return make_catalog("simfer", root, labels, splits, skipped, **more)


def maker(root: Path) -> str:
    """The command that makes the set in `root`."""
    if root.absolute().parent == (data_dir() / "simfer").absolute():
        return f"python -m fercore data make simfer --preset {root.name}"
    return f"python -m simfer --preset PRESET --out {shown(root)}"


def truths(entries: dict[str, Any], listed: Path, found: dict[str, tuple[int, dict[str, str]]]) -> list[tuple[int, int, int]]:
    """What simfer.csv knows of each image of the list: who is seen, in which sequence (-1: a single image) and frame."""
    known = []
    for file, label, split in zip(entries["files"], entries["labels"], entries["splits"], strict=True):
        name = file.name.lower().replace("_aligned", "")
        if name not in found:
            raise bad(listed, f"no row for {name}, which {LIST} names", "generate the set again")
        line, row = found[name]
        if (row["split"], row["label"]) != (split, str(label + 1)):
            problem = f"{name} is {row['split']} with label {row['label']}, but {split} with {label + 1} in {LIST}"
            raise bad(listed, problem, "generate the set again", line)
        identity = whole_number(row["identity"], range(2**31), "identity", listed, line)
        sequence = whole_number(row.get("sequence", "-1"), range(-1, 2**31), "sequence", listed, line)
        known.append((identity, sequence, whole_number(row.get("frame", "0"), range(2**31), "frame", listed, line)))
    if len(found) > len(known):
        extra = min(set(found) - {file.name.lower().replace("_aligned", "") for file in entries["files"]})
        raise bad(listed, f"{extra} is not in {LIST}", "generate the set again", found[extra][0])
    return known
