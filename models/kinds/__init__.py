"""Which kinds of sensor does Vigía understand? One file each; the tuple KINDS enables them."""

from models.kind import SensorKind
from models.kinds.bus import BUS
from models.kinds.radar import RADAR
from models.kinds.rain import RAIN
from models.kinds.river import RIVER

KINDS: tuple[SensorKind, ...] = (RIVER, RAIN, RADAR, BUS)
KINDS_BY_NAME: dict[str, SensorKind] = {kind.name: kind for kind in KINDS}
