"""Who reads an answer: the public or operators. Names of people and their free notes are for operators only."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Column, ColumnElement, case

from alerts.action_log import BY_OPERATOR
from alerts.record import RULE

OPERATOR_ROLE = BY_OPERATOR
"""Shown to the public, and kept after a name's retention period, in place of the name of an operator."""


class Audience(StrEnum):
    """The readers of an answer."""

    PUBLIC = "public"
    OPERATORS = "operators"


def name_for(audience: Audience, column: Column[Any]) -> ColumnElement[Any]:
    """A column that holds an operator's name, as the audience may see it: the public sees the role, never the name."""
    if audience is Audience.OPERATORS:
        return column
    role = case((column == RULE, RULE), (column.is_not(None), OPERATOR_ROLE))
    return role.label(column.name)
