"""What a Prometheus has of GPUs, asked in four instant queries and one look at its targets."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from adapter.errors import AdapterError
from adapter.rules.attribution import EXPORTER_PODS
from adapter.schema import duration
from adapter.sources.credentials import Auth, Credentials, Tls
from autoscaler.doctor.seen import Series, Unread

_SERIES = '{__name__=~"DCGM_FI_DEV_GPU_UTIL|DCGM_FI_PROF_GR_ENGINE_ACTIVE"%s}'
#: A GPU that no pod has shows its exporter's own pod.
_OWN = f'pod!~"{EXPORTER_PODS}"'
_PLAIN = _SERIES % f',exported_pod="",pod!="",{_OWN}'
_EXPORTED = _SERIES % ',exported_pod!=""'
_ALL = _SERIES % ""
_TWICE = f"count(count by (__name__, UUID, GPU_I_ID) (count by (__name__, UUID, GPU_I_ID, job, instance) ({_ALL})) > 1)"
_MOST_BYTES = 16 * 1024 * 1024

_Get = Callable[[str, Mapping[str, str]], Awaitable[Any]]


async def look(url: str, *, deadline_s: float, token_file: Path | None, ca_file: Path | None) -> Series | Unread:
    """Return what the Prometheus at *url* has, or why it cannot be asked."""
    what = f"Prometheus {url}"
    try:
        access = Credentials(url, Auth(bearer_token_file=token_file), Tls(ca_file=ca_file)).read(https=url.startswith("https:"))
        timeout = aiohttp.ClientTimeout(total=deadline_s)
        async with aiohttp.ClientSession(timeout=timeout, headers=dict(access.headers), trust_env=False) as session:

            async def get(path: str, query: Mapping[str, str]) -> Any:
                async with session.get(
                    f"{url.rstrip('/')}{path}", params=query, ssl=access.context or True, allow_redirects=False
                ) as answer:
                    return await _data(path, answer)

            return await _series(get)
    except (AdapterError, aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
        return Unread(what, str(error) or type(error).__name__)


async def _data(path: str, answer: aiohttp.ClientResponse) -> Any:
    """Return what an *answer* holds. Raise `ValueError` for one that is too large, no success or no JSON."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise ValueError(f"{path} answers more than {_MOST_BYTES >> 20} MiB")
    if answer.status != 200:
        raise ValueError(f"{path} answers {answer.status}")
    return json.loads(body)["data"]


async def _series(get: _Get) -> Series:
    every = await _count(get, f"count({_ALL})")
    plain, exported = await _count(get, f"count({_PLAIN})"), await _count(get, f"count({_EXPORTED})")
    twice = await _count(get, _TWICE)
    result = (await get("/api/v1/query", {"query": f"group by (job) ({_ALL})"}))["result"]
    jobs = sorted(str(each["metric"].get("job", "")) for each in result)
    return Series(
        plain=plain,
        exported=exported,
        bare=every - plain - exported,
        twice=twice,
        twice_by=tuple(jobs) if twice else (),
        scrape_intervals_s=await _intervals(get, jobs),
    )


async def _count(get: _Get, expression: str) -> int:
    result = (await get("/api/v1/query", {"query": expression}))["result"]
    return int(float(result[0]["value"][1])) if result else 0


async def _intervals(get: _Get, jobs: Sequence[str]) -> Mapping[str, float] | Unread:
    """Return how often each of *jobs* scrapes. Thanos and Mimir have series and no targets."""
    try:
        targets = (await get("/api/v1/targets", {"state": "active"}))["activeTargets"]
        return {job: duration(each["scrapeInterval"]) for each in targets if (job := each["labels"].get("job")) in jobs}
    except (ValueError, KeyError, TypeError) as error:
        return Unread("how often the GPUs are scraped", f"it has no list of targets: {error}")
