"""Alert rules as data: the judgement types with their parameters, the rule, and the context of its evaluation.

Rules are loaded from the tables and evaluated by `alerts.rules.dispatch`. Thresholds by colour are three ascending
numbers: amarillo, naranja, rojo. The state of a judgement is a plain value, defined in its module of `alerts.rules`, so
that another process can continue from it.
"""

from dataclasses import dataclass

from models.alert import NAR
from models.place import Street

ColourThresholds = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stream's level against its thresholds: by level, by rise, by rain and by upstream stations.

    A rise of at least `rise_min_m` within `rise_window_s` raises a colour when two conditions hold: the exceedance
    probability of its threshold (`ExceedanceModel`) is at least `raise_chance`, and the straight line reaches the
    threshold within `look_ahead_s`. Rain of `rain_backs_mm` in 15 minutes nearby, or an upstream station above verde,
    confirms a single value.
    """

    thresholds_m: ColourThresholds
    confirm_samples: int = 2
    sure_margin_m: float = 0.2
    clear_margin_m: float = 0.10
    clear_hold_s: int = 1800
    rise_min_m: float = 0.02
    rise_window_s: int = 900
    raise_chance: float = 0.42
    look_ahead_s: int = 1800
    rain_backs_mm: float = 5.0
    period_s: int = 300
    upstream: tuple[str, ...] = ()
    rain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rainfall:
    """Rain accumulated over sliding windows against the amounts of each colour, mm."""

    in_15_min_mm: ColourThresholds = (10.0, 18.0, 25.0)
    in_1_h_mm: ColourThresholds = (30.0, 45.0, 60.0)
    in_3_h_mm: ColourThresholds = (50.0, 80.0, 120.0)
    clear_hold_s: int = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """No reading for longer than three periods, and at least `least_s`.

    The colour is amarillo. It is rojo where the station's own level is at amarillo or above, because then the flood may
    have caused the silence.
    """

    period_s: int
    least_s: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A faulty sensor: `in_a_row` consecutive untrusted readings raise, `clear_after` trusted ones clear."""

    in_a_row: int = 2
    clear_after: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtremeSpeed:
    """A vehicle far over the speed limit in force at that time on its street.

    `several` vehicles that reach a colour within the window call for the next colour. Without a street, the limit is
    `limit_kmh`. The hours of a street are in the time zone `zone`.
    """

    over_limit_kmh: ColourThresholds = (40.0, 60.0, 80.0)
    window_s: int = 900
    several: int = 3
    limit_kmh: float = 40.0
    street: Street | None = None
    zone: str = "America/Argentina/Buenos_Aires"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedTrend:
    """The share of vehicles over the limit grew: the last complete days against the days before them.

    `grew_points`: growth of the share; 0.05 is five percentage points. `z_score`: minimum of the two-proportion test.
    Limits as for `ExtremeSpeed`. At most 35 days in total are used.
    """

    recent_days: int = 7
    before_days: int = 28
    least_vehicles: int = 500
    grew_points: ColourThresholds = (0.05, 0.10, 0.20)
    z_score: float = 3.0
    limit_kmh: float = 40.0
    street: Street | None = None
    zone: str = "America/Argentina/Buenos_Aires"


Judgement = Stage | Rainfall | Silence | Fault | ExtremeSpeed | SpeedTrend


@dataclass(frozen=True, slots=True)
class Rule:
    """One judgement applied to one subject. `id` is stable; `version` rises with every change of its parameters."""

    id: str
    version: int
    kind: str
    subject: str
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceedanceModel:
    """How far the rises of one stream usually go, fitted to its past by `alerts.forecast.exceedance`.

    `weights`: the intercept of the log odds that a rise reaches a threshold, their slope per log(missing / risen), and
    per log odds of the stream's past peaks. `peaks_m`: peaks of past rises, ascending. `least_chance`: the trigger, the
    lowest probability that raises beyond the straight line without more false alarms than the line. The default values
    are those of a stream without a past (`exceedance.exceedance_probability`).
    """

    weights: tuple[float, float, float] = (-0.32, -1.0, 0.0)
    peaks_m: tuple[float, ...] = ()
    least_chance: float = 0.0


UNTRAINED = ExceedanceModel()


@dataclass(frozen=True, slots=True)
class RainLimit:
    """The limit of a rain gauge that its rain reached: `rain_mm` in `window_s`, against `threshold_mm`."""

    rain_mm: float
    threshold_mm: float
    window_s: int


@dataclass(frozen=True, slots=True)
class RuleContext:
    """The input of a rule besides its own sensor: states of neighbour stations and the stream's exceedance model.

    `rain_nar`: the highest colour of the rule's rain stations. `upstream_nar`: the highest colour of its upstream
    stations. `rain_15_min_mm`: the largest 15-minute rain among the rain stations, None where none reports.
    `rain_limit`: the limit of `rain_nar` that one of them reaches now; None at verde, and where it is only held.
    `stage_nar`: the colour of the station's own level, for rules about its sensor. `clock_trusted_since_s`: since when
    Vigía's own clock can be believed, seconds since 1970-01-01 UTC; what it said before cannot be compared with now.
    """

    rain_nar: NAR = NAR.VERDE
    upstream_nar: NAR = NAR.VERDE
    rain_15_min_mm: float | None = None
    rain_limit: RainLimit | None = None
    exceedance: ExceedanceModel = UNTRAINED
    stage_nar: NAR = NAR.VERDE
    clock_trusted_since_s: float = 0.0


NO_CONTEXT = RuleContext()
