"""The PrometheusRule of the component, made of the rule file: ``python -m tests.manifests.prometheus.derived`` writes it."""

import textwrap

from tests.manifests import reading
from tests.manifests.prometheus import rules

TARGET = reading.ROOT / "components" / "prometheus-operator" / "prometheusrule.yaml"

_HEAD = """\
# Made of manifests/prometheus/leadtime.rules.yaml by `python -m tests.manifests.prometheus.derived`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: leadtime
  namespace: leadtime
  labels:
    app.kubernetes.io/name: leadtime
    app.kubernetes.io/part-of: leadtime
spec:
"""


def wrapped() -> str:
    """Return the PrometheusRule as its file holds it: the rule file's lines below ``spec``, without what is said at its top."""
    _, _, groups = rules.FILE.read_text(encoding="utf-8").partition("\ngroups:\n")
    return _HEAD + textwrap.indent(f"groups:\n{groups}", "  ")


def main() -> None:
    """Write the file."""
    TARGET.write_text(wrapped(), encoding="utf-8")


if __name__ == "__main__":
    main()
