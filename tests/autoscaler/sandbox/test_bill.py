"""What the demo's GPUs have cost, from the autoscaler's page of metrics."""

from autoscaler.sandbox import bill
from autoscaler.sandbox.bill import Bill

PAGE = """# TYPE leadtime_gpu_seconds_total counter
leadtime_gpu_seconds_total{scaler="qwen",state="serving",gpu="H100",capacity="on-demand"} 90.0
leadtime_gpu_seconds_total{scaler="qwen",state="warm",gpu="H100",capacity="on-demand"} 30.0
leadtime_gpus{scaler="qwen",state="serving"} 3
leadtime_cost_total{scaler="qwen",gpu="H100",capacity="on-demand",currency="USD"} 0.25
leadtime_cost_total{scaler="llama",gpu="L4",capacity="spot",currency="USD"} 0.5
"""


def test_all_that_was_held_and_paid_for_counts() -> None:
    assert bill.read(PAGE) == Bill(120.0, {"USD": 0.75})
    assert bill.read("") == Bill()


def test_what_was_there_before_does_not() -> None:
    assert bill.read(PAGE).since(Bill(20.0, {"USD": 0.25})) == Bill(100.0, {"USD": 0.5})
    assert bill.read(PAGE).since(Bill()) == bill.read(PAGE)


def test_it_says_so_in_hours_and_money_of_the_time_that_is_played() -> None:
    # 120 s, each a minute: 7200 s. 0.75 USD, sixty times.
    assert bill.read(PAGE).words(scale=60) == "2.0 GPU-hours, 45.00 USD"


def test_without_prices_it_says_that() -> None:
    assert Bill(60.0).words(scale=60) == "1.0 GPU-hours, at prices that nobody has told"
