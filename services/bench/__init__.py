"""How fast does this machine process readings, beside broker and database alone in the same run?

The number of unprocessed readings is bounded, so that the pipeline's work is measured and not the length of a queue.
"""

from pathlib import Path

from services.bench.latency import measure_latency, measure_minimum_latency, percentiles_ms
from services.bench.limits import WRITING_S, measure_receiving, measure_writing
from services.bench.processes import EMBEDDED, NamedParts, bench_processes
from services.bench.throughput import measure_pipeline

LATENCY_SHARE = 0.1
"""The load at which latency is measured, as a share of the pipeline's readings a second."""


def measure(*, seconds: float, per_message: int, folder: Path, named: NamedParts = EMBEDDED) -> dict[str, object]:
    """All figures that `vigia bench ingest` prints, measured one after the other on the same servers."""
    with bench_processes(folder, named) as running:
        load = measure_pipeline(running, seconds=seconds, per_message=per_message)
        received_per_s = measure_receiving(running, per_message=per_message) * per_message
        written_per_s = measure_writing(running, max(1, round(load.batch)), seconds=WRITING_S)
        waits_ms = measure_latency(running, rate=load.per_s * LATENCY_SHARE, per_message=per_message)
        bare_ms = measure_minimum_latency(running)
    return {
        "road_per_s": round(load.per_s),
        "limits": {"receive_per_s": round(received_per_s), "write_per_s": round(written_per_s)},
        "ratio": round(load.per_s / min(received_per_s, written_per_s), 3),
        "batch": round(load.batch, 1),
        "cpu_us_per_reading": {name: round(us, 1) for name, us in load.cpu_us_per_reading.items()},
        "rss_mb": {name: round(mb, 1) for name, mb in load.rss_mb.items()},
        "latency_ms": percentiles_ms(waits_ms),
        "bare_latency_ms": percentiles_ms(bare_ms),
    }
