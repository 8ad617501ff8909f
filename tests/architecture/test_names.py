"""Names that refuse nothing are refused: a room is named after what belongs in it."""

import ast

from tests.architecture import tree

# Each says "anything"; what grows behind it has no owner.
FORBIDDEN = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "shared", "manager", "managers", "lib"})
FORBIDDEN_IN_CLASSES = ("Manager", "Processor", "Helper", "Util", "Misc")


def test_no_file_or_folder_has_a_name_that_refuses_nothing() -> None:
    bad = [str(path) for path in tree.files() if FORBIDDEN & set(path.with_suffix("").parts)]
    assert bad == []


def test_no_class_is_named_after_nothing_in_particular() -> None:
    bad = [
        f"{path}: {node.name}"
        for path in tree.modules(*tree.CODE)
        for node in ast.walk(tree.tree(path))
        if isinstance(node, ast.ClassDef) and node.name.endswith(FORBIDDEN_IN_CLASSES)
    ]
    assert bad == []


def test_every_module_says_in_one_docstring_what_it_is() -> None:
    written = (path for path in tree.modules() if tree.tree(path).body)  # an empty __init__.py only marks a package
    bad = [str(path) for path in written if not ast.get_docstring(tree.tree(path))]
    assert bad == []


def test_a_folder_with_an_app_is_a_deployable_and_every_deployable_has_one() -> None:
    apps = {path.parts[1] for path in tree.modules("services") if path.name == "app.py" and len(path.parts) == 3}
    rooms = {path.parts[1] for path in tree.modules("services") if len(path.parts) > 2}
    assert apps == rooms - {"fhir", "kit"}
