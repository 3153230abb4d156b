"""Whether this city is simulated, as its settings say, and the words that mark its pages and notices."""

from dataclasses import dataclass

from services.runtime.clock import Clock, FasterClock

_BEFORE_NAME = "SIMULACIÓN · "


@dataclass(frozen=True, slots=True)
class Simulation:
    """What is not real in this city. `clock_factor`: speed of the simulated clock; None where the clock is real."""

    clock_factor: float | None
    devices: bool

    def label(self, language: str) -> str:
        """The mark in one language, "es" or "en": SIMULACIÓN, 60 veces más rápida."""
        return self._spanish() if language == "es" else self._english()

    def _spanish(self) -> str:
        match self.clock_factor:
            case None:
                return "SIMULACIÓN, con dispositivos simulados"
            case 1:
                return "SIMULACIÓN, con fecha y hora simuladas"
            case factor:
                times = f"{factor:g}".replace(".", ",")
                pace = f"{times} veces más rápida" if factor > 1 else f"a {times} de la velocidad real"
                return f"SIMULACIÓN, {pace}"

    def _english(self) -> str:
        match self.clock_factor:
            case None:
                return "SIMULATION, with simulated devices"
            case 1:
                return "SIMULATION, with a simulated date and time"
            case factor:
                return f"SIMULATION, {factor:g} times as fast"

    @property
    def text(self) -> str:
        """The mark in both languages, Spanish first."""
        return f"{self.label('es')} / {self.label('en')}"

    def marked_name(self, name: str) -> str:
        """The name of a place with the mark before it, for receivers that show nothing else of a notice."""
        return _BEFORE_NAME + name


def simulation_of(clock: Clock, *, devices: bool) -> Simulation | None:
    """What is simulated; None in a real city."""
    factor = clock.factor if isinstance(clock, FasterClock) else None
    return Simulation(factor, devices) if devices or factor is not None else None
