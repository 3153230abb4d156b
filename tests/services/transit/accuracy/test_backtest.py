"""Backtests: recorded positions replayed through the code that runs, and predictions scored."""

from services.transit.accuracy.backtest import Backtest
from services.transit.accuracy.observed_passages import ObservedPassages
from services.transit.fleet.fleet import Fleet
from services.transit.travel_times.link_times import TravelTimes
from tests.services.transit.accuracy.buses import CITY, buses


def test_after_slow_buses_predictions_beat_the_timetable_with_the_present_delay() -> None:
    starts = ["0600", "0620", "0640", "0700", "0720", "0740", "0800", "0820"]
    reports = buses(*starts, slow=1.5)
    backtest = Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0)
    backtest.score_positions(reports, ObservedPassages(CITY, reports), lambda report: report)
    figures = backtest.result.figures()
    assert figures["ours"]["n"] == figures["schedule"]["n"] > 100  # type: ignore[index]
    assert figures["ours"]["mae_s"] < 0.8 * figures["schedule_delay"]["mae_s"]  # type: ignore[index]


def test_later_reports_change_no_earlier_prediction() -> None:
    reports = buses("0600", "0620", "0640", slow=1.3)
    whole, half = Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0), Backtest(Fleet(CITY, TravelTimes()), lambda: 0.0)
    observed = ObservedPassages(CITY, reports)
    whole.score_positions(reports, observed, lambda report: report)
    half.score_positions(reports[: len(reports) // 2], observed, lambda report: report)
    assert list(whole.result.predicted.errors_s)[: len(half.result.predicted.errors_s)] == list(
        half.result.predicted.errors_s
    )
