"""How fast is the road of a reading on this machine, beside what broker and database do alone in the same run?

The fleet may have only so many readings on the road, so that what is measured is carrying, not queueing.
"""

from pathlib import Path

from services.bench.latency import measure_latency, measure_minimum_latency, percentiles_ms
from services.bench.limits import WRITING_S, measure_receiving, measure_writing
from services.bench.road import measure_pipeline
from services.bench.works import bench_processes

LATENCY_SHARE = 0.1
"""Of the road's readings a second: the load at which latency is measured."""


def measure(*, seconds: float, per_message: int, folder: Path) -> dict[str, object]:
    """Everything `vigia bench ingest` prints, measured one after the other on the same parts."""
    with bench_processes(folder) as running:
        road = measure_pipeline(running, seconds=seconds, per_message=per_message)
        received_per_s = measure_receiving(running, per_message=per_message) * per_message
        written_per_s = measure_writing(running, max(1, round(road.batch)), seconds=WRITING_S)
        waits_ms = measure_latency(running, rate=road.per_s * LATENCY_SHARE, per_message=per_message)
        bare_ms = measure_minimum_latency(running)
    return {
        "road_per_s": round(road.per_s),
        "limits": {"receive_per_s": round(received_per_s), "write_per_s": round(written_per_s)},
        "ratio": round(road.per_s / min(received_per_s, written_per_s), 3),
        "batch": round(road.batch, 1),
        "cpu_us_per_reading": {name: round(us, 1) for name, us in road.cpu_us_per_reading.items()},
        "rss_mb": {name: round(mb, 1) for name, mb in road.rss_mb.items()},
        "latency_ms": percentiles_ms(waits_ms),
        "bare_latency_ms": percentiles_ms(bare_ms),
    }
