"""Every kind of sensor Vigía understands, one file each; this tuple turns them on."""

from models.kind import SensorKind
from models.kinds.bus import BUS
from models.kinds.radar import RADAR
from models.kinds.rain import RAIN
from models.kinds.river import RIVER

KINDS: tuple[SensorKind, ...] = (RIVER, RAIN, RADAR, BUS)
KINDS_BY_NAME: dict[str, SensorKind] = {kind.name: kind for kind in KINDS}
