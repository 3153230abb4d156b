"""Reasons why no forecast model could be learnt for a stream, and why none of a learnt one is published."""

from enum import StrEnum


class LearningTrouble(StrEnum):
    """What went wrong when a stream's forecast was learnt. Words: services/web/pages/words, section `learning`."""

    TOO_SHORT = "too_short"
    """Less than a month of trusted levels."""
    NOT_FINITE = "not_finite"
    """The fit gave no usable numbers."""
    FAILED = "failed"
    """An error in the program; the log of upkeep tells it."""


class NoForecast(StrEnum):
    """Why no forecast of a station is published now. Words: services/web/pages/words, section `no_forecast`."""

    NO_STREAM = "no_stream"
    """Only levels of streams are forecast, where a rule has thresholds for them."""
    NOT_LEARNT = "not_learnt"
    """There is no model: it was never learnt, or could not be; `LearningTrouble` says why."""
    NO_BETTER = "no_better"
    """On this stream's own past its error was not clearly smaller than that of a level that stays."""
    NO_LEVEL = "no_level"
    """No trusted level in the hours that a forecast needs."""
    GAPS = "gaps"
    """Levels are missing in those hours."""
    QUIET = "quiet"
    """The water is low and neither rises nor was rained on more than usual: it is expected to stay."""
