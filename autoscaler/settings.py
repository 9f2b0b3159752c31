"""How the controller is paced: what the command line may set, each with its unit, its default and when to change it."""

from dataclasses import dataclass
from pathlib import Path

STATE_NAME = "forecasts.state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done. Seconds."""

    tick_s: float = 5.0
    """How often a target is decided on at rest; 15 is HPA's. Longer where thousands of targets share little CPU."""

    urgent_s: float = 2.0
    """How often while a queue is urgent or a target sits at zero."""

    read_s: float = 1.0
    """How often each metric of a namespace is read, all its pods at once; slower by itself where an answer takes long."""

    status_s: float = 30.0
    """How old the figures in an object's status may get while nothing happens; longer by itself with thousands of targets."""

    first_backoff_s: float = 1.0
    """How long a target whose change failed is left alone; doubled each time, up to `last_backoff_s`."""

    last_backoff_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.tick_s <= 15.0:
            raise ValueError(f"a period of {self.tick_s:g}s is not between 0.1 and 15 s: windows need ticks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """How loads are forecast, and from what."""

    state_dir: Path | None = None
    """Where what was learned is kept over a restart. Without it, it is learned again from the history."""

    history_url: str = ""
    """The Prometheus, or what speaks its API, that has the history. Without one a new target starts cold."""

    history_token_file: Path | None = None
    history_ca_file: Path | None = None
    refit_hours: float = 0.0
    """How often each target's models are fitted anew, in a process of its own; 0 is never."""

    step_s: int = 60
    """Length of a bucket in seconds; another than 60 only where time is scaled down."""

    day_s: int = 86_400
    """Length of a day in seconds, likewise."""

    @property
    def state_file(self) -> Path | None:
        """The file in which it is kept."""
        return self.state_dir / STATE_NAME if self.state_dir is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the web page listens, and for whom."""

    address: str
    port: int
    key_file: Path | None = None
    """The key that opens it, over plain HTTP on loopback; without one it is served over TLS to whoever may list scalers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    namespace: str
    """Our own, where the Lease and the memory live."""

    identity: str
    """Our name among the replicas."""

    address: str
    port: int
    service: str
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    kubeconfig: Path | None = None
    kube_context: str | None = None
    watch_namespaces: tuple[str, ...] = ()
    pace: Pace = Pace()
    foresight: Foresight = Foresight()
    prices: Path | None = None
    """What GPUs cost (`cost.prices`), read again when it changes. Without it GPU time is counted, and no money."""

    record: Path | None = None
    """A file that every decision is written to, with all that it came from."""

    page: Page | None = None
    """The web page; None: there is none, and nothing is kept for it."""

    drain_s: float = 3.0
    log_format: str = "json"
