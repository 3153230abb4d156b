"""The data register (Ley 25.326) as a page of Markdown: sensor kinds and riders' reports. Spanish first."""

from models.kind import SensorKind
from models.kinds import KINDS
from models.tables.rider_reports import LONGEST_COMMENT
from services.upkeep.retention import RIDER_REPORTS_KEPT

_OPENING = """\
# Registro de datos / Data register

Qué guarda Vigía de cada tipo de sensor, para qué, con qué fundamento y por cuánto tiempo (Ley 25.326, arts. 4 y 6).
Los resúmenes por hora y por día se conservan sin plazo: no contienen datos personales.

*What Vigía keeps of each kind of sensor, what for, on what grounds and for how long. Hourly and daily summaries are
kept without a limit: they hold no personal data.*

Esta página la escribe `vigia register` a partir de `models/kinds`. *Written by `vigia register` from `models/kinds`.*
"""

_RIDER_REPORTS = f"""\
## Avisos de pasajeros / Riders' reports (`rider_reports`)

| | |
|---|---|
| Datos personales / *Personal data* | lo que se escriba en el comentario / *what is written in the comment* |
| Finalidad / *Purpose* | Saber qué colectivo no pasó / *Knowing which bus did not come* |
| Fundamento / *Legal basis* | Servicio público de transporte; no se guarda quién avisa ni dónde está |
| Plazo / *Kept* | {RIDER_REPORTS_KEPT.days} días / *days* |

| Campo / *Field* | Qué es / *What it is* |
|---|---|
| `at` | When it was sent, to the minute |
| `source` | Through what: onebusaway, page, sms |
| `code` | What is wrong, in OneBusAway's words |
| `stop_id`, `route_id`, `trip_id`, `service_date` | Which stop, line and trip |
| `vehicle`, `on_board` | The bus as the rider read it, and whether they sat in it |
| `comment` | The rider's words, at most {LONGEST_COMMENT} characters |
"""


def register_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_OPENING, *(_section(kind) for kind in KINDS), _RIDER_REPORTS])


def _section(kind: SensorKind) -> str:
    keeping = kind.retention
    personal = "sí / *yes*" if keeping.personal else "no / *no*"
    lines = [
        f"## {kind.title.es} / {kind.title.en} (`{kind.name}`)",
        "",
        "| | |",
        "|---|---|",
        f"| Datos personales / *Personal data* | {personal} |",
        f"| Finalidad / *Purpose* | {keeping.purpose.es} / *{keeping.purpose.en}* |",
        f"| Fundamento / *Legal basis* | {keeping.legal_basis} |",
        f"| Plazo de las lecturas / *Readings are kept* | {keeping.raw_days} días / *days* |",
        "",
        "| Campo / *Field* | Qué es / *What it is* |",
        "|---|---|",
        *(f"| `{name}` | {_meaning(kind, name)} |" for name in kind.columns),
        "",
    ]
    return "\n".join(lines)


def _meaning(kind: SensorKind, name: str) -> str:
    return kind.payload.model_fields[name].description or ""
