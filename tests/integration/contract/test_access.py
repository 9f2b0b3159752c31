"""Who may do what: tokens, reviews, and roles that only add."""

from typing import Any

import pytest

from tests.cluster import waiting
from tests.integration.contract.client import Answer, Api
from tests.integration.contract.documents import apps, configmap, core, idle_deployment

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
TOKEN = "/apis/authentication.k8s.io/v1/tokenreviews"


async def token_of(api: Api, namespace: str, name: str, **spec: Any) -> str:
    answer = await api.post(core(namespace, "serviceaccounts", name, "token"), {"spec": spec})
    assert answer.status == 201, answer.text
    token: str = answer.document["status"]["token"]
    return token


@pytest.fixture
async def account(api: Api, namespace: str) -> str:
    """Create the service account ``robot`` and return its user name."""
    await api.created(core(namespace, "serviceaccounts"), {"metadata": {"name": "robot"}})
    return f"system:serviceaccount:{namespace}:robot"


@pytest.fixture
async def robot(anonymous: Api, api: Api, namespace: str, account: str) -> Api:
    """Return the client of ``robot``, who may do nothing yet."""
    return anonymous.as_bearer(await token_of(api, namespace, "robot"))


async def grant(api: Api, namespace: str, *rules: dict[str, Any]) -> None:
    """Let ``robot`` do what *rules* say, in its namespace."""
    await api.created(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": "robots"}, "rules": list(rules)})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robots"}
    binding = {"metadata": {"name": "robots"}, "roleRef": role, "subjects": [subject]}
    await api.created(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)


def rule(groups: str, resources: str, verbs: str, *names: str) -> dict[str, Any]:
    found: dict[str, Any] = {"apiGroups": [groups], "resources": resources.split(), "verbs": verbs.split()}
    return {**found, "resourceNames": list(names)} if names else found


async def allowed(api: Api, user: str, *, groups: list[str] | None = None, **about: str) -> bool:
    """Return whether a SubjectAccessReview says that *user* may; *about* is the resource or, with ``path``, the path."""
    field = "nonResourceAttributes" if "path" in about else "resourceAttributes"
    answer = await api.post(ACCESS, {"spec": {"user": user, "groups": groups or [], field: about}})
    assert answer.status == 201, answer.text
    found: bool = answer.document["status"]["allowed"]
    return found


async def when_allowed(api: Api, user: str, **about: str) -> None:
    """Wait until the API server has seen a new role: a real one authorises from caches of its own."""

    async def check() -> bool:
        return await allowed(api, user, **about)

    await waiting.eventually(check, what=f"{user} may {about}")


async def eventually_allowed(answer: Any) -> Answer:
    """Ask again until the answer is no longer 403."""
    found: list[Answer] = []

    async def check() -> bool:
        found.append(await answer())
        return found[-1].status != 403

    await waiting.eventually(check, what="the role is in force")
    return found[-1]


async def test_a_stranger_is_forbidden_by_name(anonymous: Api, namespace: str) -> None:
    answer = await anonymous.get(core(namespace, "pods"))

    assert answer.status == 403
    assert answer.reason == "Forbidden"
    assert answer.message == (
        f'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "{namespace}"'
    )
    assert answer.document["details"] == {"kind": "pods"}


async def test_a_token_that_nobody_gave_is_unauthorized(anonymous: Api, namespace: str) -> None:
    answer = await anonymous.as_bearer("forged").get(core(namespace, "pods"))

    assert answer.status == 401
    assert answer.reason == "Unauthorized"
    assert answer.message == "Unauthorized"


async def test_an_account_without_roles_may_only_look_around(robot: Api, account: str, namespace: str) -> None:
    refused = await robot.get(apps(namespace, "deployments", "web"))

    assert refused.status == 403
    assert refused.message == (
        f'deployments.apps "web" is forbidden: User "{account}" cannot get resource "deployments" in API group "apps"'
        f' in the namespace "{namespace}"'
    )
    assert (await robot.get("/apis/apps/v1")).status == 200
    assert (await robot.get("/version")).status == 200


async def test_a_path_is_forbidden_in_its_own_words(robot: Api, account: str) -> None:
    answer = await robot.get("/metrics")

    assert answer.status == 403
    assert answer.message == f'forbidden: User "{account}" cannot get path "/metrics"'


async def test_a_cluster_scoped_resource_is_forbidden_at_the_cluster_scope(robot: Api, account: str) -> None:
    answer = await robot.get("/api/v1/nodes")

    assert (
        answer.message == f'nodes is forbidden: User "{account}" cannot list resource "nodes" in API group "" at the cluster scope'
    )


async def test_a_role_lets_do_what_it_says_and_nothing_else(api: Api, robot: Api, namespace: str) -> None:
    await grant(api, namespace, rule("", "configmaps", "get list"))
    await api.created(core(namespace, "configmaps"), configmap("a"))

    read = await eventually_allowed(lambda: robot.get(core(namespace, "configmaps", "a")))

    assert read.status == 200
    assert (await robot.get(core(namespace, "configmaps"))).status == 200
    assert (await robot.get(core(namespace, "configmaps"), watch="true")).status == 403
    assert (await robot.patch(core(namespace, "configmaps", "a"), {"data": {"k": "v"}})).status == 403
    assert (await robot.get(core(namespace, "secrets"))).status == 403
    assert (await robot.get("/api/v1/configmaps")).status == 403
    assert (await robot.get(core("default", "configmaps"))).status == 403


async def test_a_role_for_a_subresource_is_not_one_for_the_object(api: Api, robot: Api, namespace: str) -> None:
    await api.created(apps(namespace, "deployments"), idle_deployment("web"))
    await grant(api, namespace, rule("apps", "deployments/scale", "get patch"))
    path = apps(namespace, "deployments", "web")

    scaled = await eventually_allowed(lambda: robot.patch(f"{path}/scale", {"spec": {"replicas": 2}}))

    assert scaled.status == 200
    assert (await robot.get(path)).status == 403
    assert (await robot.patch(path, {"spec": {"replicas": 3}})).status == 403


async def test_a_role_with_names_holds_for_those_names_and_for_lists_of_one(api: Api, robot: Api, namespace: str) -> None:
    path = core(namespace, "configmaps")
    for name in ("a", "b"):
        await api.created(path, configmap(name))
    await grant(api, namespace, rule("", "configmaps", "get list watch", "a"))

    assert (await eventually_allowed(lambda: robot.get(f"{path}/a"))).status == 200
    assert (await robot.get(f"{path}/b")).status == 403
    assert (await robot.get(path)).status == 403
    assert (await robot.get(path, fieldSelector="metadata.name=a")).names == ["a"]


@pytest.mark.parametrize(
    ("resources", "asked", "expected"),
    [
        ("pods", {"resource": "pods"}, True),
        ("pods", {"resource": "pods", "subresource": "status"}, False),
        ("pods/status", {"resource": "pods", "subresource": "status"}, True),
        ("pods/status", {"resource": "pods"}, False),
        ("*", {"resource": "pods", "subresource": "gpu_utilization"}, True),
        ("*/scale", {"resource": "deployments", "subresource": "scale"}, True),
        ("*/scale", {"resource": "deployments"}, False),
        ("pods/*", {"resource": "pods", "subresource": "gpu_utilization"}, False),  # not a wildcard: a literal
    ],
)
async def test_reviews_follow_the_resources_of_a_rule(
    api: Api, account: str, namespace: str, resources: str, asked: dict[str, str], expected: bool
) -> None:
    # The second rule is there in every case, and says when the role has been seen.
    await grant(api, namespace, rule("some.example", resources, "get"), rule("seen.example", "signs", "get"))
    await when_allowed(api, account, verb="get", group="seen.example", resource="signs", namespace=namespace)

    assert await allowed(api, account, verb="get", group="some.example", namespace=namespace, **asked) is expected


async def test_reviews_follow_groups_verbs_and_names(api: Api, account: str, namespace: str) -> None:
    await grant(api, namespace, rule("*", "things", "get list", "one", "two"), rule("b.example", "others", "*"))
    here = {"namespace": namespace}
    await when_allowed(api, account, verb="get", group="b.example", resource="others", **here)

    assert await allowed(api, account, verb="get", group="a.example", resource="things", name="one", **here)
    assert not await allowed(api, account, verb="get", group="a.example", resource="things", name="three", **here)
    assert not await allowed(api, account, verb="list", group="a.example", resource="things", **here)
    assert not await allowed(api, account, verb="watch", group="a.example", resource="things", name="one", **here)
    assert await allowed(api, account, verb="anything", group="b.example", resource="others", name="x", **here)
    assert not await allowed(api, account, verb="get", group="c.example", resource="others", **here)
    assert not await allowed(api, account, verb="get", group="b.example", resource="others")
    assert not await allowed(api, "somebody-else", verb="get", group="b.example", resource="others", **here)


async def test_a_review_says_which_role_allowed_it(api: Api, account: str, namespace: str) -> None:
    await grant(api, namespace, rule("", "pods", "get"))
    about = {"verb": "get", "resource": "pods", "namespace": namespace}
    await when_allowed(api, account, **about)

    answer = await api.post(ACCESS, {"spec": {"user": account, "resourceAttributes": about}})

    assert answer.document["status"]["reason"] == (
        f'RBAC: allowed by RoleBinding "robots/{namespace}" of Role "robots" to ServiceAccount "robot/{namespace}"'
    )


async def test_a_group_is_bound_across_the_cluster_to_resources_and_paths(api: Api, namespace: str) -> None:
    name = f"contract-{namespace}"
    paths = {"nonResourceURLs": ["/explain/*", "/metrics"], "verbs": ["get"]}
    rules = [rule("custom.metrics.k8s.io", "*", "get"), paths]
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    await api.created(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    await api.created(f"{RBAC}/clusterrolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": subjects})

    async def may(**about: str) -> bool:
        return await allowed(api, "someone", groups=[name], **about)

    await waiting.eventually(lambda: may(verb="get", path="/metrics"), what="the role is in force")
    metric = {"group": "custom.metrics.k8s.io", "resource": "pods", "subresource": "gpu_utilization", "name": "*"}
    assert await may(verb="get", namespace=namespace, **metric)
    assert await may(verb="get", path="/explain/anything/below")
    assert not await may(verb="get", path="/explain")
    assert not await may(verb="get", path="/metrics/more")
    assert not await may(verb="post", path="/metrics")
    for kind in ("clusterrolebindings", "clusterroles"):
        await api.delete(f"{RBAC}/{kind}/{name}")


async def test_masters_may_do_everything(api: Api) -> None:
    masters = ["system:masters"]

    assert await allowed(api, "boss", groups=masters, verb="invent", group="any.example", resource="things")
    assert await allowed(api, "boss", groups=masters, verb="get", path="/anything")


@pytest.mark.parametrize(
    "spec",
    [
        {"resourceAttributes": {"verb": "get", "resource": "pods"}},
        {"user": "someone"},
        {"user": "someone", "resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get", "path": "/"}},
    ],
)
async def test_a_review_of_nobody_or_of_nothing_is_invalid(api: Api, spec: dict[str, Any]) -> None:
    answer = await api.post(ACCESS, {"spec": spec})

    assert answer.status == 422
    assert answer.reason == "Invalid"


async def test_only_delegators_may_ask_for_reviews(robot: Api) -> None:
    answer = await robot.post(TOKEN, {"spec": {"token": "any"}})

    assert answer.status == 403


async def test_a_token_is_reviewed_to_its_account(api: Api, account: str, namespace: str) -> None:
    token = await token_of(api, namespace, "robot")

    answer = await api.post(TOKEN, {"spec": {"token": token}})

    assert answer.status == 201
    assert answer.document["kind"] == "TokenReview"
    assert answer.document["status"]["authenticated"] is True
    user = answer.document["status"]["user"]
    assert user["username"] == account
    assert set(user["groups"]) == {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
    assert user["uid"] == (await api.get(core(namespace, "serviceaccounts", "robot"))).metadata["uid"]


async def test_a_forged_token_is_reviewed_to_nobody(api: Api) -> None:
    answer = await api.post(TOKEN, {"spec": {"token": "forged"}})

    assert answer.status == 201
    assert not answer.document["status"].get("authenticated", False)
    assert answer.document["status"]["error"]


async def test_a_token_is_good_for_its_audience_only(api: Api, account: str, namespace: str) -> None:
    token = await token_of(api, namespace, "robot", audiences=["metrics.example"])

    for_us = await api.post(TOKEN, {"spec": {"token": token}})
    for_them = await api.post(TOKEN, {"spec": {"token": token, "audiences": ["metrics.example", "other.example"]}})

    assert not for_us.document["status"].get("authenticated", False)
    assert for_them.document["status"]["authenticated"] is True
    assert for_them.document["status"]["audiences"] == ["metrics.example"]


async def test_a_token_dies_with_its_account(api: Api, robot: Api, namespace: str) -> None:
    assert (await robot.get("/apis/apps/v1")).status == 200

    await api.delete(core(namespace, "serviceaccounts", "robot"))

    async def refused() -> bool:
        return (await robot.get("/apis/apps/v1")).status == 401

    await waiting.eventually(refused, what="the token is refused")


async def test_a_token_of_no_account_is_not_given(api: Api, namespace: str) -> None:
    answer = await api.post(core(namespace, "serviceaccounts", "absent", "token"), {"spec": {}})

    assert answer.status == 404


async def test_somebody_asks_who_they_are_and_what_they_may(api: Api, robot: Api, account: str, namespace: str) -> None:
    await grant(api, namespace, rule("", "pods", "list"))
    about = {"verb": "list", "resource": "pods", "namespace": namespace}
    await when_allowed(api, account, **about)

    who = await robot.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    may = await robot.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {"spec": {"resourceAttributes": about}})

    assert who.document["status"]["userInfo"]["username"] == account
    assert may.document["status"]["allowed"] is True


async def test_the_front_proxys_facts_are_readable_by_whoever_is_bound_to_their_reader(
    api: Api, robot: Api, namespace: str
) -> None:
    path = core("kube-system", "configmaps", "extension-apiserver-authentication")
    assert (await robot.get(path)).status == 403
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extension-apiserver-authentication-reader"}
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": namespace}
    bindings = f"{RBAC}/namespaces/kube-system/rolebindings"
    await api.created(bindings, {"metadata": {"name": namespace}, "roleRef": role, "subjects": [subject]})

    read = await eventually_allowed(lambda: robot.get(path))
    await api.delete(f"{bindings}/{namespace}")

    assert set(read.document["data"]) >= {
        "client-ca-file",
        "requestheader-client-ca-file",
        "requestheader-allowed-names",
        "requestheader-username-headers",
        "requestheader-group-headers",
        "requestheader-extra-headers-prefix",
    }
    assert read.document["data"]["requestheader-username-headers"] == '["X-Remote-User"]'
