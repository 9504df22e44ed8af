import pytest

from gui.history import LONGEST, History


@pytest.fixture
def parts():
    return {}


@pytest.fixture
def history(parts):
    def apply(part, value):
        parts[part] = value

    return History(apply)


def change(history, parts, value, text="a change", part=("masks",), merge=None):
    history.note(text, part, parts.get(part), value, merge)
    parts[part] = value


def test_steps_are_undone_in_reverse_and_done_again(history, parts):
    for n in (1, 2, 3):
        change(history, parts, n, f"step {n}")
    assert history.undo_text == "step 3"
    assert history.undo()
    assert history.undo()
    assert parts[("masks",)] == 1
    assert (history.undo_text, history.redo_text) == ("step 1", "step 2")
    assert history.redo()
    assert parts[("masks",)] == 2


def test_nothing_is_left_at_either_end(history, parts):
    assert not history.undo()
    assert not history.redo()
    change(history, parts, 1)
    assert history.undo()
    assert not history.undo()
    assert parts == {("masks",): None}
    assert history.redo()
    assert not history.redo()


def test_a_new_step_ends_what_could_be_done_again(history, parts):
    change(history, parts, 1)
    change(history, parts, 2)
    history.undo()
    change(history, parts, 5)
    assert not history.redo()
    history.undo()
    assert parts[("masks",)] == 1


def test_a_drag_is_one_step(history, parts):
    change(history, parts, 0)
    for n in range(1, 20):
        change(history, parts, n, "drag", merge="drag 1")
    change(history, parts, 30, "drag", merge="drag 2")
    history.undo()
    assert parts[("masks",)] == 19
    history.undo()
    assert parts[("masks",)] == 0


def test_the_same_key_on_another_part_is_another_step(history, parts):
    change(history, parts, 1, part=("masks",), merge="k")
    change(history, parts, 2, part=("settings",), merge="k")
    history.undo()
    assert parts == {("masks",): 1, ("settings",): None}


def test_undoing_ends_a_drag(history, parts):
    change(history, parts, 1, merge="k")
    change(history, parts, 2, merge="k")
    history.undo()
    history.redo()
    change(history, parts, 3, merge="k")
    history.undo()
    assert parts[("masks",)] == 2


def test_only_the_last_steps_are_kept(history, parts):
    for n in range(LONGEST + 10):
        change(history, parts, n)
    count = 0
    while history.undo():
        count += 1
    assert count == LONGEST
    assert parts[("masks",)] == 9


def test_parts_are_forgotten_alone_or_all(history, parts):
    change(history, parts, 1, "one", ("edits", 3))
    change(history, parts, 2, "two", ("edits", 4))
    change(history, parts, 3, "three", ("masks",))
    history.forget("edits", 3)
    history.undo()
    assert history.undo_text == "two"
    history.forget("edits")
    assert history.undo_text == ""
    assert history.redo_text == "three"
    history.forget()
    assert not history.redo()
