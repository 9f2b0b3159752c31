"""What a shell and kubectl make of the commands: completion as each shell runs it, and the plug-in."""

import shlex
import shutil

import pytest

from tests.cluster import build
from tests.integration.commands.conftest import KEY, Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="package")

#: How each shell looks at a script without running it.
CHECKED = {"bash": ("bash", "-n"), "zsh": ("zsh", "-n"), "fish": ("fish", "--no-execute")}


@pytest.mark.parametrize("shell", CHECKED)
async def test_the_script_of_each_shell_is_one_that_it_takes(sandbox: Sandbox, shell: str) -> None:
    script = await sandbox.run("leadtime", _LEADTIME_COMPLETE=f"source_{shell}")

    assert script.returncode == 0
    assert "_LEADTIME_COMPLETE" in script.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on PATH: its script was made, and not read by it")
    file = sandbox.bin / f"completion.{shell}"
    file.write_text(script.stdout)
    read = await sandbox.run(*CHECKED[shell], str(file))
    assert (read.returncode, read.stderr) == (0, "")


async def completed(sandbox: Sandbox, *words: str) -> list[str]:
    """Return what bash offers for the last of *words*, having sourced the script as a person's profile does."""
    lines = [
        'eval "$(_LEADTIME_COMPLETE=source_bash leadtime)"',
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}",
        "_leadtime_completion leadtime",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    ran = await sandbox.run("bash", "-c", "\n".join(lines))
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash on PATH")
async def test_bash_completes_commands_options_and_the_names_of_scalers(sandbox: Sandbox) -> None:
    assert await completed(sandbox, "leadtime", "sta") == ["status"]
    assert "--all-namespaces" in await completed(sandbox, "leadtime", "status", "--all")
    assert await completed(sandbox, "leadtime", "boost", KEY[:4]) == [KEY]


async def test_kubectl_runs_the_plug_in_and_asks_it_what_comes_next(sandbox: Sandbox) -> None:
    try:
        kubectl = str(build.program("kubectl"))
    except build.BuildError as error:
        pytest.skip(str(error))

    shown = await sandbox.run(kubectl, "leadtime", "status", "-o", "name")
    offered = await sandbox.run(kubectl, "__complete", "leadtime", "status", KEY[:4])
    listed = await sandbox.run(kubectl, "get", "isc", "--all-namespaces")

    assert shown.stdout.startswith("inferencescaler.leadtime.dev/")
    assert offered.stdout.splitlines() == [KEY, ":4"]
    assert KEY.partition("/")[2] in listed.stdout
