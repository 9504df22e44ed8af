"""Undo and redo: what was, what came, and what the step is called."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

LONGEST = 200  # steps; values are shared with the session, so a step costs little


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One change of one part of the session.

    Parameters
    ----------
    text : str
        What it is called after "Undo": ``move a corner``.
    part : hashable
        Which part of the session: the first word names it, such as ``("masks",)``.
    before, after : object
        Its values; frozen.
    """

    text: str
    part: tuple[Hashable, ...]
    before: Any
    after: Any


class History:
    """Steps that can be undone and done again.

    Parameters
    ----------
    apply : callable
        ``apply(part, value)`` gives a part of the session a value without noting a step.
    """

    def __init__(self, apply: Callable[[tuple[Hashable, ...], Any], None]) -> None:
        self._apply = apply
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._merge: Hashable = None

    def note(
        self,
        text: str,
        part: tuple[Hashable, ...],
        before: Any,
        after: Any,
        merge: Hashable = None,
    ) -> None:
        """Note a change that has just been made.

        Parameters
        ----------
        text, part, before, after
            As for :class:`Step`.
        merge : hashable, optional
            Steps in a row with the same one are undone together, such as those of one drag.
        """
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if merge is not None and last is not None and (merge, part) == (self._merge, last.part):
            self._done[-1] = Step(text, part, last.before, after)
        else:
            self._done.append(Step(text, part, before, after))
            del self._done[:-LONGEST]
        self._merge = merge

    @property
    def undo_text(self) -> str:
        """What would be undone; empty = nothing."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """What would be done again; empty = nothing."""
        return self._undone[-1].text if self._undone else ""

    def undo(self) -> bool:
        """Undo the last step; False if there is none."""
        if not self._done:
            return False
        step = self._done.pop()
        self._undone.append(step)
        self._merge = None
        self._apply(step.part, step.before)
        return True

    def redo(self) -> bool:
        """Do the last undone step again; False if there is none."""
        if not self._undone:
            return False
        step = self._undone.pop()
        self._done.append(step)
        self._merge = None
        self._apply(step.part, step.after)
        return True

    def forget(self, *part: Hashable) -> None:
        """Forget the steps of a part, whose values mean nothing any more.

        Parameters
        ----------
        *part : hashable
            The part, or its beginning: ``"edits"`` for those of all pairs; none = all steps.
        """
        for steps in (self._done, self._undone):
            steps[:] = [step for step in steps if step.part[: len(part)] != part]
        self._merge = None
