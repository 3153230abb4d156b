"""Tests of the checks of Vigía itself."""
