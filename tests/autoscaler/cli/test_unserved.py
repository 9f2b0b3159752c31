"""A cluster that has no InferenceScalers at all: the wrong one, or one where the definition is not installed."""

import pytest

from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.conftest import Leadtime


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("status", "qwen"),
        ("top",),
        ("explain", "isc", "qwen"),
        ("pause", "qwen"),
        ("resume", "qwen"),
        ("boost", "qwen", "--for", "30m"),
    ],
    ids=" ".join,
)
def test_it_is_told_which_cluster_has_none_and_what_to_look_at(
    server: apiserver.Server, ask: Leadtime, arguments: tuple[str, ...]
) -> None:
    server.unserved = ("/apis/leadtime.dev",)

    ran = ask(*arguments)

    assert (ran.status, ran.out) == (1, "")
    assert (
        f"{server.address} serves no InferenceScaler: is this the cluster that you mean (--context)? `leadtime doctor`" in ran.err
    )


def test_one_that_is_not_there_is_another_matter(ask: Leadtime) -> None:
    ran = ask("status", "qwen")

    assert (ran.status, ran.err) == (1, "error: Kubernetes API server: 404: qwen not found\n")
