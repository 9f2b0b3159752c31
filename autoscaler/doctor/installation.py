"""What may be wrong with the installation itself: definition, registration, rights, leader, clocks."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from autoscaler.decision.model import Mode
from autoscaler.doctor import daemons, remedy
from autoscaler.doctor.finding import Check, Finding, Level
from autoscaler.doctor.rights import Right, acting
from autoscaler.doctor.seen import Document, Seen, Unread
from autoscaler.resource import definition
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION

#: A lease of this age has no holder: several times what it lasts.
_LEASE_LOST_S = 60.0
#: Below this a skew does no harm: samples are young for tens of seconds, and a lease compares no clocks.
_SKEW_S = 5.0
_SHOWN = 6
_DEFINITION = f"{PLURAL}.{GROUP}"
_METRICS = "custom.metrics.k8s.io"
_EXTERNAL = "v1beta1.external.metrics.k8s.io"


def check(seen: Seen) -> Iterator[Finding]:
    """Yield everything that is wrong, and what this installation goes without."""
    left_out = _left_out(seen)
    steers = seen.names.autoscaler not in left_out
    if steers or seen.definition is not None:  # HPAs need none of ours
        yield from _definition(seen)
    yield from _apiservices(seen, left_out)
    yield from _deployments(seen, left_out)
    yield from _rights(seen)
    yield from _own_clock(seen)
    if steers:
        yield from _lease(seen)
        yield from _controllers_clock(seen)


def unseen(unread: Unread) -> Finding:
    """Return that something could not be looked at, and what whoever asked would need for it."""
    if unread.right is None:
        fix = "mend that and ask again"
    else:
        fix = f"have yourself granted `{unread.right}`, or ask somebody who has it: the rest was looked at without"
    return Finding(check=Check.UNSEEN, level=Level.UNSEEN, about=unread.what, says=unread.why, fix=fix)


def acts(scaler: Document) -> bool:
    """Return whether *scaler* is to set replicas; one that recommends or is paused writes nothing to workloads."""
    return bool((scaler.get("spec") or {}).get("mode") == Mode.AUTO)


def _left_out(seen: Seen) -> Collection[str]:
    """Return the daemons that this installation goes without: the other one is there, and nothing waits for this one."""
    if not any(isinstance(document, Mapping) for document in seen.deployments.values()):
        return ()
    awaited = {_service(each) for each in seen.apiservices.values() if isinstance(each, Mapping)}
    if isinstance(seen.lease, Mapping) and not isinstance(seen.scalers, Unread) and seen.scalers:
        awaited.add(f"{seen.names.namespace}/{seen.names.autoscaler}")  # one has led here, and there is something to steer
    absent = [name for name, document in seen.deployments.items() if document is None]
    return [name for name in absent if f"{seen.names.namespace}/{name}" not in awaited]


# ── what is served ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _definition(seen: Seen) -> Iterator[Finding]:
    about = f"CustomResourceDefinition {_DEFINITION}"
    if isinstance(seen.definition, Unread):
        yield unseen(seen.definition)
        return
    if seen.definition is None:
        fix = remedy.definition(seen)
        yield Finding(check=Check.DEFINITION_MISSING, level=Level.ERROR, about=about, says="it is not there", fix=fix)
        return
    versions = {each.get("name"): each for each in seen.definition.get("spec", {}).get("versions", ())}
    served = versions.get(VERSION)
    if served is None or not served.get("served"):
        says = f"it serves {', '.join(map(str, versions)) or 'nothing'}, and this program speaks {VERSION}"
        yield Finding(check=Check.DEFINITION_OLD, level=Level.ERROR, about=about, says=says, fix=remedy.definition(seen))
        return
    if refused := _false(seen.definition, "Established"):
        says, fix = (
            f"it is not established: {refused}",
            f"kubectl describe crd {_DEFINITION}: its conditions say which name is taken",
        )
        yield Finding(check=Check.DEFINITION_MISSING, level=Level.ERROR, about=about, says=says, fix=fix)
    absent = _absent(served)
    if absent:
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        says = f"it is older than this program and drops without a word: {', '.join(absent[:_SHOWN])}{more}"
        yield Finding(check=Check.DEFINITION_OLD, level=Level.ERROR, about=about, says=says, fix=remedy.definition(seen))


def _absent(served: Mapping[str, Any]) -> list[str]:
    """Return the fields that this program knows and the *served* version does not, without those below one that is absent."""
    (ours,) = definition.document()["spec"]["versions"]
    theirs = {path for path, *_ in definition.fields(served.get("schema", {}).get("openAPIV3Schema", {}), "")}
    found: list[str] = []
    for path, *_ in definition.fields(ours["schema"]["openAPIV3Schema"], ""):
        if path not in theirs and not any(path.startswith((f".{above}.", f".{above}[]")) for above in found):
            found.append(path.removeprefix("."))
    return found


def _apiservices(seen: Seen, left_out: Collection[str]) -> Iterator[Finding]:
    ours = f"{seen.names.namespace}/{seen.names.adapter}"
    registered = [name for name, each in seen.apiservices.items() if isinstance(each, Mapping) and _service(each) == ours]
    elsewhere = seen.names.adapter in left_out or registered == [_EXTERNAL]  # apiService.create=false with external metrics
    if elsewhere:
        yield from _others_apiservices(seen)
    for name, document in seen.apiservices.items():
        about = f"APIService {name}"
        if elsewhere and name != _EXTERNAL:
            continue
        if isinstance(document, Unread):
            yield unseen(document)
            continue
        if document is None:
            if name != _EXTERNAL:  # that one is served only where it is asked for
                says = "it is not registered: no HPA and no controller can read metrics"
                fix = f"{remedy.again(seen)}, or for KEDA's or Datadog's own adapters point spec.metrics at what they serve"
                yield Finding(check=Check.APISERVICE_MISSING, level=Level.ERROR, about=about, says=says, fix=fix)
            continue
        owner = _service(document)
        if owner != ours:
            if name == _EXTERNAL:
                continue  # KEDA's place in most clusters, and nothing of ours is missing there
            says = f"it belongs to Service {owner}: what is read there is not ours"
            fix = f"remove that adapter, or hand the name over: delete the APIService, then {remedy.again(seen)}"
            yield Finding(check=Check.APISERVICE_OWNER, level=Level.ERROR, about=about, says=says, fix=fix)
            continue
        if reason := _false(document, "Available"):
            says = f"the API server does not reach the adapter: {reason}"
            fix = (
                f"kubectl -n {seen.names.namespace} get pods,endpointslices -l app.kubernetes.io/name={seen.names.adapter}: "
                "bring the adapter up, and let the API server through to its port 6443"
            )
            yield Finding(check=Check.APISERVICE_UNAVAILABLE, level=Level.ERROR, about=about, says=says, fix=fix)
        if document.get("spec", {}).get("insecureSkipTLSVerify"):
            says = "insecureSkipTLSVerify is set: whoever stands in between can make the numbers up"
            off = '{"spec":{"insecureSkipTLSVerify":false}}'
            fix = f"kubectl patch apiservice {name} --type=merge -p '{off}': the adapter keeps caBundle right"
            yield Finding(check=Check.APISERVICE_INSECURE, level=Level.WARNING, about=about, says=says, fix=fix)


def _others_apiservices(seen: Seen) -> Iterator[Finding]:
    """Yield what is wrong with who serves metrics in our adapter's place; one version of the API is enough."""
    served = {name: document for name, document in seen.apiservices.items() if name != _EXTERNAL and document}
    if not served:
        says, fix = "nobody serves it: no HPA and no controller can read metrics", "install an adapter: ours, or prometheus-adapter"
        yield Finding(check=Check.APISERVICE_MISSING, level=Level.ERROR, about=f"API group {_METRICS}", says=says, fix=fix)
    for name, document in served.items():
        if isinstance(document, Unread):
            yield unseen(document)
        elif reason := _false(document, "Available"):
            says = f"the API server does not reach Service {_service(document)}: {reason}"
            fix = "bring that adapter up: its Service's pods and endpointslices tell how far it comes"
            yield Finding(check=Check.APISERVICE_UNAVAILABLE, level=Level.ERROR, about=f"APIService {name}", says=says, fix=fix)


def _service(apiservice: Document) -> str:
    """Return the Service that an APIService leads to, as NAMESPACE/NAME."""
    service = apiservice.get("spec", {}).get("service") or {}
    return f"{service.get('namespace')}/{service.get('name')}"


# ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _deployments(seen: Seen, left_out: Collection[str]) -> Iterator[Finding]:
    if isinstance(seen.configuration, Unread):
        yield unseen(seen.configuration)
    for name, document in seen.deployments.items():
        about = f"Deployment {seen.names.namespace}/{name}"
        if isinstance(document, Unread):
            yield unseen(document)
        elif name in left_out:
            fix = f"nothing, where that is meant ({_room(seen, name)}.enabled=false); else {remedy.again(seen)}"
            says = f"it is not installed here: {_instead(seen, name)}"
            yield Finding(check=Check.NOT_INSTALLED, level=Level.NOTE, about=about, says=says, fix=fix)
        elif document is None:
            yield Finding(
                check=Check.DAEMON_MISSING, level=Level.ERROR, about=about, says="it is not there", fix=remedy.again(seen)
            )
        elif not (document.get("status") or {}).get("readyReplicas"):
            wanted = (document.get("spec") or {}).get("replicas", 1)
            says = f"none of its {wanted} replicas is ready" if wanted else "it is scaled to 0 replicas"
            fix = (
                f"kubectl -n {seen.names.namespace} describe pods -l app.kubernetes.io/name={name}, and the logs of one"
                if wanted
                else f"kubectl -n {seen.names.namespace} scale deployment {name} --replicas=2"
            )
            yield Finding(check=Check.DAEMON_NOT_READY, level=Level.ERROR, about=about, says=says, fix=fix)


def _instead(seen: Seen, name: str) -> str:
    """Return who does the work of a daemon that is left out."""
    if name == seen.names.autoscaler:
        return "InferenceScalers are steered by an autoscaler that is elsewhere, or by nobody"
    documents = [document for served, document in seen.apiservices.items() if served != _EXTERNAL]
    owners = dict.fromkeys(f"Service {_service(document)}" for document in documents if isinstance(document, Mapping))
    return f"{_METRICS} is served by {' and '.join(owners) or 'nobody that was seen'}"


def _rights(seen: Seen) -> Iterator[Finding]:
    spare = () if isinstance(seen.scalers, Unread) or any(map(acts, seen.scalers)) else acting()  # overlays/recommend-only
    for name, lacking in seen.lacking.items():
        deployment = seen.deployments.get(name)
        if isinstance(lacking, Unread):
            yield unseen(lacking)
        elif isinstance(deployment, Mapping):  # else nobody knows who it acts as, and that it was not seen is told
            about = f"ServiceAccount {seen.names.namespace}/{daemons.account(deployment)}"
            rules = f"manifests/base/{_room(seen, name)}/rbac.yaml"
            fix = f"{remedy.again(seen)}, or add the rule to one of its roles: {rules} has all of them"
            for right in lacking:
                if right._replace(namespace="") in spare:
                    continue
                level, says, mend = Level.ERROR, f"it may not {right}", fix
                if without := _without(seen, name, deployment, right):
                    level, says = Level.WARNING, f"{says}: {without}"
                    mend = f"nothing, where it may have no right in the cluster (rbac.createClusterScoped=false); else {fix}"
                yield Finding(check=Check.RIGHT_MISSING, level=level, about=about, says=says, fix=mend)


def _without(seen: Seen, name: str, deployment: Document, right: Right) -> str:
    """Return what the daemon *name* goes without where it lacks a *right* that it can do without; empty of any other right."""
    if right.resource == "nodes":
        return "which nodes share their GPUs is not known"
    steers = name == seen.names.autoscaler  # whoever serves an API has to ask who may read
    if right.resource in ("tokenreviews", "subjectaccessreviews") and steers and not daemons.told(deployment, "--page"):
        return "nobody can read its /metrics"
    return ""


def _room(seen: Seen, name: str) -> str:
    return "adapter" if name == seen.names.adapter else "autoscaler"


def _lease(seen: Seen) -> Iterator[Finding]:
    about = f"Lease {seen.names.namespace}/{seen.names.autoscaler}"
    logs = f"kubectl -n {seen.names.namespace} logs deploy/{seen.names.autoscaler}"
    fix = f"{logs} says why none takes the lease; start a controller if there is none"
    if isinstance(seen.lease, Unread):
        yield unseen(seen.lease)
        return
    if seen.lease is None:
        says = "no controller has ever led: nothing is steered"
        yield Finding(check=Check.NO_LEADER, level=Level.ERROR, about=about, says=says, fix=fix)
        return
    spec = seen.lease.get("spec") or {}
    if not spec.get("holderIdentity"):
        yield Finding(
            check=Check.NO_LEADER,
            level=Level.ERROR,
            about=about,
            says="the last leader gave it up and nobody has taken it",
            fix=fix,
        )
        return
    written = _written(seen.lease) or _time(spec.get("renewTime"))
    now = seen.now if isinstance(seen.api_now, Unread) else seen.api_now
    if written is not None and now - written > _LEASE_LOST_S:
        says = f"{spec['holderIdentity']} has not renewed it for {now - written:.0f} s: nothing is steered"
        yield Finding(check=Check.NO_LEADER, level=Level.ERROR, about=about, says=says, fix=fix)


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


_SET_CLOCK = "let chrony or systemd-timesyncd set the clock of"


def _own_clock(seen: Seen) -> Iterator[Finding]:
    if isinstance(seen.api_now, Unread):
        yield unseen(seen.api_now)
    elif abs(skew := seen.now - seen.api_now) > _SKEW_S:
        says = f"its clock is {_ahead(skew)} the API server's: a boost that it asks for ends by so much too {_early(-skew)}"
        yield Finding(
            check=Check.CLOCK_SKEW, level=Level.WARNING, about="this machine", says=says, fix=f"{_SET_CLOCK} this machine"
        )


def _controllers_clock(seen: Seen) -> Iterator[Finding]:
    if not isinstance(seen.lease, Mapping):
        return
    renewed, written = _time((seen.lease.get("spec") or {}).get("renewTime")), _written(seen.lease)
    if renewed is not None and written is not None and abs(skew := renewed - written) > _SKEW_S:
        holder = (seen.lease.get("spec") or {}).get("holderIdentity") or "the last one"
        says = f"its clock is {_ahead(skew)} the API server's: ages of samples, schedules and boosts are off by as much"
        fix = f"{_SET_CLOCK} the node that it runs on"
        yield Finding(check=Check.CLOCK_SKEW, level=Level.ERROR, about=f"controller {holder}", says=says, fix=fix)


def _ahead(skew_s: float) -> str:
    return f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'}"


def _early(skew_s: float) -> str:
    return "early" if skew_s > 0 else "late"


def _written(document: Document) -> float | None:
    """Return when *document* was written last, by the API server's own clock."""
    fields = (document.get("metadata") or {}).get("managedFields") or ()
    return max((at for each in fields if (at := _time(each.get("time"))) is not None), default=None)


def _time(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _false(document: Document, kind: str) -> str:
    """Return why *document*'s condition of type *kind* is not True; empty if it is, or is not there."""
    for each in (document.get("status") or {}).get("conditions") or ():
        if each.get("type") == kind and each.get("status") != "True":
            return str(each.get("message") or each.get("reason") or "no reason given")
    return ""
