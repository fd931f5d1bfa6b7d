"""Changes the lines of one module, one at a time, and runs the tests that run them.

    python -m tests.mutants jobs/moves.py tests/jobs/test_record.py tests/jobs/test_guards.py

The tests run once, to see that they pass and which lines each of them runs. Then a process is
forked for every change: the functions get the changed code, wherever they were imported to,
and the tests of that line are run until one fails, the quickest first. What nothing noticed is
printed, and so is what no test runs. On SQLite; the database is put back before each change.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
from asgiref.sync import SyncToAsync

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 180  # seconds that the tests of one change may take
SWAPPED: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
# What is only said to people may be said in other words.
SAID = {"_", "gettext", "exception", "warning", "error", "info", "debug"}
NARROWS = {"filter", "exclude", "select_for_update", "order_by", "distinct", "defer", "only"}


@dataclass
class Change:
    """One change: where, in words, and the tree that has it."""

    line: int
    lines: range
    words: str
    tree: ast.Module
    is_in_function: bool


# --- what can be changed ---------------------------------------------------------------------


def changes(tree: ast.Module) -> Iterator[Change]:
    """Every change of a module, each in a tree of its own."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    skipped = set(map(id, _left_alone(tree)))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(one) for f in functions for body in f.body for one in ast.walk(body)}
    inside |= set(map(id, functions))  # of which only a statement can go
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    in_class = {id(one) for c in classes for one in ast.walk(c)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped or (id(node) not in inside and id(node) in in_class):
            continue
        for words, edit in _edits(node):
            made = copy.deepcopy(tree)
            edit(next(one for place, one in enumerate(ast.walk(made)) if place == number))
            lines = _lines(node, statements)
            line = getattr(node, "lineno", lines.start)
            fixed = ast.fix_missing_locations(made)
            yield Change(line, lines, words, fixed, id(node) in inside)


def _left_alone(tree: ast.Module) -> Iterator[ast.AST]:
    """Words for people, annotations, decorators, imports and defaults."""
    for node in ast.walk(tree):
        parts: list[Any] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [node.args, node.returns, *node.decorator_list]
        if isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, ast.Import | ast.ImportFrom | ast.If) and "TYPE_CHECKING" in ast.dump(
            node
        ):
            parts.append(node)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node)
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            parts += node.args if name in SAID else []
            parts += node.args if isinstance(node.func, ast.Name) and name.endswith("Error") else []
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            parts.append(node)
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def _lines(node: ast.AST, statements: Iterable[ast.stmt]) -> range:
    """The lines of the statement that a node stands in, without what hangs below it.

    Those of a function are its body's: the line that names it is run when it is imported.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return range(node.body[0].lineno, (node.end_lineno or 0) + 1)
    first = min(one.lineno for one in ast.walk(node) if isinstance(one, ast.expr | ast.stmt))
    around = [one for one in statements if one.lineno <= first <= (one.end_lineno or one.lineno)]
    inner = max(around, key=lambda one: (one.lineno, -(one.end_lineno or 0)))
    body = getattr(inner, "body", None)
    end = body[0].lineno if body and body[0].lineno > inner.lineno else (inner.end_lineno or 0) + 1
    return range(inner.lineno, max(end, inner.lineno + 1))


Edit = tuple[str, Callable[[Any], None]]


def _edits(node: ast.AST) -> Iterator[Edit]:
    """What can be done to one node."""
    yield from _operators(node)
    yield from _constants(node)
    yield from _conditions(node)
    yield from _calls(node)
    yield from _collections(node)
    yield from _statements(node)


def _operators(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
        other = SWAPPED[type(node.ops[0])]
        yield f"{ast.unparse(node)}: {other.__name__}", lambda n: n.ops.__setitem__(0, other())
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        for place, op in enumerate(node.ops):
            yield (
                f"{ast.unparse(node)}: {SWAPPED[type(op)].__name__}",
                lambda n, place=place, op=op: n.ops.__setitem__(place, SWAPPED[type(op)]()),
            )
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPPED:
        new = SWAPPED[type(node.op)]
        yield f"{ast.unparse(node)}: {new.__name__}", lambda n: setattr(n, "op", new())
    if isinstance(node, ast.BoolOp):
        for place, value in enumerate(node.values):
            yield (
                f"without {ast.unparse(value)}",
                lambda n, place=place: n.values.pop(place) and _unwrapped(n),
            )


def _unwrapped(node: ast.BoolOp) -> None:
    if len(node.values) == 1:
        node.values.append(copy.deepcopy(node.values[0]))


def _constants(node: ast.AST) -> Iterator[Edit]:
    if not isinstance(node, ast.Constant) or node.value is None or node.value is Ellipsis:
        return
    value = node.value
    if isinstance(value, bool):
        yield f"{value}: {not value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(value, int | float):
        yield f"{value}: {value + 1}", lambda n: setattr(n, "value", n.value + 1)
    elif isinstance(value, str):
        yield f"{value!r}: XX", lambda n: setattr(n, "value", "XX" + n.value)


def _conditions(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        for truth in (True, False):
            if isinstance(node, ast.While) and truth:
                continue
            yield (
                f"{ast.unparse(node.test)}: {truth}",
                lambda n, truth=truth: setattr(n, "test", ast.Constant(truth)),
            )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"without not in {ast.unparse(node)}", lambda n: setattr(n, "op", _Twice())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert | ast.USub):
        yield f"without sign in {ast.unparse(node)}", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.comprehension):
        for place, test in enumerate(node.ifs):
            yield f"without if {ast.unparse(test)}", lambda n, place=place: n.ifs.pop(place)


class _Twice(ast.Not):
    """Stands for no `not`: see `_settled`."""


def _calls(node: ast.AST) -> Iterator[Edit]:
    if not isinstance(node, ast.Call):
        return
    for place, word in enumerate(node.keywords):
        if word.arg is not None:
            yield (
                f"without {word.arg}={ast.unparse(word.value)}",
                lambda n, place=place: n.keywords.pop(place),
            )
    if isinstance(node.func, ast.Attribute) and node.func.attr in NARROWS:
        yield f"without .{node.func.attr}()", _to_receiver
    if isinstance(node.func, ast.Name) and node.func.id in {"min", "max", "sorted", "bool", "int"}:
        yield f"first of {node.func.id}()", lambda n: setattr(n, "func", _first())


def _to_receiver(node: ast.Call) -> None:
    assert isinstance(node.func, ast.Attribute)
    node.func.attr, node.args, node.keywords = "all", [], []


def _first() -> ast.expr:
    return ast.parse("(lambda first, *_, **__: first)", mode="eval").body


def _collections(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Dict) and node.keys:
        for place, key in enumerate(node.keys):
            if key is not None:
                yield (
                    f"without {ast.unparse(key)}",
                    lambda n, place=place: (n.keys.pop(place), n.values.pop(place)),
                )
    if isinstance(node, ast.Set | ast.Tuple) and len(node.elts) > 1 and _is_read(node):
        for place, one in enumerate(node.elts):
            yield f"without {ast.unparse(one)}", lambda n, place=place: n.elts.pop(place)
    if isinstance(node, ast.Slice):
        yield f"without [{ast.unparse(node)}]", lambda n: vars(n).update(lower=None, upper=None)


def _is_read(node: Any) -> bool:
    return not isinstance(getattr(node, "ctx", None), ast.Store)


def _statements(node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Return) and node.value is not None:
        yield f"no {ast.unparse(node)}", lambda n: setattr(n, "value", _never(n.value))
    body = getattr(node, "body", None)
    for name in ("body", "orelse", "finalbody"):
        below = getattr(node, name, None)
        for place, one in enumerate(below if isinstance(below, list) else []):
            if _may_go(one):
                words = ast.unparse(one).splitlines()[0]
                yield (
                    f"without {words}",
                    lambda n, name=name, place=place: _skip(getattr(n, name), place),
                )
    if (
        isinstance(node, ast.With)
        and isinstance(body, list)
        and "atomic" in ast.unparse(node.items[0])
    ):
        yield (
            "without atomic",
            lambda n: setattr(
                n.items[0],
                "context_expr",
                ast.parse("__import__('contextlib').nullcontext()", mode="eval").body,
            ),
        )


# What goes still stands there, so that the function keeps the closure that it was made with.


def _never(value: ast.expr) -> ast.expr:
    return ast.IfExp(ast.Constant(False), value, ast.Constant(None))


def _skip(body: list[ast.stmt], place: int) -> None:
    body[place] = ast.If(ast.Constant(False), [body[place]], [])


def _may_go(one: Any) -> bool:
    if isinstance(one, ast.Expr):
        return isinstance(one.value, ast.Call | ast.Await)
    if isinstance(one, ast.Assign):
        return not isinstance(one.targets[0], ast.Name)
    return isinstance(one, ast.AugAssign | ast.Raise | ast.Continue)


class _Settled(ast.NodeTransformer):
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if isinstance(node.op, _Twice) else node


# --- putting a change in place ---------------------------------------------------------------


def put_in(module: Any, change: Change) -> bool:
    """Give the functions of a module their changed code; run changed lines outside them again.

    False where that changed nothing: what is run once at the start cannot be run again.
    """
    tree = _Settled().visit(change.tree)
    is_in = not change.is_in_function and _run_again(module, tree, change)
    codes = {code.co_qualname: code for code in _codes(compile(tree, module.__file__, "exec"))}
    for one in gc.get_objects():
        # What is lazy must not be woken by the question for its class.
        if type(one) is FunctionType and one.__code__.co_filename == module.__file__:
            code = codes.get(one.__code__.co_qualname)
            if code is not None and code.co_freevars == one.__code__.co_freevars:
                is_in |= code != one.__code__
                one.__code__ = code
    return is_in


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


def _run_again(module: Any, tree: ast.Module, change: Change) -> bool:
    later = [
        one
        for one in tree.body
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.lineno >= change.lines.start
    ]
    flags = compile("from __future__ import annotations", "", "exec").co_flags & 0x1000000
    code = compile(ast.Module(later, []), module.__file__, "exec", flags=flags)
    exec(code, vars(module))
    return any(one.lineno in change.lines for one in later)


def _give_new_threads() -> None:
    """Threads stay behind at a fork, and whoever gives a pool work would wait for ever."""
    for one in gc.get_objects():
        if issubclass(type(one), ThreadPoolExecutor):
            one._threads.clear()
            one._idle_semaphore = threading.Semaphore(0)


# --- running the tests -----------------------------------------------------------------------


@dataclass(eq=False)  # pytest keeps plugins in sets
class Mutants:
    """A plugin that runs the tests once, and then again for each change."""

    path: Path
    first: int
    last: int
    failed: bool = False
    survived: list[Change] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed |= report.failed

    def pytest_runtestloop(self, session: Any) -> bool:
        tests = self._tests(session.items)
        self._look(tests)
        return True

    def _tests(self, items: list[Any]) -> list[tuple[float, set[int], Any]]:
        """Seconds, lines of the module and the test, of those that pass."""
        import coverage

        tests = []
        for number, item in enumerate(items):
            watch = coverage.Coverage(data_file=None, include=[str(self.path)], config_file=False)
            watch.set_option("run:disable_warnings", ["no-data-collected"])
            self.failed, began = False, time.monotonic()
            watch.start()
            self._run(item, items[(number + 1) % len(items)])
            watch.stop()
            lines = set(watch.get_data().lines(str(self.path)) or ())
            if self.failed:
                print(f"left out, it fails: {item.nodeid}", flush=True)
            else:
                # Also one that runs none of them: it may read what the module says.
                tests.append((time.monotonic() - began, lines, item))
        return sorted(tests, key=lambda test: test[0])

    @staticmethod
    def _run(item: Any, following: Any) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _look(self, tests: list[tuple[float, set[int], Any]]) -> None:
        """Goes through the changes, if the tests pass in a fork where nothing was changed."""
        from django.db import connections

        from tests.flushing import close_elsewhere

        close_elsewhere()
        connections.close_all()
        names = connections["default"].settings_dict
        database = Path(str(names["NAME"]))
        kept = database.with_suffix(".kept")
        # Where no test asked for one, it is the site's own that stands here.
        is_for_tests = str(database) == names["TEST"]["NAME"]
        if is_for_tests:
            shutil.copy(database, kept)
        source = self.path.read_text(encoding="utf-8")
        lines = source.splitlines()
        count = 0
        if self._tried(None, [item for _, _, item in tests]) == "killed":
            raise RuntimeError("in a fork the tests fail without any change")
        for change in changes(ast.parse(source)):
            if not self.first <= change.line <= self.last:
                continue
            count += 1
            mine = [item for _, ran, item in tests if ran.intersection(change.lines)]
            if not change.is_in_function:
                mine = [item for _, _, item in tests]
            if is_for_tests:
                for stale in database.parent.glob(f"{database.name}-*"):
                    stale.unlink()
                shutil.copy(kept, database)
            verdict = self._tried(change, mine) if mine else "NO TEST"
            if verdict != "killed":
                self.survived.append(change)
                print(f"{verdict} {self.path.name}:{change.line}: {change.words}", flush=True)
                print(f"      {lines[change.line - 1].strip()}", flush=True)
        print(f"{count} changes, {len(self.survived)} not noticed", flush=True)

    def _tried(self, change: Change | None, items: list[Any]) -> str:
        pid = os.fork()
        if not pid:
            self._child(change, items)
        _, status = os.waitpid(pid, 0)
        verdicts = {0: "SURVIVED", 2: "OUT OF TIME", 3: "NOT PUT IN"}
        return verdicts.get(os.waitstatus_to_exitcode(status), "killed")

    def _child(self, change: Change | None, items: list[Any]) -> None:
        """Never returns: 0 when no test failed, 3 when none could."""
        # A change may make an endless loop, and then what it hangs in is stopped: it was noticed.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2 * BUDGET)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1), os.dup2(nothing, 2)
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(1)
        _give_new_threads()
        try:
            if change is not None and not self._put_in(change):
                os._exit(3)
            self.failed, began = False, time.monotonic()
            # What is still set up is for the test that came first then, of another file perhaps.
            items[0].session._setupstate.teardown_exact(items[0])
            for number, item in enumerate(items):
                self._run(item, items[(number + 1) % len(items)])
                if self.failed:
                    os._exit(1)
                if time.monotonic() - began > BUDGET:
                    os._exit(2)
        except BaseException:
            os._exit(1)
        os._exit(0)

    def _put_in(self, change: Change) -> bool:
        try:
            return put_in(sys.modules[_name(self.path)], change)
        except Exception:
            # A module that cannot be imported is noticed; anything else is our own fault.
            if change.is_in_function:
                return False
            raise


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("module", type=Path)
    asked.add_argument("tests", nargs="+")
    asked.add_argument("--lines", default="1-100000")
    told = asked.parse_args()
    first, last = map(int, told.lines.split("-"))
    plugin = Mutants((ROOT / told.module).resolve(), first, last)
    options = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:randomly"]
    code = pytest.main([*options, *told.tests], plugins=[plugin])
    return int(code != 0 or bool(plugin.survived))


if __name__ == "__main__":
    sys.exit(main())
