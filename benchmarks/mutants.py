"""Which changed sign, constant, comparison or choice do the tests not notice? `python benchmarks/mutants.py [MODULE ...]`

Each mutant is one change in one module, tried in a process of its own by the tests of that module; a sample of a module's
mutants, the same in every run. A survivor is a gap in the tests, or a change that changes nothing. MUTANTS.md has a row a
module, of which those that were tried are written anew.
"""

import ast
import copy
import importlib.abc
import importlib.util
import multiprocessing
import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import pytorch_metric_learning.losses  # noqa: F401  what the tests need, as `import_others` does: once for all mutants
import scikit_posthocs  # noqa: F401
import sklearn.metrics  # noqa: F401
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "benchmarks" / "MUTANTS.md"
MOST = 25  # mutants of a module
PATIENCE = 300  # seconds, after which a mutant is told with the survivors: it may never end
OWN = {"center": "sparse_center", "center_variants": "pairwise"}  # tests of a loss that have not its name
LOSSES = ("center", "center_variants", "class_centers", "dda", "distances", "pairwise", "tc3l", "tuplet")
TESTS = {f"fercore.losses.{name}": f"tests/losses/test_{OWN.get(name, name)}.py tests/losses" for name in LOSSES} | {
    "fercore.samplers": "tests/samplers/test_samplers.py",
    "fercore.mining": "tests/samplers/test_mining.py",
    "fercore.tuples": "tests/samplers/test_tuples.py",
    "fercore.evaluation.metrics": "tests/evaluation/test_metrics.py",
    "fercore.evaluation.stats": "tests/evaluation/test_stats.py",
    "fercore.data.splits": "tests/data/test_splits.py",
}
STORE = ("files", "result", "identity", "find", "local", "session", "shipped")
TESTS |= {f"fercore.runs.{name}": "tests/runs tests/faults/test_files.py tests/faults/test_data.py" for name in STORE}
PAIRS = "Add Sub, Mult Div, Lt LtE, Gt GtE, Eq NotEq, And Or, BitAnd BitOr, In NotIn"
SWAPS = [pair.split() for pair in PAIRS.split(", ")]
INSTEAD = {getattr(ast, a): getattr(ast, b) for pair in SWAPS for a, b in (pair, pair[::-1])} | {ast.Pow: ast.Mult}
CALLS = {"max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin", "argmin": "argmax"}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    match node:
        case ast.BinOp(op=sign) | ast.BoolOp(op=sign) if type(sign) in INSTEAD:
            yield changed(node, op=INSTEAD[type(sign)]())
        case ast.Compare(ops=[sign]) if type(sign) in INSTEAD:
            yield changed(node, ops=[INSTEAD[type(sign)]()])
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield changed(node, value=not node.value)
        case ast.Constant(value=int()):
            yield changed(node, value=node.value + 1)
        case ast.Constant(value=float()):
            yield changed(node, value=2 * node.value or 1.0)
        case ast.Call(func=ast.Attribute(attr=name)) if name in CALLS:
            yield changed(node, func=changed(node.func, attr=CALLS[name]))
        case ast.Call(func=ast.Attribute(attr="clamp", value=value)):
            yield value


def changed(node: ast.AST, **fields: object) -> ast.AST:
    node = copy.copy(node)
    vars(node).update(fields)
    return node


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the module's source with it); messages and annotations stay."""
    tree = ast.parse(source)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "exc", "decorator_list", "format_spec"):
                continue
            for place, node in enumerate(value if isinstance(value, list) else [value]):
                for other in changes(node) if isinstance(node, ast.AST) else ():
                    put(parent, field, place, other)
                    yield f"`{ast.unparse(node)}` to `{ast.unparse(other)}` in line {node.lineno}", ast.unparse(tree)
                    put(parent, field, place, node)


def put(parent: ast.AST, field: str, place: int, node: ast.AST) -> None:
    if isinstance(getattr(parent, field), list):
        getattr(parent, field)[place] = node
    else:
        setattr(parent, field, node)


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a source of ours."""

    def __init__(self, module: str, source: str) -> None:
        self.module, self.source = module, source

    def find_spec(self, name: str, *_: object) -> object:
        return importlib.util.spec_from_loader(name, self) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.module, "exec"), vars(module))


def import_others() -> None:
    """Load all that the project imports, and forget the project itself, of which each mutant loads its own."""
    import fercore.train  # noqa: F401

    for name in [name for name in sys.modules if name.partition(".")[0] == "fercore"]:
        del sys.modules[name]


def try_mutant(module: str, source: str) -> None:
    """The exit code of the tests, as this process's."""
    sys.meta_path.insert(0, Instead(module, source))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    settings.register_profile("once", phases=(Phase.explicit, Phase.generate))  # any failure will do, not the smallest
    settings.load_profile("once")
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os._exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *TESTS[module].split()]))


def survivors(module: str) -> tuple[int, list[str]]:
    """How many mutants were tried, and what was changed in those that no test noticed."""
    source = (ROOT / f"{module.replace('.', '/')}.py").read_text()
    every = list(mutants(source))
    tried, alive = random.Random(0).sample(every, min(MOST, len(every))), []
    for change, mutant in [("nothing", source), *tried]:
        process = multiprocessing.get_context("fork").Process(target=try_mutant, args=(module, mutant))
        process.start()
        process.join(PATIENCE)
        code = process.exitcode
        process.kill()
        process.join()
        if not code:
            alive.append(change if code == 0 else f"{change} (did not end)")
        elif change == "nothing":
            raise SystemExit(f"{TESTS[module]} fails without any change")
    return len(tried), alive[1:]


HEAD = """# What the tests notice

Made by `python benchmarks/mutants.py`, which changes one sign, constant, comparison or choice of a module at a time and runs
the tests of that module: of each a sample of at most {} changes. What was not noticed is listed: a gap in the tests, or a
change that changes nothing.

| module | tried | noticed | not noticed |
| --- | --: | --: | --- |
"""
ROW = re.compile(r"\| (fercore\.\S+) \| (\d+) \| (\d+) \| (.*) \|")


def report(rows: dict[str, tuple[int, int, str]]) -> str:
    """The page: of each module how many mutants were tried and noticed, and the others in words."""
    lines = ["| " + " | ".join(map(str, (module, *rows[module]))) + " |\n" for module in TESTS if module in rows]
    tried, noticed = (sum(row[column] for row in rows.values()) for column in (0, 1))
    return HEAD.format(MOST) + "".join(lines) + f"| all | {tried} | {noticed} | {noticed / tried:.1%} noticed |\n"


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import_others()
    for module in sys.argv[1:] or TESTS:
        tried, alive = survivors(module)
        known = ROW.findall(REPORT.read_text()) if REPORT.exists() else []
        rows = {name: (int(count), int(noticed), words) for name, count, noticed, words in known}
        rows[module] = (tried, tried - len(alive), "; ".join(alive).replace("|", r"\|"))
        REPORT.write_text(report(rows))
        print(f"{module}: {tried - len(alive)} of {tried} noticed", *alive, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
