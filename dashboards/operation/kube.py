"""What the controller asks of the Kubernetes API."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_controller, quantile, rate


def api() -> Row:
    """Return the row of what is asked of the API server."""
    asked = of_controller("leadtime_kube_requests_total")
    return Row(
        "The Kubernetes API",
        [
            panels.lines(
                Box(
                    title="Requests to the API server",
                    text="By verb and resource. Reads of metrics go by the name of their API; they grow with the scalers.",
                    unit="reqps",
                    width=8,
                ),
                Query(f"sum by (verb, resource) ({rate(asked)})", "{{verb}} {{resource}}"),
            ),
            panels.lines(
                Box(
                    title="Answers of the API server",
                    text="By status. 404 and 503 of a metric is a value that is missing; 403 is a right that is missing; "
                    "no_answer is an API server that cannot be reached.",
                    unit="reqps",
                    width=8,
                ),
                Query(f"sum by (code) ({rate(asked)})", "{{code}}"),
                stacked=True,
                overrides={"/2../": panels.coloured(words.GREEN), "/5..|no_answer/": panels.coloured(words.RED)},
            ),
            panels.lines(
                Box(
                    title="Time of an answer, p99",
                    text="Until the answer was there, by verb; of a watch, until it began.",
                    unit="s",
                    width=8,
                ),
                Query(quantile(0.99, of_controller("leadtime_kube_request_duration_seconds_bucket"), "verb"), "{{verb}}"),
            ),
            panels.lines(
                Box(
                    title="Watches that fail, or begin anew",
                    text="Failures in a row; 0 is well, and meanwhile what was last seen of the resource counts. Anew are the "
                    "full lists of the hour before: one at a start, and one whenever the server has forgotten where we were. "
                    "Many are dear to the API server.",
                    unit="short",
                    width=12,
                    decimals=0,
                ),
                Query(f"max by (resource) ({of_controller('leadtime_watch_failures')})", "{{resource}} fails"),
                Query(f"sum by (resource) (increase({of_controller('leadtime_watch_lists_total')}[1h]))", "{{resource}} anew"),
            ),
            panels.lines(
                Box(
                    title="Silence of watches",
                    text="Since the server last said anything on each watch. Bookmarks come about every minute: minutes of "
                    "silence are a connection that is dead.",
                    unit="s",
                    width=12,
                ),
                Query(
                    f"time() - max by (resource) ({of_controller('leadtime_watch_last_event_timestamp_seconds')})", "{{resource}}"
                ),
            ),
        ],
    )
