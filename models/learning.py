"""Reasons why no forecast model could be learnt for a stream."""

from enum import StrEnum


class LearningTrouble(StrEnum):
    """What went wrong when a stream's forecast was learnt. Words: services/web/pages/words, section `learning`."""

    TOO_SHORT = "too_short"
    """Less than a month of trusted levels."""
    NOT_FINITE = "not_finite"
    """The fit gave no usable numbers."""
    FAILED = "failed"
    """An error in the program; the log of upkeep tells it."""
