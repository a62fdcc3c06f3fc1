"""Generated text as modules: parts that many texts share are compiled once, and nobody can tell."""

from __future__ import annotations

import linecache
import traceback

import pytest
import torch
from torch import nn

from raynas.errors import SourceError
from raynas.pytorch import load_module

BLOCK = """class Block(nn.Module):
    def forward(self, x):
        return x + missing


"""
MODEL = """class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return self.block(x)
"""
HEAD = "import torch\nfrom torch import nn\n\n\n"


def failing_lines(model: nn.Module) -> list[tuple[int, str]]:
    try:
        model(torch.zeros(1))
    except NameError as error:
        frames = traceback.extract_tb(error.__traceback__)
        return [(frame.lineno or 0, frame.line or "") for frame in frames if frame.filename.startswith("<generated ")]
    raise AssertionError("it did not fail")


def test_an_error_names_the_line_of_the_whole_text_wherever_a_shared_class_stands() -> None:
    other = "class Other(nn.Module):\n    pass\n\n\n"
    texts = [HEAD + BLOCK + MODEL, HEAD + other + BLOCK + MODEL, HEAD + BLOCK + other + MODEL]
    models = [load_module(text) for text in texts]
    for text, model in zip(texts, models, strict=True):
        lines = text.splitlines()
        found = failing_lines(model)
        assert [line for _, line in found] == ["return self.block(x)", "return x + missing"]
        assert [lines[number - 1].strip() for number, _ in found] == [line for _, line in found]


def test_the_lines_are_there_again_after_they_were_forgotten() -> None:
    load_module(HEAD + BLOCK + MODEL)
    linecache.clearcache()
    assert failing_lines(load_module(HEAD + BLOCK + MODEL))[-1][1] == "return x + missing"


def test_two_models_share_no_class() -> None:
    first, second = load_module(HEAD + BLOCK + MODEL), load_module(HEAD + BLOCK + MODEL)
    assert type(first.block) is not type(second.block) and type(first) is not type(second)


@pytest.mark.parametrize(
    "statement",
    [
        'X = """\n\n\nclass Model: pass\n\n\n"""',
        "X = '''\n\n\n\"\"\"'''",
        "if True:\n    X = 1\n\n\nelse:\n    X = 2",
        "X = (\n\n\n1)",
        "@(lambda f: f)\n\n\ndef X(): pass",
        "X = 1 + \\\n\n\n\nY = 1",
        "def X():\n    a = 1\n\n\n    return a",
    ],
)
def test_a_text_means_what_it_means_as_a_whole(statement: str) -> None:
    text = f"{HEAD}{statement}\n\n\nclass Model(nn.Module):\n    kept = [X]\n"
    whole: dict[str, object] = {"__name__": "raynas_generated"}
    try:
        exec(compile(text, "<whole>", "exec"), whole)
    except SyntaxError as error:
        with pytest.raises(SourceError, match=rf"line {error.lineno}\)"):
            load_module(text)
        return
    wanted, found = whole["X"], vars(type(load_module(text)))["kept"][0]
    assert found() == wanted() if callable(wanted) and callable(found) else found == wanted


def test_a_future_statement_holds_for_all_parts() -> None:
    text = f"from __future__ import annotations\n{HEAD}class Model(nn.Module):\n    x: missing = 1\n"
    assert load_module(text).x == 1


def test_a_text_that_is_no_python_says_where() -> None:
    text = f"{HEAD}class A:\n    pass\n\n\nclass Model(nn.Module:\n    pass\n"
    with pytest.raises(SourceError, match=r"the source cannot be run: SyntaxError: .*line 9\)"):
        load_module(text)
