"""Which joins of an analyzed statement BigQuery might not run: those without an equality of both sides.

An outer or anti join without one fails at run time ("FULL OUTER JOIN cannot be used without a condition that
is an equality of fields from both sides of the join"), and so may a MERGE, which joins target and source; a
correlated subquery must be one that BigQuery can turn into such a join. The analyzer accepts all of them.
https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#join_types
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import zetasql.types as zt

INNER = zt.ResolvedJoinScanEnums.JoinType.INNER


def nodes(value: Any) -> Iterator[Any]:
    """A node and all that it leads to, signatures of functions left out."""
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from nodes(one)
    elif dataclasses.is_dataclass(value):
        yield value
        for field in dataclasses.fields(value):
            if field.name != "signature":
                yield from nodes(getattr(value, field.name))


def made_by(scan: Any) -> set[int]:
    """The columns that a scan, or a scan inside it, brings forth."""
    return {node.column_id for node in nodes(scan) if isinstance(node, zt.ResolvedColumn)}


def used_by(expression: Any) -> set[int]:
    return {node.column.column_id for node in nodes(expression) if isinstance(node, zt.ResolvedColumnRef)}


def function(node: Any) -> str:
    return node.function.name.removeprefix("ZetaSQL:") if isinstance(node, zt.ResolvedFunctionCall) else ""


def conjuncts(condition: Any) -> Iterator[Any]:
    if function(condition) == "$and":
        for argument in condition.argument_list:
            yield from conjuncts(argument)
    else:
        yield condition


def equates(condition: Any, one: set[int], other: set[int]) -> bool:
    """Whether the condition holds only where something of one side equals something of the other."""
    for conjunct in conjuncts(condition):
        if function(conjunct) == "$equal":
            left, right = (used_by(argument) for argument in conjunct.argument_list)
            sides = [(one, other), (other, one)]
            if left and right and any(left <= a and right <= b for a, b in sides):
                return True
    return False


def correlated(subquery: Any) -> bool:
    """Whether a subquery reads tables for each row of the query around it."""
    return bool(subquery.parameter_list) and any(
        isinstance(node, zt.ResolvedTableScan) for node in nodes(subquery.subquery)
    )


def unequal_joins(statement: Any) -> list[str]:
    """What each join without an equality of both sides is."""
    found = []
    for node in nodes(statement):
        if isinstance(node, zt.ResolvedJoinScan) and node.join_type != INNER:
            if not equates(node.join_expr, made_by(node.left_scan), made_by(node.right_scan)):
                found.append(f"a {node.join_type.name} join")
        elif isinstance(node, zt.ResolvedMergeStmt):
            if not equates(node.merge_expr, made_by(node.table_scan), made_by(node.from_scan)):
                found.append("a MERGE")
        elif isinstance(node, zt.ResolvedSubqueryExpr) and correlated(node):
            outer = used_by(node.parameter_list)
            inner = made_by(node.subquery) - outer
            filters = [one for one in nodes(node.subquery) if isinstance(one, zt.ResolvedFilterScan)]
            if not any(equates(one.filter_expr, outer, inner) for one in filters):
                found.append("a correlated subquery")
    return [f"{what} has no equality of both sides" for what in found]
