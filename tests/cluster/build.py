"""Build the control plane's programs from their published Go modules, once, into the user's cache.

Each folder under ``components/`` is a Go module that holds only ``go.mod`` and ``go.sum``: its ``tool`` directives name the
main packages. A build is keyed by the hash of those two files, so a changed version is a new build and nothing is built twice.
Run as a program it builds what it is asked for and says what it is doing: ``python -m tests.cluster.build etcd kwok``.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

COMPONENTS = Path(__file__).parent / "components"

#: What the cluster tier runs. `prometheus-adapter` is a peer that only benchmarks need.
CLUSTER = ("etcd", "helm", "kwok", "kubernetes", "prometheus")
#: What integration tests run beside those, and skip without.
INTEGRATION = ("alertmanager",)

_HELM_VERSION = "v4.3.1"
_KUBERNETES_VERSION = "v1.36.3"
_LDFLAGS = {
    # Without it helm says v4.3, and a chart that asks for a version of helm is told less than there is.
    "helm": f"-X helm.sh/helm/v4/internal/version.version={_HELM_VERSION}",
    # Without these the API server reports v0.0.0, and clients that look at the version misjudge it.
    "kubernetes": (
        f"-X k8s.io/component-base/version.gitVersion={_KUBERNETES_VERSION}"
        " -X k8s.io/component-base/version.gitMajor=1"
        " -X k8s.io/component-base/version.gitMinor=36"
    ),
}
#: A module that is published without what it embeds, its web pages, and the file that stands in for them: nobody opens them here.
_HOLLOW = {"alertmanager": ("github.com/prometheus/alertmanager", "ui/app/dist/index.html")}
_MINUTES = {"alertmanager": 3, "etcd": 1, "helm": 3, "kwok": 2, "kubernetes": 6, "prometheus": 6, "prometheus-adapter": 2}


class BuildError(Exception):
    """A component could not be built; the message holds the tool's own last words."""


def cache_folder() -> Path:
    """Return the folder that holds built components, under the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "leadtime" / "components"


def bin_folder(component: str) -> Path:
    """Return where *component*'s programs stand once built."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((COMPONENTS / component / name).read_bytes())
    return cache_folder() / f"{component}-{digest.hexdigest()[:16]}"


def packages(component: str) -> list[str]:
    """Return the main packages that *component*'s ``tool`` directives name."""
    found: list[str] = []
    inside = False
    for line in (COMPONENTS / component / "go.mod").read_text().splitlines():
        words = line.split()
        if words[:2] == ["tool", "("]:
            inside = True
        elif inside and words == [")"]:
            inside = False
        elif inside and words:
            found.append(words[0])
        elif words[:1] == ["tool"]:
            found.append(words[1])
    return found


def missing(components: Iterable[str] = CLUSTER) -> list[str]:
    """Return the *components* that are not built yet."""
    return [name for name in components if not bin_folder(name).is_dir()]


def program(name: str) -> Path:
    """Return the path of the built program *name*, such as ``kube-apiserver``."""
    for component in (*CLUSTER, *INTEGRATION, "prometheus-adapter"):
        path = bin_folder(component) / name
        if path.exists():
            return path
    raise BuildError(f"{name} is not built: run 'make components'")


def build(component: str) -> None:
    """Build *component* with the Go toolchain; raise `BuildError` when there is none or when it fails.

    The programs appear under their final name only when all of them are built, so a build that is cut off leaves nothing behind
    that looks finished.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildError(f"{component}: the Go toolchain (https://go.dev) is not on PATH")
    target = bin_folder(component)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    flags = f"-s -w {_LDFLAGS.get(component, '')}".strip()
    print(f"building {component} (about {_MINUTES.get(component, 5)} min on two cores the first time) …", flush=True)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="leadtime-build-") as scratch:
            filled = [f"-modfile={_filled(go, component, Path(scratch))}"] if component in _HOLLOW else []
            arguments = ["build", "-mod=readonly", *filled, "-trimpath", "-ldflags", flags, "-o", f"{partial}/"]
            _go(go, component, *arguments, *packages(component))
    except BuildError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    # `go build` names a program after the last element of its package, or of the module when that is a version suffix.
    server = partial / "server"
    if component == "etcd" and server.exists():
        server.rename(partial / "etcd")
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    print(f"built {component} in {time.monotonic() - started:.0f} s", flush=True)


def _filled(go: str, component: str, scratch: Path) -> Path:
    """Return a ``go.mod`` in *scratch* that takes *component*'s hollow module from a copy in which nothing is missing."""
    module, embedded = _HOLLOW[component]
    published = Path(json.loads(_go(go, component, "mod", "download", "-json", module))["Dir"])
    copy = scratch / "module"
    shutil.copytree(published, copy, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(copy):  # the module cache is read-only, and so are copies of its folders
        Path(folder).chmod(0o755)
    (copy / embedded).parent.mkdir(parents=True)
    (copy / embedded).write_text("<!doctype html><title>Not built</title>\n")
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(COMPONENTS / component / name, scratch / name)
    with (scratch / "go.mod").open("a") as file:
        file.write(f"\nreplace {module} => {copy}\n")
    return scratch / "go.mod"


def _go(go: str, component: str, *arguments: str) -> str:
    """Return what the Go toolchain prints, run in *component*'s folder; `BuildError` with its last words when it fails."""
    ran = subprocess.run([go, *arguments], cwd=COMPONENTS / component, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise BuildError(f"{component}: go {arguments[0]} exited {ran.returncode}:\n{ran.stderr[-2000:]}")
    return ran.stdout


def main(arguments: list[str]) -> int:
    """Build the named components, or all that the tests need; return an exit status."""
    wanted = arguments or [*CLUSTER, *INTEGRATION]
    todo = missing(wanted)
    for position, component in enumerate(todo, start=1):
        print(f"[{position}/{len(todo)}] ", end="")
        try:
            build(component)
        except BuildError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    if not todo:
        print(f"nothing to build: all in {cache_folder()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
