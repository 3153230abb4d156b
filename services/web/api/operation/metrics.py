"""Metrics in Prometheus' text format, read from the tables at each scrape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from alerts.system_faults import firing_faults
from models.alert import NAR
from services.queries.city import health as queries
from services.queries.city.backups import Backup, newest_backup
from services.queries.city.deliveries import DeliveryFigures, delivery_figures
from services.queries.city.health import HealthFigures, KindFlow
from services.queries.city.processes import Process, dead_processes, list_processes
from services.web.access import require_insight
from services.web.api.operation.health import HealthRoute
from services.web.context import DatabaseSnapshot, Now, context_of
from services.web.live.event_feed import EventFeed

router = APIRouter(tags=["health"], dependencies=[Depends(require_insight)], route_class=HealthRoute)

EXAMPLE = '# TYPE vigia_open_alerts gauge\nvigia_open_alerts{nar="naranja"} 2.0\n'


@dataclass(frozen=True, slots=True, eq=False)
class _Scrape:
    """The values of one scrape, as a collector of the registry."""

    figures: HealthFigures
    flows: list[KindFlow]
    processes: list[Process]
    dead: tuple[str, ...]
    feed: EventFeed
    backup: Backup | None
    faults: Mapping[str, NAR]
    told: DeliveryFigures

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        figures = self.figures
        colours = {nar.name.lower(): figures.open_alerts.get(nar, 0) for nar in NAR}
        yield _gauge("open_alerts", "Alerts nobody closed yet, by attention level", "nar", colours)
        yield _gauge("rejected_last_day", "Messages of the last day that were no reading", "reason", figures.rejected)
        yield _gauge(
            "rejections_counted_last_day",
            "Rejected messages of the last day beyond what is kept",
            "reason",
            figures.rejections_counted,
        )
        yield _gauge("streams_not_learnt", "Streams whose forecast could not be learnt", "trouble", figures.not_learnt)
        ages = {flow.kind: flow.age_s for flow in self.flows if flow.age_s is not None}
        yield _gauge("reading_age_seconds", "Age of the newest reading", "kind", ages)
        heartbeat_ages = {process.process: process.age_s for process in self.processes}
        yield _gauge("heartbeat_age_seconds", "Age of a process's last sign of life", "process", heartbeat_ages)
        alive = {**{process.process: 1.0 for process in self.processes}, **dict.fromkeys(self.dead, 0.0)}
        yield _gauge("process_alive", "0 for an expected process that fell silent or never ran", "process", alive)
        faults = {check: float(nar) for check, nar in self.faults.items()}
        yield _gauge("fault", "Colour of an open alert about Vigía itself: 1 amarillo to 3 rojo", "check", faults)
        yield _process_counts(self.processes)
        yield _told(self.told)
        yield _gauge(
            "notices_oldest_due_seconds", "Wait of the oldest due notice", "channel", dict(self.told.oldest_due_s)
        )
        for name, help_text, value in (
            ("unacknowledged_alerts", "Open alerts nobody took charge of", figures.unacknowledged),
            ("shelved_alerts", "Open alerts put aside for a while", figures.shelved),
            ("alerts_to_confirm", "Open alerts whose lower level a person has to confirm", figures.to_confirm),
            ("unsent_notices", "Notices still to be told", figures.unsent_notices),
            ("oldest_unsent_notice_seconds", "How long the oldest of them is due", figures.oldest_unsent_s),
            ("unregistered_devices", "Devices nobody placed at a station", figures.unregistered_devices),
            ("lost_readings", "Holes in devices' numbering that nothing filled", figures.lost_readings),
            (
                "retention_refused",
                "1 while the clock may be wrong, so that nothing is deleted",
                figures.retention_refused,
            ),
            ("live_clients", "Connected to the live stream", self.feed.clients),
            ("live_connected", "1 while live events flow", float(self.feed.connected)),
        ):
            yield GaugeMetricFamily(f"vigia_{name}", help_text, value=value)
        age_s, size = (self.backup.age_s, self.backup.size_bytes) if self.backup else (None, None)  # None: no value
        yield GaugeMetricFamily("vigia_backup_age_seconds", "Age of the newest backup", value=age_s)
        yield GaugeMetricFamily("vigia_backup_bytes", "Size of the newest backup", value=size)
        yield CounterMetricFamily(
            "vigia_live_dropped", "Clients dropped for being slow", value=self.feed.dropped_clients
        )


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}}}},
)
def metrics(request: Request, snapshot: DatabaseSnapshot, now: Now) -> PlainTextResponse:
    """Metrics in Prometheus' text format."""
    registry, context = CollectorRegistry(), context_of(request)
    processes = list_processes(snapshot)
    scrape = _Scrape(
        queries.health_figures(snapshot, now),
        queries.kind_flows(snapshot, now),
        processes,
        dead_processes(processes, context.settings.expected),
        context.event_feed,
        newest_backup(snapshot),
        firing_faults(snapshot),
        delivery_figures(snapshot, now),
    )
    registry.register(scrape)
    return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _gauge(name: str, help_text: str, label: str, values: object) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"vigia_{name}", help_text, labels=[label])
    assert isinstance(values, dict)
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _told(figures: DeliveryFigures) -> GaugeMetricFamily:
    """Notices to people of the last day, by the channel that was tried and what came of it."""
    family = GaugeMetricFamily(
        "vigia_notices_last_day", "Notices to people of the last day", labels=["channel", "outcome"]
    )
    for (channel, outcome), count in figures.last_day.items():
        family.add_metric([channel, outcome], count)
    return family


def _process_counts(processes: list[Process]) -> GaugeMetricFamily:
    """Numbers in the status of the processes, such as readings stored since they started."""
    family = GaugeMetricFamily("vigia_process", "What a process counts", labels=["process", "what"])
    for process in processes:
        for what, value in process.status.items():
            if isinstance(value, int | float):
                family.add_metric([process.process, what], float(value))
    return family
