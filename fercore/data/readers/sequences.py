"""CK+ and MMI: short videos of known subjects."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fercore.data.readers.catalog import ALL_CLASSES, Catalog
from fercore.data.readers.files import (
    SMALL_FILE,
    bad,
    class_of,
    coded,
    either,
    find_images,
    index_images,
    list_folder,
    make_catalog,
    read_table,
    refuse_duplicates,
    relative_path,
    require_file,
    require_folder,
    require_found,
    subfolders,
    text_lines,
    whole_number,
)

FRAMES = 3  # that stand for a sequence (section 4.1): CK+'s last three, MMI's middle three
Peak = tuple[list[Path], int, int]  # FRAMES frames of a sequence, its class, and who is seen

# --- CK+ --------------------------------------------------------------------------------------------------------------

CK_EMOTIONS = ("Neutral", "Anger", "Contempt", "Disgust", "Fear", "Happy", "Sadness", "Surprise")  # ids 0..7; 0 is unused
CK_IMAGES, CK_LABELS = "cohn-kanade-images", "Emotion"
CK_FOLDS = 8
NO_LABEL = "sequences without an emotion label"


def read_ckplus(root: Path) -> Catalog:
    """CK+ (Lucey et al., 2010): of each labeled sequence the last three frames; identity = the subject's folder.

    The class order is the canonical one with contempt; no image is neutral. Sequences without an emotion are counted.

    Raises:
        DataError: a misplaced or damaged label, an emotion out of 1..7, a label without its sequence,
            a frame in another sequence's folder, or fewer than three frames.
    """
    images = either(root, CK_IMAGES, f"extended-{CK_IMAGES}/{CK_IMAGES}", f"extended-{CK_IMAGES}")  # as the zips are called
    emotions_of = either(root, CK_LABELS, f"Emotion_labels/{CK_LABELS}", "Emotion_labels")
    require_folder(images, "the sequences S005/001/*.png")
    require_folder(emotions_of, "the labels S005/001/*_emotion.txt")
    skipped: Counter[str] = Counter()
    emotions = ck_labels(emotions_of, skipped)
    found: list[Peak] = []
    for subject in subfolders(images, skipped):
        for sequence in subfolders(subject, skipped):
            frames = ck_frames(sequence, skipped)
            if (subject.name, sequence.name) not in emotions:
                skipped[NO_LABEL] += 1
                continue
            label = emotions.pop((subject.name, sequence.name))
            found.append((frames[-FRAMES:], label, numbered(subject)))
    for subject_name, sequence_name in emotions:
        missing = images / subject_name / sequence_name
        raise bad(missing, f"sequence not found, but {CK_LABELS} has a label for it", "restore the images")
    return catalog_of("ckplus", root, found, skipped, folds=CK_FOLDS, class_names=ALL_CLASSES)


def ck_labels(folder: Path, skipped: Counter[str]) -> dict[tuple[str, str], int]:
    """{(subject, sequence): class} from Emotion/S005/001/S005_001_00000011_emotion.txt; most folders hold none."""
    found = {}
    refuse_labels(folder)
    for subject in subfolders(folder, skipped):
        refuse_labels(subject)
        for sequence in subfolders(subject, skipped):
            files = label_files(sequence)
            skipped["files beside the labels that are none"] += len(list_folder(sequence, skipped)) - len(files)
            if len(files) > 1:
                raise bad(files[1], f"is a second label of its sequence, beside {files[0].name}", "delete the wrong one")
            for file in files:
                if not file.name.startswith(f"{subject.name}_{sequence.name}_"):
                    raise bad(file, f"does not belong into {subject.name}/{sequence.name}", "move it to its own folder")
                found[subject.name, sequence.name] = ck_label(file)
    return found


def label_files(folder: Path) -> list[Path]:
    return [folder / entry.name for entry in list_folder(folder) if entry.name.lower().endswith("_emotion.txt")]


def refuse_labels(folder: Path) -> None:
    """A label outside a sequence's folder would otherwise go unseen."""
    for file in label_files(folder):
        raise bad(file, "lies at a wrong level", f"expected {CK_LABELS}/S005/001/{file.name}")


def ck_label(file: Path) -> int:
    words = "".join(text_lines(file)).split()
    if len(words) != 1:
        raise bad(file, f"holds {len(words)} values, expected one emotion", "restore the file", 1)
    return class_of(CK_EMOTIONS[whole_number(words[0], range(1, 8), "emotion", file, 1)], file)


def ck_frames(sequence: Path, skipped: Counter[str]) -> list[Path]:
    """The frames S005_001_00000001.png and so on, in order."""
    frames = list(find_images(sequence, skipped).values())
    for frame in frames:
        if not re.fullmatch(
            rf"{re.escape(sequence.parent.name)}_{re.escape(sequence.name)}_\d+", frame.stem, flags=re.IGNORECASE
        ):
            problem = f"is no frame of {sequence.parent.name}/{sequence.name}"
            raise bad(frame, problem, f"expected {sequence.parent.name}_{sequence.name}_00000001.png and so on")
    return in_order(frames, sequence)


# --- MMI --------------------------------------------------------------------------------------------------------------

MMI_EMOTIONS = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")  # ids 1..6 of the Metatag "Emotion"
MMI_FOLDS = 10
MMI_TABLE = "frames.csv"
VIDEO_SUFFIXES = (".avi", ".mpg", ".mpeg", ".mp4", ".mov")
SIDE_VIEW = "1"


def read_mmi(root: Path) -> Catalog:
    """MMI (Pantic et al., 2005): of each session of one of six emotions the three middle frames.

    Sessions/1767/ holds session.xml, S002-106.xml and the frames, beside them or in a folder S002-106/. A session seen from
    the side, of another display, or with its video alone is skipped and counted: extract the frames of the last first.

    Raises:
        DataError: xml that cannot be read, an emotion that is none, fewer than three frames, or nothing left.
    """
    skipped: Counter[str] = Counter()
    found = [read_session(session, skipped) for session in subfolders(either(root, "Sessions"), skipped)]
    return catalog_of("mmi", root, list(filter(None, found)), skipped, folds=MMI_FOLDS)


def read_session(session: Path, skipped: Counter[str]) -> Peak | None:
    """The middle frames of a session; None, having counted why, where it is left out."""
    names = [entry.name for entry in list_folder(session)]
    videos = [name for name in names if name.lower().endswith(VIDEO_SUFFIXES)]
    about = [name for name in names if re.fullmatch(r"S\d{1,9}-\d+\.xml", name, flags=re.IGNORECASE)]
    if len(about) != 1:
        raise bad(session, f"{len(about)} files such as S002-106.xml, expected one", "restore the session")
    clip = Path(about[0]).stem
    if "session.xml" in names and SIDE_VIEW in [track.get("view") for track in read_xml(session / "session.xml").iter("track")]:
        skipped["sessions seen from the side"] += 1
        return None
    tags = {tag.get("Name"): tag.get("Value") or "" for tag in read_xml(session / about[0]).iter("Metatag")}
    if "Emotion" not in tags:
        skipped["sessions without an emotion"] += 1
        return None
    number = whole_number(tags["Emotion"], range(1000), "emotion", session / about[0])
    if not 1 <= number <= len(MMI_EMOTIONS):
        skipped["sessions of a display that is none of the six emotions"] += 1
        return None
    extracted = find_images(session / clip, skipped) if (session / clip).is_dir() else {}
    frames = list((extracted or find_images(session, Counter())).values())  # beside xml and video, which are no surprise
    if not frames and videos:
        skipped["sessions with a video alone (extract its frames into a folder named as the video)"] += 1
        return None
    label = class_of(MMI_EMOTIONS[number - 1], session / about[0])
    return middle(in_order(frames, session)), label, int(clip[1:].split("-")[0])


def read_xml(path: Path) -> ET.Element:
    require_file(path, most=SMALL_FILE)
    try:
        return ET.parse(path).getroot()
    except (ET.ParseError, ValueError, LookupError) as error:  # the last two of an encoding that there is not
        raise bad(path, f"is not xml ({error})", "restore the file") from None
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror or error})", "check that it is a file you may read") from None


def read_mmi_table(root: Path) -> Catalog:
    """MMI as frames.csv: file (below the root), subject, session, emotion; three rows or more a session.

    Raises:
        DataError: a damaged table, a session of two subjects or emotions, a missing frame, or fewer than three.
    """
    listed = either(root, MMI_TABLE)
    rows = list(read_table(listed, ("file", "subject", "session", "emotion")))
    lines = [line for line, _ in rows]
    names = [relative_path(row["file"], listed, line) for line, row in rows]
    refuse_duplicates((str(name).lower() for name in names), listed, lines)
    skipped: Counter[str] = Counter()
    images = index_images(root, names, skipped)
    found = require_found(images, names, root, listed, lines)
    skipped[f"images that {MMI_TABLE} does not name"] += len(images) - len(found)
    sessions: dict[str, tuple[str, int, list[Path]]] = {}
    for (line, row), file in zip(rows, found, strict=True):
        label = class_of(row["emotion"], listed, line)
        subject, session_label, frames = sessions.setdefault(row["session"], (row["subject"], label, []))
        if (subject, session_label) != (row["subject"], label):
            raise bad(listed, f"session {row['session']} has two subjects or two emotions", "correct the row", line)
        frames.append(file)
    subjects = coded([subject for subject, _, _ in sessions.values()])
    peaks = [
        (middle(in_order(frames, listed)), label, subject)
        for subject, (_, label, frames) in zip(subjects, sessions.values(), strict=True)
    ]
    return catalog_of("mmi", root, peaks, skipped, folds=MMI_FOLDS)


# --- pieces -----------------------------------------------------------------------------------------------------------


def catalog_of(name: str, root: Path, peaks: Sequence[Peak], skipped: Counter[str], **fields: Any) -> Catalog:
    """The catalog of one heap of sequences, to be divided into folds."""
    frames, labels, subjects = zip(*peaks, strict=True) if peaks else ((), (), ())
    fields |= {"identities": np.repeat(subjects, FRAMES), "sequences": np.repeat(range(len(peaks)), FRAMES)}
    splits, files = ["all"] * (FRAMES * len(peaks)), tuple(chain(*frames))
    return make_catalog(name, root, np.repeat(labels, FRAMES), splits, skipped, files=files, **fields)


def in_order(frames: Sequence[Path], place: Path) -> list[Path]:
    """Frames by the numbers in their names, so that frame 10 follows frame 9; at least three."""
    if len(frames) < FRAMES:
        raise bad(place, f"{len(frames)} frames in a labeled sequence, needs {FRAMES}", "restore or extract the frames")
    return sorted(frames, key=lambda path: ([int(digits) for digits in re.findall(r"\d+", path.stem)], path.name))


def middle(frames: Sequence[Path]) -> list[Path]:
    start = (len(frames) - FRAMES) // 2
    return list(frames[start : start + FRAMES])


def numbered(subject: Path) -> int:
    """The number in the name of a subject's folder."""
    match = re.fullmatch(r"S(\d{1,9})", subject.name, flags=re.IGNORECASE)
    if not match:
        raise bad(subject, "is no subject's folder", "expected names such as S005")
    return int(match[1])
