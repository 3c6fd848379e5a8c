"""Which changed sign, constant, comparison or choice do the tests not notice? `python benchmarks/mutants.py [MODULE ...]`

Each mutant is one change in one module, tried in a process of its own by the quick tests of that module; a sample of a
module's mutants, the same in every run. A survivor is a gap in the tests, or a change that changes nothing: THE_SAME says why.
MUTANTS.md has a row a module, of which those that were tried are written anew.
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
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "benchmarks" / "MUTANTS.md"
MOST = 5  # mutants of a module
PATIENCE = 300  # seconds, after which a mutant is told with the survivors: it may never end
OWN = {"center": "sparse_center", "center_variants": "pairwise"}  # tests of a loss that have not its name
LOSSES = ("center", "center_variants", "class_centers", "dda", "distances", "pairwise", "tc3l", "tuplet")
ARGUMENTS = "tests/losses/test_arguments.py"
TESTS = {f"fercore.losses.{name}": f"tests/losses/test_{OWN.get(name, name)}.py {ARGUMENTS}" for name in LOSSES} | {
    "fercore.samplers": "tests/samplers/test_samplers.py",
    "fercore.mining": "tests/samplers/test_mining.py",
    "fercore.tuples": "tests/samplers/test_tuples.py",
    "fercore.evaluation.metrics": "tests/evaluation/test_metrics.py",
    "fercore.evaluation.stats": "tests/evaluation/test_stats.py",
    "fercore.data.splits": "tests/data/test_splits.py",
}
STORE = ("files", "result", "identity", "find", "local", "session", "shipped")
TESTS |= {f"fercore.runs.{name}": "tests/runs tests/faults/test_files.py tests/faults/test_data.py" for name in STORE}
QUICK = "not compile and not two_processes and not killed"  # other processes would have the module as it is
TO_NORMAL = "(2 * stats.norm.ppf(0.975) * std / width) ** 2"
AGE = "datetime.fromisoformat(session_start()).timestamp()"
THE_SAME = {  # changes that no test can notice, by module; where its line has moved, judge again
    "fercore.losses.distances": {"`256` to `257` in line 9": "rows at a time"},
    "fercore.samplers": {"`1` to `2` in line 195": "dimensions at a time, of more centers than memory allows"},
    "fercore.evaluation.metrics": {"`True` to `False` in line 105": "two lists that are equally long"},
    "fercore.evaluation.stats": {
        f"`{TO_NORMAL}` to `{TO_NORMAL[1:-6]} * 2` in line 250": "where a search for the smallest begins, below it in both"
    },
    "fercore.data.splits": {"`True` to `False` in line 72": "nothing assigns to what is frozen"},
    "fercore.runs.files": {
        "`1` to `2` in line 160": "spaces at the begin of a line of JSON",
        "`path.stat().st_size > MOST_TEXT` to `path.stat().st_size >= MOST_TEXT` in line 164": "one byte of 128 MiB",
    },
    "fercore.runs.local": {
        f"`checkpoint.stat().st_mtime < {AGE}` to `checkpoint.stat().st_mtime <= {AGE}` in line 55": "the same nanosecond"
    },
    "fercore.runs.session": {"`0` to `1` in line 109": "a second, until it is said that another process is waited for"},
}
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


def run_tests(modules: Iterable[str], *options: str) -> int:
    """The exit code of the quick tests of these modules."""
    files = dict.fromkeys(file for module in modules for file in TESTS[module].split())
    return pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", QUICK, *options, *files])


def import_others() -> None:
    """Load all that the tests import, and forget the project itself, of which each mutant loads its own."""
    run_tests(TESTS, "--collect-only", "-qq")
    for name in [name for name in sys.modules if name.partition(".")[0] in ("fercore", "simfer", "tests")]:
        del sys.modules[name]


def in_fork(modules: Iterable[str], instead: Instead | None = None) -> None:
    """The exit code of the tests, as this process's."""
    if instead:
        sys.meta_path.insert(0, instead)
    settings.register_profile("once", phases=(Phase.explicit, Phase.generate))  # any failure will do, not the smallest
    settings.load_profile("once")
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os._exit(run_tests(modules))


def exit_code(*arguments: object) -> int | None:
    """That of `in_fork(*arguments)`; None where it did not end."""
    process = multiprocessing.get_context("fork").Process(target=in_fork, args=arguments)
    process.start()
    process.join(PATIENCE)
    code = process.exitcode
    process.kill()
    process.join()
    return code


def survivors(module: str) -> tuple[int, list[str]]:
    """How many mutants were tried, and what was changed in those that no test noticed."""
    every = list(mutants((ROOT / f"{module.replace('.', '/')}.py").read_text()))
    random.Random(0).shuffle(every)
    alive = []
    for change, source in every[:MOST]:
        code = exit_code([module], Instead(module, source))
        if not code:
            alive.append(change if code == 0 else f"{change} (did not end)")
    return min(MOST, len(every)), alive


HEAD = """# What the tests notice

Made by `python benchmarks/mutants.py`, which changes one sign, constant, comparison or choice of a module at a time and runs
its quick tests, those that start no process and compile nothing: of each module a sample of at most {} changes. Those that
were not noticed are listed: gaps in the tests, or the same program, and then why.

| module | tried | noticed | the same | not noticed |
| --- | --: | --: | --: | --- |
"""
ROW = re.compile(r"\| (fercore\.\S+) \| (\d+) \| (\d+) \| (\d+) \| (.*) \|")


def row_of(module: str, tried: int, alive: list[str]) -> tuple[int, int, int, str]:
    """Numbers of mutants that were tried, noticed and the same, and the survivors in words."""
    judged = [THE_SAME.get(module, {}).get(change) for change in alive]
    words = [f"{change} (the same: {why})" if why else change for change, why in zip(alive, judged, strict=True)]
    return tried, tried - len(alive), sum(map(bool, judged)), "; ".join(words).replace("|", r"\|")


def report(rows: dict[str, tuple[int, int, int, str]]) -> str:
    """The page: of each module how many mutants were tried and noticed, and the others in words."""
    lines = ["| " + " | ".join(map(str, (module, *rows[module]))) + " |\n" for module in TESTS if module in rows]
    tried, noticed, same = (sum(row[column] for row in rows.values()) for column in range(3))
    share = f"{noticed / (tried - same):.1%} noticed of those that are another program"
    return HEAD.format(MOST) + "".join(lines) + f"| all | {tried} | {noticed} | {same} | {share} |\n"


def main() -> None:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import_others()
    modules = sys.argv[1:] or list(TESTS)
    if exit_code(modules) != 0:
        raise SystemExit("the tests fail without any change")
    for module in modules:
        tried, alive = survivors(module)
        known = ROW.findall(REPORT.read_text()) if REPORT.exists() else []
        rows = {name: (*map(int, numbers), words) for name, *numbers, words in known}
        rows[module] = row_of(module, tried, alive)
        REPORT.write_text(report(rows))
        print(f"{module}: {tried - len(alive)} of {tried} noticed", *alive, sep="\n  ", flush=True)


if __name__ == "__main__":
    main()
