"""The page "How do I use one loss in my own loop?": each of its sections runs, after the first one."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fercore.paths import ROOT

PAGE = (ROOT / "book" / "own_loop.md").read_text()
SECTIONS = {
    title: re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
}
FIRST, SCRIPT, ONNX = "The loop", "Several processes", "A trained network as ONNX"


def run(title: str) -> None:
    known = {}
    for block in [*SECTIONS[FIRST], *SECTIONS[title]]:
        exec(compile(block, f"own_loop.md, {title}", "exec"), known)


def test_the_page_is_read_whole():
    assert sum(map(len, SECTIONS.values())) == PAGE.count("```python") == PAGE.count("```") / 2
    assert all(SECTIONS.values())


@pytest.mark.parametrize("title", [title for title in SECTIONS if title not in (FIRST, SCRIPT, ONNX)])
def test_a_section_runs(title):
    run(title)


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_a_trained_network_runs_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(ONNX)


def test_two_processes_run(tmp_path):
    (block,) = SECTIONS[SCRIPT]
    script = tmp_path / Path(block.splitlines()[0].removeprefix("# "))
    script.write_text(block)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    found = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
