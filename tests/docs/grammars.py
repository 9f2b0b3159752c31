"""What programs other than ours take, as far as the pages use them.

`tests/cluster/test_docs.py` holds it to what the built programs say of themselves; of those that are not built here (kind, podman,
docker) nothing is held to anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a command of a program takes: options with a value, options without one, and how many other words."""

    takes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    least: int = 0
    most: int = 99

    @property
    def options(self) -> frozenset[str]:
        """Return every option."""
        return self.takes | self.flags


def _grammar(takes: str = "", flags: str = "", least: int = 0, most: int = 99) -> Grammar:
    return Grammar(frozenset(takes.split()), frozenset(flags.split()), least, most)


#: What every command of a program takes.
EVERYWHERE: Mapping[str, Grammar] = {
    "kubectl": _grammar("--namespace -n --context --kubeconfig"),
    "helm": _grammar("--namespace -n --kube-context"),
}
_SELECTED = "--selector -l --output -o"
GRAMMARS: Mapping[str, Mapping[str, Grammar]] = {
    "kubectl": {
        "annotate": _grammar("--selector", "--overwrite --all", least=2),
        "api-resources": _grammar("--api-group"),
        "apply": _grammar("--filename -f --kustomize -k", "--server-side --force-conflicts"),
        "config current-context": _grammar(most=0),
        "config set-context": _grammar("", "--current", most=1),
        "create clusterrole": _grammar("--verb --resource", least=1, most=1),
        "create clusterrolebinding": _grammar("--clusterrole --serviceaccount --user --group", least=1, most=1),
        "create rolebinding": _grammar("--clusterrole --role --serviceaccount --user --group", least=1, most=1),
        "create serviceaccount": _grammar(least=1, most=1),
        "create token": _grammar("--duration", least=1, most=1),
        "create configmap": _grammar("--from-file --from-literal --dry-run --output -o", least=1, most=1),
        "create namespace": _grammar("", "", least=1, most=1),
        "delete": _grammar("--selector -l --filename -f --kustomize -k", "--ignore-not-found --all"),
        "describe": _grammar("--selector -l", "--all-namespaces -A", least=1),
        "edit": _grammar("", "", least=1),
        "events": _grammar("--for --types", "--all-namespaces -A --watch -w"),
        "exec": _grammar("--container -c", "--stdin -i --tty -t", least=1),
        "explain": _grammar("", "--recursive", least=1, most=1),
        "get": _grammar(
            f"{_SELECTED} --raw --label-columns -L --sort-by --field-selector",
            "--all-namespaces -A --watch -w --show-labels --show-managed-fields",
        ),
        "label": _grammar("--selector -l", "--overwrite --all", least=2),
        "logs": _grammar("--selector -l --tail --since --container -c", "--follow -f --previous -p"),
        "patch": _grammar("--patch -p --patch-file --type", "", least=2),
        "port-forward": _grammar("--address", "", least=2),
        "rollout status": _grammar("--timeout", "", least=1),
        "rollout restart": _grammar("", "", least=1),
        "run": _grammar("--image --restart --env", "--rm --stdin -i --tty -t --command --attach", least=1),
        "scale": _grammar("--replicas", "", least=1),
        "version": _grammar("--output -o", "--client"),
        "wait": _grammar("--for --timeout --selector -l", "--all", least=1),
    },
    "helm": {
        "install": _grammar(
            "--set --set-json --set-file --values -f --version --timeout",
            "--create-namespace --wait --take-ownership --force-conflicts",
            least=2,
            most=2,
        ),
        "upgrade": _grammar(
            "--set --set-json --set-file --values -f --version --timeout",
            "--install --create-namespace --wait --reset-then-reuse-values --reuse-values",
            least=2,
            most=2,
        ),
        "uninstall": _grammar("--timeout", "--wait", least=1),
        "rollback": _grammar("--timeout", "--wait", least=1, most=2),
        "template": _grammar("--set --set-json --values -f", "", least=1, most=2),
        "list": _grammar("", "--all-namespaces -A"),
        "status": _grammar("--output -o", "", least=1, most=1),
        "lint": _grammar("--values -f --set", "--strict", least=1),
    },
    "promtool": {
        "check rules": _grammar("", "", least=1),
        "check metrics": _grammar("", "", most=0),
        "test rules": _grammar("--run", "", least=1),
        "query instant": _grammar("", "", least=2, most=2),
    },
    "kind": {
        "create cluster": _grammar("--name --config --wait --image", "", most=0),
        "delete cluster": _grammar("--name", "", most=0),
        "load docker-image": _grammar("--name", "", least=1),
        "load image-archive": _grammar("--name", "", least=1),
    },
    "podman": {
        "build": _grammar("--tag -t --file -f", "", least=1, most=1),
        "save": _grammar("--output -o", "", least=1),
        "tag": _grammar("", "", least=2, most=2),
        "push": _grammar("", "", least=1),
    },
    "docker": {"build": _grammar("--tag -t --file -f", "", least=1, most=1)},
    "pip": {"install": _grammar("--requirement -r", "--upgrade", least=1)},
}
#: Programs that only look at what others print or write.
PLAIN = {
    "ln": _grammar("", "-s", least=2),
    "grep": _grammar("--regexp -e", "-q -E -c"),
    "head": _grammar("-n"),
    "jq": _grammar("", "-r"),
    "cat": _grammar("", ""),
    "mkdir": _grammar("", "-p"),
}
