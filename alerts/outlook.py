"""The chance that a rise of the water goes on as far as a threshold, first from nothing, then from the stream's own past."""

from bisect import bisect_left
from math import exp, log

from models.rule import Outlook


def chance(outlook: Outlook, *, level_m: float, risen_m: float, threshold_m: float) -> float:
    """Probability in 0..1 that the level reaches `threshold_m` within the next hours, having risen by `risen_m` > 0.

    Without any past the answer is risen / (risen + missing): of a rise caught at a random moment of its life nothing is
    known but how far it came, so it is as likely as not to come as far again. Source: Gott, "Implications of the
    Copernican principle for our future prospects", Nature 363 (1993). At one half this is the straight line over the
    same window. The stream's own past moves the weights and adds how often its crests above this level reached the
    threshold.
    """
    missing_m = threshold_m - level_m
    if missing_m <= 0:
        return 1.0
    base, per_missing, per_peaks = outlook.weights
    odds = base + per_missing * log(missing_m / risen_m) + per_peaks * peak_odds(outlook.peaks_m, level_m, threshold_m)
    return 1.0 / (1.0 + exp(-min(max(odds, -30.0), 30.0)))


def peak_odds(peaks_m: tuple[float, ...], level_m: float, threshold_m: float) -> float:
    """Log odds that a past crest above `level_m` also reached `threshold_m`; even odds where there was none."""
    reached = len(peaks_m) - bisect_left(peaks_m, threshold_m)
    stopped = len(peaks_m) - bisect_left(peaks_m, level_m) - reached
    return log((reached + 1) / (stopped + 1))
