"""The asynchronous half of the official client, and only that.

``import kubernetes`` brings both halves. The other one is built on requests, urllib3, oauthlib and a websocket library: 9 MiB and
a third of a second of each start, for code that is never called here.
"""

from adapter import imports

imports.enter("kubernetes")
imports.enter("kubernetes.aio")

from kubernetes.aio.client import api_client, configuration  # noqa: E402 -- the packages are entered above
from kubernetes.aio.config import config_exception, incluster_config, kube_config  # noqa: E402

__all__ = ["api_client", "config_exception", "configuration", "incluster_config", "kube_config"]
