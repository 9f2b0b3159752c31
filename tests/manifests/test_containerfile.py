"""The Containerfile, which nothing here can build: what can be known of it without an engine."""

import re
import tomllib
from fnmatch import fnmatch

from tests.manifests import reading

ROOT = reading.ROOT.parent
TEXT = (ROOT / "Containerfile").read_text()
#: Instructions with their lines joined, without comments.
STEPS = [
    tuple(step.split(maxsplit=1)) for step in re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", TEXT)).splitlines() if step.strip()
]
STARTS = [position for position, (word, _) in enumerate(STEPS) if word == "FROM"]
RUNTIME = STEPS[STARTS[-1] :]


def told(word: str, steps: list[tuple[str, ...]] = RUNTIME) -> list[str]:
    return [rest for name, rest in steps if name == word]


def test_the_last_stage_is_empty_but_for_what_is_copied_and_runs_nothing() -> None:
    assert told("FROM") == ["scratch"]
    assert [rest.split()[0] for rest in told("COPY")] == ["--from=collect"]
    assert told("RUN") == told("ADD") == told("SHELL") == []


def test_the_image_runs_as_the_user_that_the_manifests_name() -> None:
    (user,) = told("USER")
    contexts = [each.document["spec"]["template"]["spec"]["securityContext"] for each in reading.of_kind("Deployment")]

    assert {f"{context['runAsUser']}:{context['runAsGroup']}" for context in contexts} == {user}
    assert all(each != "0" for each in user.split(":"))


def test_the_entry_point_is_the_command_and_the_manifests_give_its_arguments() -> None:
    assert told("ENTRYPOINT") == ['["/opt/leadtime/bin/leadtime"]']
    assert told("CMD") == []
    for each in reading.of_kind("Deployment"):
        (container,) = each.document["spec"]["template"]["spec"]["containers"]
        assert "command" not in container
        assert container["args"][0] in {"adapter", "autoscaler"}


def test_everything_that_is_installed_is_checked_against_the_lock_and_nothing_else_is_fetched() -> None:
    fetching = [rest for rest in told("RUN", STEPS) if re.search(r"pip\b.*\b(download|install|wheel)\b", rest)]
    commands = [each for rest in fetching for each in rest.split("&&") if "-m pip " in each]

    assert len(commands) == 4
    for command in commands:
        assert "--require-hashes" in command or "--no-index" in command, command
    assert not re.search(r"\b(curl|wget|apt-get|apk)\b", TEXT)


def test_what_runs_on_a_read_only_root_is_compiled_before() -> None:
    (collect,) = [rest for rest in told("RUN", STEPS) if "compileall" in rest]

    assert "PYTHONDONTWRITEBYTECODE=1" in " ".join(told("ENV"))
    for folder in ('"/image$stdlib"', "/image/opt/leadtime/lib"):
        assert re.search(rf"compileall -q .*{re.escape(folder)}", collect)


def test_authorities_are_looked_for_where_they_are_copied_to() -> None:
    (collect,) = [rest for rest in told("RUN", STEPS) if "/etc/ssl/certs" in rest]

    # Debian's OpenSSL looks below /usr/lib/ssl, which is not in the image.
    assert "cp --recursive --dereference /etc/ssl/certs /image/etc/ssl/" in collect
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in " ".join(told("ENV")).split()


def test_python_is_one_that_the_distribution_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (image,) = re.findall(r"ARG PYTHON_IMAGE=python:(3\.\d+)", TEXT)

    assert f"Programming Language :: Python :: {image}" in project["classifiers"]
    assert f'image.version="{project["version"]}"' in TEXT


def test_what_is_copied_is_there_and_not_ignored_and_nothing_else_reaches_a_layer() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source for rest in told("COPY", STEPS) if "--from" not in rest for source in rest.split()[:-1]}

    assert "*" in lines
    assert copied == kept
    assert all((ROOT / each).exists() for each in copied)
    assert not any(fnmatch(".git", each) or fnmatch(".venv", each) for each in kept)
