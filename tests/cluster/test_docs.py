"""Every object on every page of the documentation, applied to a real API server; and what other programs say that they take."""

import copy
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import access, build, waiting
from tests.docs import commandlines, grammars, objects, pages
from tests.docs.commandlines import Line
from tests.docs.objects import Document, What
from tests.docs.pages import Block, Page
from tests.manifests import reading, rendering

TUTORIAL = sorted((pages.DOCS / "tutorial").glob("*.yaml"))
#: Built with the control plane, so that they can be asked.
PROGRAMS = ("helm", "kubectl", "promtool")


@pytest.fixture(scope="module")
def ours(cluster: access.Cluster) -> access.Cluster:
    """Return the cluster with our kind."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={reading.ROOT / 'base' / 'crds'}")
    name = "customresourcedefinition/inferencescalers.leadtime.dev"
    cluster.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")
    waiting.until(lambda: "inferencescalers" in cluster.kubectl("api-resources"), what="the kind is discovered")
    return cluster


def apply(cluster: access.Cluster, namespace: str, found: list[Document]) -> None:
    """Apply *found* as a reader would, with the one namespace that the test has; an unknown field is an error."""
    there = [moved(each, namespace) for each in found if each["kind"] != "Namespace"]
    cluster.kubectl("apply", "--server-side", "--validate=strict", "--filename=-", input=yaml.safe_dump_all(there))


def moved(document: Document, namespace: str) -> Document:
    """Return *document* in *namespace*, where it names one."""
    there: dict[str, Any] = copy.deepcopy(document)
    if "namespace" in there["metadata"]:
        there["metadata"]["namespace"] = namespace
    return there


@pytest.mark.parametrize("block", objects.of(What.OBJECTS), ids=str)
def test_every_object_is_taken(ours: access.Cluster, namespace: str, block: Block) -> None:
    found = [each for each in objects.documents(block) if (each["apiVersion"], each["kind"]) not in objects.FOREIGN]
    if found:
        apply(ours, namespace, found)

    for each in found:
        if each["kind"] == "InferenceScaler":
            stored = ours.get("isc", each["metadata"]["name"], f"--namespace={namespace}")
            assert _said(each["spec"], stored["spec"]), f"{block}: the API server dropped a field"


@pytest.mark.parametrize("block", objects.of(What.SPEC), ids=str)
def test_every_part_of_a_scaler_is_taken(ours: access.Cluster, namespace: str, block: Block) -> None:
    (part,) = objects.documents(block)

    apply(ours, namespace, [objects.scaler(part)])

    stored = ours.get("isc", "vllm-qwen", f"--namespace={namespace}")
    assert _said(part["spec"], stored["spec"]), f"{block}: the API server dropped a field"


@pytest.mark.parametrize("file", TUTORIAL, ids=lambda file: file.name)
def test_what_the_tutorial_applies_is_taken(ours: access.Cluster, namespace: str, file: Any) -> None:
    apply(ours, namespace, [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each])


def test_a_field_that_there_is_not_is_refused(ours: access.Cluster, namespace: str) -> None:
    with pytest.raises(access.KubectlError, match=r"spec\.maxReplica\b"):
        apply(ours, namespace, [objects.scaler({"spec": {"maxReplica": 8}})])


def test_the_tutorials_engine_and_its_users_come_up(ours: access.Cluster, namespace: str) -> None:
    for file in TUTORIAL:
        apply(ours, namespace, [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each])

    for name in ("vllm-qwen", "load"):
        ours.kubectl("wait", f"deployment/{name}", "--for=condition=Available", f"--namespace={namespace}", "--timeout=60s")


def _said(wanted: Any, stored: Any) -> bool:
    """Return whether all that is *wanted* is *stored*: defaults may be beside it, and a list without entries is none."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(_said(value, stored.get(key)) for key, value in wanted.items() if value != [])
    if isinstance(wanted, list):
        return isinstance(stored, list) and len(wanted) == len(stored) and all(map(_said, wanted, stored))
    if isinstance(wanted, float):
        return isinstance(stored, int | float) and wanted == stored
    return str(wanted) == str(stored)


# ── the chart, as the pages call it ──────────────────────────────────────────────────────────────────────────────────────────

#: Of what installs or renders the chart: the options that say with which values.
_VALUES = ("--set", "--set-json", "--values", "-f")
CALLS = [
    pytest.param(page, block, line, id=f"{block} {line.words[1]}")
    for page in pages.everything()
    for block in page.blocks
    if block.language in ("console", "sh")
    for line in commandlines.lines(block)
    if line.words[0] == "helm" and "manifests/chart" in line.words
]


@pytest.mark.parametrize(("page", "block", "line"), CALLS)
def test_the_chart_takes_what_a_line_sets(page: Page, block: Block, line: Line, tmp_path: Path) -> None:
    for each in page.blocks:
        if each.title:
            (tmp_path / each.title).write_text(each.text, encoding="utf-8")
    arguments = [
        f"{name}={tmp_path / value if name in ('--values', '-f') else value}"
        for name, value in pairwise(line.words)
        if name in _VALUES
    ]

    if "Error:" in block.text:
        with pytest.raises(rendering.RefusedError):
            rendering.chart(*arguments)
    else:
        assert rendering.chart(*arguments)


@pytest.mark.parametrize("block", objects.of(What.VALUES), ids=str)
def test_the_chart_takes_the_values_of_a_page(block: Block, tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(block.text, encoding="utf-8")

    assert rendering.chart(f"--values={tmp_path / 'values.yaml'}")


# ── what the programs say of themselves ──────────────────────────────────────────────────────────────────────────────────────

COMMANDS = [(program, command) for program in PROGRAMS for command in grammars.GRAMMARS[program]]
#: An option in a help text: kubectl's `-f, --filename=[]:`, helm's `-f, --values strings`, promtool's `--run=RUN ...`.
_OPTION = re.compile(r"^\s+(?:(-\w), )?(--[\w-]+)(=?)(\S*)", flags=re.MULTILINE)


@pytest.mark.parametrize(("program", "command"), COMMANDS, ids=[f"{program} {command}" for program, command in COMMANDS])
def test_the_grammar_of_a_program_is_what_it_says_itself(program: str, command: str) -> None:
    told = helped(program, *command.split(), "--help")
    everywhere = helped(program, "options") if program == "kubectl" else told

    options = {name: value for short, long, _, value in _OPTION.findall(f"{told}\n{everywhere}") for name in (short, long) if name}
    grammar = grammars.GRAMMARS[program][command]
    general = grammars.EVERYWHERE.get(program, grammars.Grammar())
    assert (grammar.options | general.options) - options.keys() == set()
    if program == "kubectl":
        assert [name for name in grammar.flags if options[name].rstrip(":").strip("'") not in ("true", "false")] == []
        assert [name for name in grammar.takes if options[name].rstrip(":").strip("'") in ("true", "false")] == []


def helped(program: str, *arguments: str) -> str:
    """Return what the built *program* prints."""
    ran = subprocess.run([build.program(program), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr
