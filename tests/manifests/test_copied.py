"""What the chart carries of other files is what those say."""

import pytest

from tests.manifests import copied


@pytest.mark.parametrize("copy", copied.COPIES, ids=lambda copy: copy.name)
def test_what_the_chart_carries_is_a_copy(copy: copied.Copy) -> None:
    assert copy.target.read_bytes() == copy.source.read_bytes(), "run: python -m tests.manifests.copied"
