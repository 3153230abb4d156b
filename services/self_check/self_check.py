"""The checks of Vigía itself, from what its processes report in their heartbeats, and the alerts about them.

Upkeep and notifier both run it, so that one of them tells of the other. Whoever comes first in a round does its work.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from alerts.system_faults import SystemFault, ended_faults, firing_faults, log_fault
from models.alert import NAR
from services.duty.chain import check_chain
from services.queries.city.backups import newest_backup
from services.queries.city.clocks import ahead_of_database_s, retention_refusal
from services.queries.city.processes import Process, list_processes
from services.runtime.clock import Clock, PeriodicTimer
from services.self_check.backup_check import backup_fault
from services.self_check.broker_check import BROKER, broker_faults
from services.self_check.canary_check import CANARY, canary_faults
from services.self_check.certificate_check import CERTIFICATE, read_certificate_faults
from services.self_check.clock_check import clock_fault
from services.self_check.disk_check import DISK, disk_faults
from services.self_check.duty_check import duty_faults
from services.self_check.process_check import PROCESS, process_faults

log = logging.getLogger(__name__)

CHECK_S = 2.0
FIRST_CHECK_S = 30.0
"""How long after its own start the first check waits: the other processes may start at the same time."""
DUTY_CHECK_S = 60.0
"""At start and every minute: a person whose only channel ended is noticed long before the storm."""
CERTIFICATE_CHECK_S = 60.0
"""Ends are days away, and the file of a large city's certificates takes a moment to read."""
LOCK = 0x76696769_5E1F


class SelfCheck:
    """Raises and clears the alerts about Vigía itself. `expected`: the processes named by the setting.

    `certificates`: the broker's folder of them, where this process sees it. `upkeep`: whether this process checks
    the backups, of whose age `backup_within_h` is the limit, and the rota.
    """

    def __init__(
        self,
        database: Engine,
        clock: Clock,
        expected: Collection[str],
        *,
        certificates: Path | None = None,
        upkeep: bool = False,
        backup_within_h: int | None = None,
        first_check_s: float = FIRST_CHECK_S,
    ) -> None:
        self._database, self._clock, self._expected, self._certificates = database, clock, expected, certificates
        self._upkeep, self._backup_within_h = upkeep, backup_within_h
        self._certificate_timer = PeriodicTimer(CERTIFICATE_CHECK_S)
        self._duty_timer = PeriodicTimer(DUTY_CHECK_S)
        self._timer = PeriodicTimer(CHECK_S)
        self._timer.postpone(first_check_s)

    def run_due(self) -> None:
        """Check, where it is time. Raises what the database raises."""
        if self._timer.due():
            self.run()

    def run(self) -> None:
        """Check once, in a transaction of its own; nothing where another process is checking now."""
        with self._database.begin() as transaction:
            if not transaction.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}).scalar_one():
                return
            self._check(transaction)

    def _check(self, transaction: Connection) -> None:
        firing = firing_faults(transaction)
        processes = list_processes(transaction)
        clock = clock_fault(
            processes,
            ahead_of_database_s(transaction, self._clock),
            retention_refusal(transaction, self._clock),
        )
        slow = [*self._certificate_faults(firing), *self._backup_faults(transaction), *self._duty_faults(transaction)]
        for fault in (clock, *find_faults(processes, self._expected, firing), *slow):
            before = firing.get(fault.name, NAR.VERDE)
            if fault.nar != before:
                log.warning(
                    "a check of the system changed", extra={"action": "check", "check": fault.name, "nar": fault.nar}
                )
            log_fault(transaction, fault, before, self._clock())

    def _certificate_faults(self, firing: dict[str, NAR]) -> Iterator[SystemFault]:
        """The state of the certificates, where this process sees them and it is time."""
        if self._certificates is not None and self._certificate_timer.due():
            found = read_certificate_faults(self._certificates, self._clock())
            yield from found
            if found:
                yield from ended_faults(found, firing, {CERTIFICATE})

    def _duty_faults(self, transaction: Connection) -> Iterator[SystemFault]:
        """The state of the rota, where this process checks it and it is time."""
        if self._upkeep and self._duty_timer.due():
            yield from duty_faults(check_chain(transaction, self._clock()), self._clock())

    def _backup_faults(self, transaction: Connection) -> Iterator[SystemFault]:
        if self._upkeep:
            yield backup_fault(newest_backup(transaction), self._backup_within_h)


def find_faults(
    processes: Sequence[Process], expected: Collection[str], firing: dict[str, NAR]
) -> Iterator[SystemFault]:
    """The state of every check. `firing`: the colours of the alerts that are open, by the name of the check."""
    found = [*process_faults(processes, expected), *broker_faults(processes), *disk_faults(processes, firing)]
    found += canary_faults(processes, firing)
    yield from found
    yield from ended_faults(found, firing, {PROCESS, BROKER, CANARY, DISK})
