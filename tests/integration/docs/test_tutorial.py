"""The simulated engine and the users of `docs/tutorial.md` do what the page says of them, as real processes."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from adapter.rules import presets
from tests.docs.pages import DOCS

DEADLINE_S = 20.0


def script(file: str, name: str) -> str:
    """Return a program out of a ConfigMap of the tutorial."""
    documents = yaml.safe_load_all((DOCS / "tutorial" / file).read_text(encoding="utf-8"))
    (found,) = [each["data"][name] for each in documents if each["kind"] == "ConfigMap"]
    return str(found)


@contextmanager
def running(code: str, folder: Path, **environment: str) -> Iterator[None]:
    """Run *code* as a program of its own until the end of the context."""
    file = folder / f"{abs(hash(code))}.py"
    file.write_text(code)
    process = subprocess.Popen([sys.executable, str(file)], env={"PATH": os.environ["PATH"], **environment})
    try:
        yield
        assert process.poll() is None, "it ended by itself"
    finally:
        process.kill()
        process.wait()


def until(check: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not check():
        assert time.monotonic() < give_up, f"{what}: not within {DEADLINE_S:g} s"
        time.sleep(0.05)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def status(port: int) -> int:
    """Return what /health answers; 0 before anybody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def values(port: int) -> dict[str, float]:
    """Return what /metrics says, by series."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    return {sample.name: sample.value for family in text_string_to_metric_families(page) for sample in family.samples}


def test_it_loads_then_eight_run_and_four_wait_and_all_are_answered(port: int, tmp_path: Path) -> None:
    engine = {"PORT": str(port), "LOAD_SECONDS": "1", "ANSWER_SECONDS": "1"}
    users = {"URL": f"http://127.0.0.1:{port}/v1/completions", "USERS": "12"}

    with running(script("simulated-engine.yaml", "engine.py"), tmp_path, **engine):
        until(lambda: status(port) == 503, "it loads")
        until(lambda: status(port) == 200, "it is ready")
        idle = values(port)
        with running(script("load.yaml", "load.py"), tmp_path, **users):
            until(lambda: (values(port)["vllm:num_requests_running"], values(port)["vllm:num_requests_waiting"]) == (8, 4), "8 run")
            until(lambda: values(port)["vllm:request_success_total"] > 12, "they are answered")
            full = values(port)

    assert set(idle.values()) == {0.0}
    assert full["vllm:kv_cache_usage_perc"] <= 1.0


def test_the_preset_reads_what_the_engine_says(port: int, tmp_path: Path) -> None:
    with running(script("simulated-engine.yaml", "engine.py"), tmp_path, PORT=str(port), LOAD_SECONDS="0"):
        until(lambda: status(port) == 200, "it is ready")
        said = set(values(port))

    served = {
        rule.metric
        for rule in presets.rules("vllm", source="engines")
        if all(any(each.selection.name in said for each in term.any_of) for term in rule.of)
    }
    assert {"inference_queue_size", "inference_requests_running", "inference_requests_in_flight", "kv_cache_usage"} <= served
    assert "inference_request_rate" in served
