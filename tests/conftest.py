"""Put every test into its tier, and skip the tiers that this machine cannot run, or fail them where they are required."""

import asyncio
import os
import signal

import hypothesis
import pytest

from tests import tiers


def pytest_configure(config: pytest.Config) -> None:
    try:
        tiers.required()
    except tiers.UnknownTierError as error:
        raise pytest.UsageError(str(error)) from error
    # pytest-asyncio leaks the loop that asyncio makes by itself before the first async test; with none there, it makes none.
    asyncio.set_event_loop(None)
    # A loaded machine is slow at random: what a test takes is not what it shows.
    # The same code passes or fails alike every time; new examples are looked for by the thorough profile.
    hypothesis.settings.register_profile("quick", deadline=None, max_examples=10, derandomize=True)
    hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
    hypothesis.settings.load_profile(os.environ.get("LEADTIME_HYPOTHESIS", "quick"))
    # End as on Ctrl-C: SIGTERM as shipped would skip every fixture's clean-up and leave real processes behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    tier = tiers.of(item.path)
    if tier != tiers.UNIT:
        item.add_marker(tier)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What waits for minutes begins first, so that the rest runs meanwhile.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    tier = tiers.of(item.path)
    reason = tiers.missing(tier)
    if reason is None:
        return
    if tier in tiers.required():
        pytest.fail(f"{reason} ({tiers.REQUIRE} forbids skipping it)", pytrace=False)
    pytest.skip(reason)
