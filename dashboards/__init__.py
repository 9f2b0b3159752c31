"""Where the Grafana dashboards come from: ``python -m dashboards`` writes them into ``manifests/grafana``.

Grafana's own SDK builds them, which only development needs: nothing that runs imports this package, and no wheel has it. That is
why it does not stand among the manifests, which the wheel carries as they are. The chart's copies are made after it, by
``python -m tests.manifests.copied``.
"""
