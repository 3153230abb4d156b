"""Definitions of the schematic bus lines: companies, branches, corners and headways. Plausible, not the real routes.

Numbers, names and companies are those published by the city. Routes, branches and headways are invented to resemble
what is published: branches that share trunk sections, many with headways above half an hour even at the peak.
"""

from dataclasses import dataclass

from models.network import Agency

ZONE = "America/Argentina/Buenos_Aires"


def _agency(id: str, name: str) -> Agency:  # noqa: A002 - the field's own name
    return Agency(id=id, name=name, url=f"https://example.org/{id}", timezone=ZONE, language="es")


AGENCIES = (
    _agency("platense", "Unión Platense"),
    _agency("expreso", "Expreso La Plata-Buenos Aires"),
    _agency("nueve", "Nueve de Julio"),
    _agency("siete", "Línea Siete"),
    _agency("barragan", "Fuerte Barragán"),
)
DEPOTS = {
    "platense": "10 y 68",
    "expreso": "27 y 88",
    "nueve": "28 y 40",
    "siete": "3 y 86",
    "barragan": "118 y 46",
}
"""The corner nearest to the depot of each company, on streets that no line uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch of a line: the corners where it turns. It returns by the same streets.

    `headway_min`: headway in an ordinary hour of a working day. `headsigns`: of the outer and of the inner terminal.
    `night`: whether it also runs between 23 and 3.
    """

    corners: tuple[str, ...]
    headway_min: int
    headsigns: tuple[str, str]
    night: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BusLine:
    """A line and its branches. `by_headway`: only headways are scheduled, no departure times."""

    name: str
    agency: str
    color: str
    branches: tuple[Branch, ...]
    by_headway: bool = False


LINES = (
    BusLine(
        name="307",
        agency="siete",
        color="1E5AA8",
        branches=(
            Branch(corners=("7 y 90", "7 y 514"), headway_min=20, headsigns=("Villa Elvira", "Ringuelet"), night=True),
            Branch(corners=("7 y 72", "7 y 44", "1 y 44"), headway_min=24, headsigns=("7 y 72", "Estación")),
        ),
    ),
    BusLine(
        name="214",
        agency="platense",
        color="C8102E",
        branches=(
            Branch(
                corners=("137 y 66", "7 y 66", "7 y 44", "1 y 44"),
                headway_min=24,
                headsigns=("Los Hornos", "Estación"),
                night=True,
            ),
            Branch(corners=("149 y 66", "13 y 66", "13 y 526"), headway_min=36, headsigns=("Los Hornos", "Tolosa")),
        ),
    ),
    BusLine(
        name="202",
        agency="platense",
        color="F2A900",
        branches=(
            Branch(
                corners=("137 y 60", "Montevideo y 60", "Montevideo y 80"),
                headway_min=30,
                headsigns=("Los Hornos", "Berisso"),
                night=True,
            ),
            Branch(
                corners=("7 y 72", "7 y 44", "La Merced y 44", "La Merced y 36"),
                headway_min=36,
                headsigns=("7 y 72", "Ensenada"),
            ),
        ),
    ),
    BusLine(
        name="273",
        agency="platense",
        color="B3001B",
        branches=(
            Branch(
                corners=("13 y 474", "13 y 44", "7 y 44", "7 y 60", "1 y 60"),
                headway_min=30,
                headsigns=("City Bell", "1 y 60"),
                night=True,
            ),
            Branch(
                corners=("13 y 500", "13 y 44", "7 y 44", "7 y 60", "1 y 60"),
                headway_min=30,
                headsigns=("Gonnet", "1 y 60"),
            ),
            Branch(
                corners=("13 y 446", "13 y 44", "7 y 44", "7 y 60", "1 y 60"),
                headway_min=60,
                headsigns=("Villa Elisa", "1 y 60"),
            ),
        ),
    ),
    BusLine(
        name="275",
        agency="barragan",
        color="007A5E",
        branches=(
            Branch(
                corners=("La Merced y 36", "La Merced y 44", "1 y 44", "7 y 51", "7 y 60", "31 y 60"),
                headway_min=36,
                headsigns=("Ensenada", "31 y 60"),
                night=True,
            ),
        ),
    ),
    BusLine(
        name="506",
        agency="barragan",
        color="00A0AF",
        branches=(
            Branch(corners=("167 y 44", "7 y 44", "7 y 60"), headway_min=40, headsigns=("Olmos", "7 y 60"), night=True),
            Branch(corners=("137 y 44", "7 y 44", "7 y 60"), headway_min=40, headsigns=("137 y 44", "7 y 60")),
        ),
    ),
    BusLine(
        name="508",
        agency="nueve",
        color="5B2C83",
        branches=(
            Branch(
                corners=("143 y 32", "7 y 32", "7 y 60", "122 y 60"), headway_min=36, headsigns=("San Carlos", "Bosque")
            ),
        ),
    ),
    BusLine(
        name="518",
        agency="expreso",
        color="E87722",
        branches=(
            Branch(corners=("25 y 90", "25 y 60", "7 y 60", "7 y 38"), headway_min=45, headsigns=("Altos", "7 y 38")),
        ),
    ),
    BusLine(
        name="520",
        agency="platense",
        color="D4B106",
        branches=(
            Branch(
                corners=("155 y 520", "13 y 520", "13 y 44", "1 y 44"), headway_min=40, headsigns=("Abasto", "Estación")
            ),
        ),
    ),
    BusLine(
        name="561",
        agency="nueve",
        color="6D4C41",
        branches=(
            Branch(corners=("31 y 90", "31 y 32", "1 y 32", "1 y 60"), headway_min=45, headsigns=("31 y 90", "1 y 60")),
        ),
    ),
    BusLine(
        name="Norte",
        agency="platense",
        color="2563EB",
        branches=(
            Branch(
                corners=("1 y 510", "1 y 44", "7 y 51", "7 y 60", "13 y 60"),
                headway_min=30,
                headsigns=("Ringuelet", "13 y 60"),
                night=True,
            ),
            Branch(
                corners=("1 y 526", "1 y 44", "7 y 51", "7 y 60", "13 y 60"),
                headway_min=36,
                headsigns=("Tolosa", "13 y 60"),
            ),
        ),
    ),
    BusLine(
        name="Sur",
        agency="platense",
        color="16A34A",
        branches=(
            Branch(corners=("13 y 98", "13 y 44", "1 y 44"), headway_min=36, headsigns=("Aeropuerto", "Estación")),
            Branch(corners=("19 y 90", "19 y 44", "7 y 44", "7 y 38"), headway_min=40, headsigns=("19 y 90", "7 y 38")),
        ),
    ),
    BusLine(
        name="Este",
        agency="expreso",
        color="EAB308",
        branches=(
            Branch(
                corners=("122 y 90", "122 y 60", "7 y 60", "7 y 38"), headway_min=36, headsigns=("122 y 90", "7 y 38")
            ),
            Branch(
                corners=("122 y 72", "1 y 72", "1 y 60", "7 y 53", "7 y 38"),
                headway_min=45,
                headsigns=("Este", "7 y 38"),
            ),
        ),
    ),
    BusLine(
        name="Oeste",
        agency="nueve",
        color="7C3AED",
        by_headway=True,
        branches=(
            Branch(
                corners=("155 y 38", "7 y 38", "7 y 60", "1 y 60"),
                headway_min=20,
                headsigns=("Romero", "1 y 60"),
                night=True,
            ),
        ),
    ),
)
