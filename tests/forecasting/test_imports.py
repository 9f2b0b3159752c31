"""What importing the library brings along: numpy, and none of what takes a second or a hundred megabytes to load."""

import json
import subprocess
import sys

_HEAVY = {"matplotlib", "pandas", "scipy", "statsmodels"}


def test_importing_it_loads_numpy_and_nothing_heavier() -> None:
    program = "import json, sys, forecasting, autoscaler.refit; print(json.dumps(sorted(sys.modules)))"

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)

    loaded = set(json.loads(ran.stdout))
    assert "numpy" in loaded
    assert not loaded & _HEAVY


def test_what_is_offered_at_the_door_is_there() -> None:
    import forecasting

    assert sorted(forecasting.__all__, key=str.lower) == sorted(set(forecasting.__all__), key=str.lower)
    assert all(hasattr(forecasting, name) for name in forecasting.__all__)
