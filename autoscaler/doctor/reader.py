"""Looks at a cluster for the doctor. Nothing is written: reviews are answered and not stored."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import Requests
from autoscaler.doctor import daemons, exporters, rights
from autoscaler.doctor.rights import Right
from autoscaler.doctor.seen import Document, MetricAsked, Names, Seen, Series, Unread
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION

_AT_ONCE = 8
#: Of a large cluster's metrics so many are asked for, each with one request or two; that more were left out is said.
MOST_METRICS = 1000
_VERSIONS = ("v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io")
_WORKLOADS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}


class Reader:
    """Reads through *kube*, as whoever it acts as. *clock* is this machine's; of *namespace* alone, if there is one."""

    def __init__(self, kube: Requests, names: Names, *, clock: Callable[[], float], namespace: str | None = None) -> None:
        self._kube = kube
        self._names = names
        self._clock = clock
        self._namespace = namespace
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def look(self, series: Series | Unread | None = None) -> Seen:
        """Return what there is to see; *series* is what a Prometheus was found to have.

        Raises `ApiServerError` only when the API server itself does not answer.
        """
        sent = self._clock()
        api_now = await self._api_now()
        now = (sent + self._clock()) / 2  # the answer was made on half the way
        namespace, adapter, autoscaler = self._names
        scalers = _if_served(await self._those(f"/apis/{GROUP}/{VERSION}", PLURAL, GROUP))
        apiservices = {
            name: await self._one(
                f"/apis/apiregistration.k8s.io/v1/apiservices/{name}",
                Right("get", "apiregistration.k8s.io", "apiservices", name=name),
            )
            for name in _VERSIONS
        }
        deployments = {name: await self._deployment(name) for name in (adapter, autoscaler)}
        configuration = await self._configuration(deployments[adapter])
        scraped = daemons.scraped_namespaces(configuration) if isinstance(configuration, Mapping) else ()
        wanted = {adapter: rights.adapter(namespace, scraped), autoscaler: rights.autoscaler(namespace, acts=True)}
        return Seen(
            now=now,
            api_now=api_now,
            names=self._names,
            definition=await self._one(
                f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}",
                Right("get", "apiextensions.k8s.io", "customresourcedefinitions", name=f"{PLURAL}.{GROUP}"),
            ),
            apiservices=apiservices,
            deployments=deployments,
            configuration=configuration,
            lacking={
                name: await self._lacking(name, deployment, wanted[name])
                for name, deployment in deployments.items()
                if deployment is not None
            },
            lease=await self._one(
                f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{autoscaler}",
                Right("get", "coordination.k8s.io", "leases", namespace, autoscaler),
            ),
            scalers=scalers,
            hpas=await self._those("/apis/autoscaling/v2", "horizontalpodautoscalers", "autoscaling"),
            scaled_objects=_if_served(await self._those("/apis/keda.sh/v1alpha1", "scaledobjects", "keda.sh")),
            metrics=await self._metrics(scalers, "v1beta1" if _only_older(apiservices) else "v1beta2"),
            exporters=exporters.of(await self._all("/apis/apps/v1/daemonsets", Right("list", "apps", "daemonsets"))),
            series=series,
        )

    # ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _one(self, path: str, right: Right) -> Document | Unread | None:
        """Return the object at *path*, None if there is none."""
        found = await self._read(path, right)
        return None if isinstance(found, Unread) and found.absent else found

    async def _all(self, path: str, right: Right) -> Sequence[Document] | Unread:
        found = await self._read(path, right)
        if isinstance(found, Unread):
            return found
        items = found.get("items")
        return items if isinstance(items, list) else ()

    async def _those(self, root: str, plural: str, group: str) -> Sequence[Document] | Unread:
        """Return what there is of *plural* where it is looked: in one namespace, or in all."""
        where = f"namespaces/{quote(self._namespace, safe='')}/" if self._namespace else ""
        return await self._all(f"{root}/{where}{plural}", Right("list", group, plural, self._namespace or ""))

    async def _deployment(self, name: str) -> Document | Unread | None:
        namespace = self._names.namespace
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        return await self._one(path, Right("get", "apps", "deployments", namespace, name))

    async def _configuration(self, adapter: Document | Unread | None) -> Document | Unread | None:
        """Return the ConfigMap that the Deployment *adapter* is configured by; None if it is by none, or is not known."""
        name = daemons.config_map(adapter) if isinstance(adapter, Mapping) else ""
        if not name:
            return None
        namespace = self._names.namespace
        path = f"/api/v1/namespaces/{namespace}/configmaps/{quote(name, safe='')}"
        return await self._one(path, Right("get", "", "configmaps", namespace, name))

    async def _read(self, path: str, right: Right, query: Mapping[str, str] | None = None) -> Document | Unread:
        async with self._turns:
            try:
                document: Document = msgspec.json.decode(await self._kube.request("GET", path, query=query))
            except ApiServerError as error:
                return _unread(str(right), right, error)
            except msgspec.DecodeError as error:
                return Unread(str(right), f"what came is no JSON: {error}")
        return document

    async def _post(self, path: str, body: Document) -> Document:
        async with self._turns:
            document: Document = msgspec.json.decode(await self._kube.request("POST", path, body=body))
        return document

    async def _api_now(self) -> float | Unread:
        """Return the API server's time: it stamps the answer to who we are."""
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            told = await self._post("/apis/authentication.k8s.io/v1/selfsubjectreviews", kind)
            return datetime.fromisoformat(told["metadata"]["creationTimestamp"]).timestamp() + 0.5  # it is cut to a second
        except ApiServerError as error:
            if error.status == 0:
                raise
            return _unread("the API server's clock", Right("create", "authentication.k8s.io", "selfsubjectreviews"), error)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return Unread("the API server's clock", "it does not say what time it is (Kubernetes before 1.28)")

    # ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _lacking(self, name: str, deployment: Document | Unread, wanted: Sequence[Right]) -> Sequence[Right] | Unread:
        """Return which of the *wanted* rights the daemon *name* lacks: who it is and where it looks is as its *deployment* says.

        Where that was not seen the shipped account is asked about: whether one may ask is learned all the same.
        """
        account: str = name
        watched: Sequence[str] = ()
        if not isinstance(deployment, Unread):
            account, watched = daemons.account(deployment), daemons.told(deployment, "--watch-namespace")
        asked = [one for right in wanted for one in _where(right, watched)]
        answers = await asyncio.gather(*(self._may(account, right) for right in asked))
        refused = next((answer for answer in answers if isinstance(answer, Unread)), None)
        return refused or tuple(right for right, allowed in zip(asked, answers, strict=True) if not allowed)

    async def _may(self, account: str, right: Right) -> bool | Unread:
        namespace = self._names.namespace
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": right.namespace,
            "name": right.name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{namespace}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
                "resourceAttributes": {name: value for name, value in attributes.items() if value},
            },
        }
        try:
            told = await self._post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        except ApiServerError as error:
            needed = Right("create", "authorization.k8s.io", "subjectaccessreviews")
            return _unread(f"the rights of ServiceAccount {namespace}/{account}", needed, error)
        return bool((told.get("status") or {}).get("allowed"))

    # ── metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _metrics(self, scalers: Sequence[Document] | Unread, version: str) -> Mapping[MetricAsked, Document | Unread]:
        if isinstance(scalers, Unread):
            return {}
        every = [one for scaler in scalers for one in _asked(scaler)]
        wanted, left_out = every[:MOST_METRICS], every[MOST_METRICS:]
        answers = await asyncio.gather(*(self._explained(asked, target, version) for asked, target in wanted))
        found: dict[MetricAsked, Document | Unread] = {
            asked: answer
            for (asked, _), answer in zip(wanted, answers, strict=True)
            if isinstance(answer, Unread) or "answer" in answer  # else it is not ours that answers there
        }
        if left_out:
            why = f"{MOST_METRICS} of {len(every)} were asked for: look at one namespace after the other, with --namespace"
            found[left_out[0][0]] = Unread("the metrics of the other scalers", why)
        return found

    async def _explained(self, asked: MetricAsked, target: Document, version: str) -> Document | Unread:
        """Return the adapter's explanation of what is *asked*, of the pods that *target* selects, by this *version* of the API."""
        external = asked.source == "External"
        group = "external.metrics.k8s.io" if external else "custom.metrics.k8s.io"
        where = f"namespaces/{quote(asked.namespace, safe='')}"
        name = quote(asked.metric, safe=":")
        path = f"/apis/{group}/v1beta1/{where}/{name}" if external else f"/apis/{group}/{version}/{where}/pods/*/{name}"
        query = {"explain": "true"}
        if not external and (selector := await self._selector(asked.namespace, target)):
            query["labelSelector"] = selector
        found = await self._read(path, Right("list" if external else "get", group, asked.metric, asked.namespace), query)
        if isinstance(found, Unread) and found.right is None:
            return dataclasses.replace(found, what=f"metric {asked.metric} of InferenceScaler {asked.namespace}/{asked.scaler}")
        return found

    async def _selector(self, namespace: str, target: Document) -> str:
        """Return which pods *target* selects; nothing, for all of the namespace, where that cannot be learned."""
        resource = _WORKLOADS.get(str(target.get("kind")))
        if resource is None:
            return ""
        where = f"namespaces/{quote(namespace, safe='')}/{resource}/{quote(str(target.get('name')), safe='')}"
        found = await self._read(f"/apis/apps/v1/{where}/scale", Right("get", "apps", f"{resource}/scale", namespace))
        return "" if isinstance(found, Unread) else str((found.get("status") or {}).get("selector") or "")


def _asked(scaler: Document) -> list[tuple[MetricAsked, Document]]:
    """Return the metrics of *scaler* with its target; those of other objects are left to its status."""
    metadata, spec = scaler["metadata"], scaler.get("spec") or {}
    target: Document = spec.get("scaleTargetRef") or {}
    found = []
    for metric in spec.get("metrics") or ():
        source = str(metric.get("type"))
        if source in ("Pods", "External"):
            name = str(((metric.get("pods") or metric.get("external") or {}).get("metric") or {}).get("name"))
            found.append((MetricAsked(str(metadata.get("namespace")), str(metadata.get("name")), name, source), target))
    return found


def _unread(what: str, right: Right, error: ApiServerError) -> Unread:
    if error.status == 403:
        return Unread(what, f"it is forbidden: {error.detail}", right)
    return Unread(what, f"{error.status or 'no answer'}: {error.detail}", absent=error.status == 404)


def _if_served(found: Sequence[Document] | Unread) -> Sequence[Document] | Unread:
    """Return *found*, nothing where the kind itself is not there."""
    return () if isinstance(found, Unread) and found.absent else found


def _only_older(apiservices: Mapping[str, object]) -> bool:
    """Return whether whoever serves metrics of pods does so by v1beta1 alone, as prometheus-adapter's chart registers it."""
    older, newer, _ = _VERSIONS
    return apiservices[newer] is None and apiservices[older] is not None


_CLUSTER_WIDE = frozenset({"nodes", "apiservices", "tokenreviews", "subjectaccessreviews"})


def _where(right: Right, watched: Sequence[str]) -> Sequence[Right]:
    if right.namespace or right.resource in _CLUSTER_WIDE or not watched:
        return (right,)
    return [right._replace(namespace=namespace) for namespace in watched]
