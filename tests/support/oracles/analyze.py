"""Has Google's own SQL analyzer judge statements: ZetaSQL, from the PyPI package of its WebAssembly build.

Standard input: [{"tables": [{"name", "columns": [{"name", "type"}]}],
                  "statements": [{"name", "sql", "params": {name: type}}]}]
Standard output: for each [{"name", "error": null or the analyzer's words}]

The analyzer takes one statement at a time. A script is therefore taken apart by Google's parser, its
variables are given as constants of their declared types, and each statement is analyzed by itself. So is the
body of a procedure, which the analyzer leaves a text, with the procedure's arguments as variables. What was
analyzed is then looked through for joins that fail at run time (joins.py).
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import wasmtime
import zetasql.types as zt
from joins import unequal_joins
from zetasql.api import Analyzer, CatalogBuilder, ConstantBuilder, Parser, TableBuilder

KINDS = {
    "INT64": zt.TypeKind.TYPE_INT64,
    "STRING": zt.TypeKind.TYPE_STRING,
    "BYTES": zt.TypeKind.TYPE_BYTES,
    "TIMESTAMP": zt.TypeKind.TYPE_TIMESTAMP,
    "FLOAT64": zt.TypeKind.TYPE_DOUBLE,
    "BOOL": zt.TypeKind.TYPE_BOOL,
    "JSON": zt.TypeKind.TYPE_JSON,
    "DATE": zt.TypeKind.TYPE_DATE,
    "NUMERIC": zt.TypeKind.TYPE_NUMERIC,
    "DATETIME": zt.TypeKind.TYPE_DATETIME,
}
NAMES = {int(kind): name for name, kind in KINDS.items()}
# BigQuery's, as far as scripts here use them.
SYSTEM_VARIABLES = {"row_count": "INT64", "error.message": "STRING", "project_id": "STRING"}
# What only steers a script, and holds no expression.
STEERING = ("ASTBeginStatement", "ASTCommitStatement", "ASTRollbackStatement", "ASTReturnStatement")


# The analyzer takes half a minute to compile: the environment keeps it, and goes when its lock changes.
COMPILED = Path(sys.prefix) / "zetasql.cwasm"
compile_module = wasmtime.Module.from_file


def compiled(engine: wasmtime.Engine, path: str) -> wasmtime.Module:
    try:
        return wasmtime.Module.deserialize_file(engine, str(COMPILED))
    except wasmtime.WasmtimeError:
        module = compile_module(engine, path)
    unfinished = COMPILED.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(module.serialize())
    unfinished.replace(COMPILED)
    return module


wasmtime.Module.from_file = staticmethod(compiled)


def language() -> Any:
    options = zt.LanguageOptions()
    options.enable_maximum_language_features()
    # BigQuery's types: no INT32, FLOAT64 and not DOUBLE.
    options.product_mode = zt.ProductMode.PRODUCT_EXTERNAL
    options.reserved_keywords = ["QUALIFY"]
    options.supported_statement_kinds = [kind for kind in zt.ResolvedNodeKind if kind.name.endswith("_STMT")]
    return options


def kind(name: str) -> Any:
    return zt.Type(type_kind=KINDS[name.upper()])


class Judge:
    """Analyzes the statements of one script in order. `resolved` is what all scripts have had so far."""

    def __init__(
        self, tables: list[dict[str, Any]], params: dict[str, str], resolved: dict[str, Any]
    ) -> None:
        self._resolved = resolved
        self._language = language()
        self._tables = tables
        self._params = params
        self._variables: dict[str, str] = {}
        self._source = b""

    def script(self, sql: str) -> None:
        self._source = sql.encode()
        parsed = Parser(self._language).parse_script(sql)
        self._statements(parsed.statement_list_node.statement_list)

    def _text(self, node: Any) -> str:
        where = node.parse_location_range
        return self._source[where.start : where.end].decode()

    def _statements(self, statements: list[Any]) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: Any) -> None:
        name = type(node).__name__
        if name == "ASTVariableDeclaration":
            self._declare(node)
        elif name == "ASTSingleAssignment":
            self._assign(node.variable.id_string, self._text(node.expression))
        elif name == "ASTAssignmentFromStruct":
            variables = [variable.id_string for variable in node.variables.identifier_list]
            self._assign_struct(variables, self._text(node.struct_expression))
        elif name == "ASTIfStatement":
            self._branch(node.condition, node.then_list)
            for clause in node.elseif_clauses.elseif_clauses if node.elseif_clauses else []:
                self._branch(clause.condition, clause.body)
            if node.else_list:
                self._statements(node.else_list.statement_list)
        elif name == "ASTBeginEndBlock":
            self._statements(node.statement_list_node.statement_list)
        elif name == "ASTRaiseStatement":
            self._expression(self._text(node.message), "STRING")
        elif name == "ASTExecuteImmediateStatement":
            # What it makes is handed over beside it, as a statement of its own.
            self._expression(self._text(node.sql), "STRING")
        elif name == "ASTCreateProcedureStatement":
            self._procedure(node)
        elif name == "ASTCreateTableStatement" and node.query is not None:
            self._create_table(node)
        elif name not in STEERING:
            self._analyze(self._text(node))

    def _create_table(self, node: Any) -> None:
        """What follows may name the table, a temporary one for instance."""
        columns = [
            {"name": column.name, "type": NAMES[int(column.column.type.type_kind)]}
            for column in self._analyze(self._text(node)).output_column_list
        ]
        name = ".".join(identifier.id_string for identifier in node.name.names)
        self._tables = [*self._tables, {"name": name, "columns": columns}]

    def _procedure(self, node: Any) -> None:
        self._analyze(self._text(node))
        # It sees its arguments, and nothing of the script around it.
        around = self._variables
        self._variables = {
            argument.name.id_string: self._text(argument.type)
            for argument in node.parameters.parameter_entries
        }
        self._statements(node.body.statement_list_node.statement_list)
        self._variables = around

    def _declare(self, node: Any) -> None:
        if node.type is None:
            declared = self._type(self._text(node.default_value))
        else:
            declared = self._text(node.type)
            if node.default_value is not None:
                self._expression(self._text(node.default_value), declared)
        for variable in node.variable_list.identifier_list:
            self._variables[variable.id_string] = declared

    def _assign(self, variable: str, expression: str) -> None:
        if variable not in self._variables:
            raise ValueError(f"Undeclared variable: {variable}")
        self._expression(expression, self._variables[variable])

    def _assign_struct(self, variables: list[str], expression: str) -> None:
        for variable in variables:
            if variable not in self._variables:
                raise ValueError(f"Undeclared variable: {variable}")
        members = ", ".join(f"CAST(NULL AS {self._variables[variable]})" for variable in variables)
        self._analyze(f"SELECT STRUCT({members}) AS v UNION ALL SELECT {expression}")

    def _branch(self, condition: Any, body: Any) -> None:
        self._expression(self._text(condition), "BOOL")
        self._statements(body.statement_list)

    def _type(self, expression: str) -> str:
        """The type of an expression, which a variable has that is declared without one."""
        [column] = self._analyze(f"SELECT ({expression}) AS v").output_column_list
        return NAMES[int(column.column.type.type_kind)]

    def _expression(self, expression: str, wanted: str) -> None:
        """A value of the wanted type, or one that coerces to it: both have to fit one column."""
        self._analyze(f"SELECT CAST(NULL AS {wanted}) AS v UNION ALL SELECT ({expression})")

    def _analyze(self, sql: str) -> Any:
        """The statement as resolved; what other scripts have had word for word is not analyzed again."""
        words = set(re.findall(r"\w+", sql))
        tables = [table for table in self._tables if table["name"] in sql]
        variables = {name: declared for name, declared in self._variables.items() if name in words}
        params = {name: declared for name, declared in self._params.items() if name in words}
        key = json.dumps([sql, tables, variables, params])
        if key not in self._resolved:
            self._resolved[key] = self._resolve(sql, tables, variables, params)
        return self._resolved[key]

    def _resolve(
        self, sql: str, tables: list[dict[str, Any]], variables: dict[str, str], params: dict[str, str]
    ) -> Any:
        catalog = CatalogBuilder("bigquery").with_builtin_functions(
            zt.ZetaSQLBuiltinFunctionOptions(language_options=self._language)
        )
        for table in tables:
            builder = TableBuilder(table["name"])
            for column in table["columns"]:
                builder.add_column(column["name"], KINDS[column["type"].upper()])
            catalog.add_table(builder.build())
        for name, declared in variables.items():
            catalog.add_constant(ConstantBuilder(name).set_type(KINDS[declared.upper()]).build())
        options = zt.AnalyzerOptions(language_options=self._language)
        options.query_parameters = [
            zt.AnalyzerOptions.QueryParameter(name=name, type=kind(declared))
            for name, declared in params.items()
        ]
        options.system_variables = [
            zt.AnalyzerOptions.SystemVariable(name_path=name.split("."), type=kind(declared))
            for name, declared in SYSTEM_VARIABLES.items()
        ]
        resolved = Analyzer(options, catalog.build()).analyze_statement(sql)
        unequal = unequal_joins(resolved)
        if unequal:
            raise ValueError("; ".join(unequal))
        return resolved


def judged(requests: list[dict[str, Any]]) -> Iterator[list[dict[str, str | None]]]:
    resolved: dict[str, Any] = {}
    for request in requests:
        verdicts = []
        for statement in request["statements"]:
            error = None
            try:
                Judge(request["tables"], statement.get("params", {}), resolved).script(statement["sql"])
            except Exception as refused:  # the package raises errors of several unrelated classes
                error = str(refused) or type(refused).__name__
            verdicts.append({"name": statement["name"], "error": error})
        yield verdicts


if __name__ == "__main__":
    json.dump(list(judged(json.load(sys.stdin))), sys.stdout)
