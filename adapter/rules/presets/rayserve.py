"""Ray Serve, with or without vLLM in its replicas, as Ray's own metrics endpoint of each pod tells it.

Ray writes vLLM's ``vllm:…`` as ``ray_vllm_…``; where a pod has those, they are what is served, and Ray Serve's own series
otherwise. A request that no replica has taken yet waits in a router, so it shows at the pod that the router runs in, and a
workload's queue is the sum over its pods. ``inference_requests_in_flight`` is what the replicas work on, a vLLM replica's
waiting requests among them.
"""

from dataclasses import replace

from adapter.rules.model import Rate, Selection, Term
from adapter.rules.presets import vllm
from adapter.rules.presets.recipe import Engine, Recipe, any_of

DESCRIPTION = "Ray Serve and vLLM under Ray: queue, running requests, KV cache, token rate, latencies"

# A Ray node's page speaks for all of its processes: workers, replicas, and the routers' handles.
_PROCESSES = ("WorkerId", "ReplicaId", "replica", "handle", "actor_id", "engine")
_SERVE = Engine(apart=_PROCESSES, keep=("deployment", "application"))
_VLLM = Engine(apart=_PROCESSES, keep=("model_name", "deployment", "application"))


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    queued = Selection("ray_serve_deployment_queued_queries")
    processing = Selection("ray_serve_replica_processing_queries")
    handled = (
        Selection("ray_serve_deployment_request_counter_total", measure=Rate(window_s)),
        Selection("ray_serve_deployment_request_counter", measure=Rate(window_s)),
    )
    of_serve = {
        "inference_queue_size": (queued,),
        "inference_requests_running": (processing,),
        "inference_request_rate": handled,
    }
    of_vllm = [recipe for recipe in vllm.canonical("ray_vllm_", window_s, _VLLM) if recipe.metric != "inference_requests_in_flight"]
    return (
        *(_or_else(recipe, of_serve.get(recipe.metric, ())) for recipe in of_vllm),
        _SERVE.count("inference_requests_in_flight", any_of(processing)),
        _SERVE.count("ray_serve_deployment_queued_queries", any_of(queued)),
        _SERVE.count("ray_serve_replica_processing_queries", any_of(processing)),
        _VLLM.count("ray_vllm_num_requests_waiting", any_of(Selection("ray_vllm_num_requests_waiting"))),
        _VLLM.count("ray_vllm_num_requests_running", any_of(Selection("ray_vllm_num_requests_running"))),
    )


def _or_else(recipe: Recipe, selections: tuple[Selection, ...]) -> Recipe:
    (term,) = recipe.of
    return replace(recipe, of=(Term((*term.any_of, *any_of(*selections).any_of)),))
