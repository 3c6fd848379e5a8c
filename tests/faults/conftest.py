"""What the attempts of a test found: the failure of the test, and a part of its report, for the table at the end."""

from collections.abc import Iterator

import pytest

from tests.faults import tally


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    tally.failures.clear()
    tally.table.clear()
    try:
        outcome = yield
        if tally.failures:
            pytest.fail("\n".join(tally.failures), pytrace=False)
        return outcome
    finally:
        item.user_properties.append((tally.ATTEMPTS, {kind: dict(found) for kind, found in tally.table.items()}))
