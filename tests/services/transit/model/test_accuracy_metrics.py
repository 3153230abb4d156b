"""Accuracy metrics of predictions, by the published definitions."""

from services.transit.model.accuracy_metrics import IntervalCoverage, PredictionErrors


def test_errors_are_actual_less_predicted_in_the_published_bins() -> None:
    errors = PredictionErrors()
    for made_at, actual, predicted in ((0, 100, 120), (0, 100, 140), (0, 100, 5), (0, 200, 60), (0, 700, 980)):
        errors.add_sample(made_at, actual, predicted)
    summary = errors.summary()
    assert (summary["n"], summary["mae_s"], summary["bias_s"]) == (5, 115.0, -21.0)
    assert summary["eta_accuracy"] == {"0-3": 33.33, "3-6": 100.0, "6-10": None, "10-15": 0.0, "overall": 44.44}
    assert summary["mbta"] == {"0-3": 50.0, "3-6": None, "6-12": None, "12-30": 0.0, "overall": 25.0}


def test_the_limits_of_an_accurate_error_are_inclusive() -> None:
    for error_s in (-30.0, 90.0):
        errors = PredictionErrors()
        errors.add_sample(0.0, 100.0, 100.0 - error_s)
        assert errors.summary()["eta_accuracy"]["0-3"] == 100.0  # type: ignore[index]


def test_without_samples_there_is_no_figure() -> None:
    assert PredictionErrors().summary() == {"n": 0}
    assert IntervalCoverage().summary() == {"coverage_p10_p90": None, "mean_p10_p90_s": None}
