"""The table of attempts at the end of the test run, and the failure of a test whose attempts found something."""

from collections.abc import Iterator

import pytest

from tests.faults import tally


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    tally.failures.clear()
    outcome = yield
    if tally.failures:
        pytest.fail("\n".join(tally.failures), pytrace=False)
    return outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if tally.table:
        terminalreporter.section("attempts to break it")
        for line in tally.as_text():
            terminalreporter.write_line(line)
