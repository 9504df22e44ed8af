"""Training recipes are read strictly."""

import pytest

from piv.cli import main
from piv.errors import SettingsError
from piv.train import recipe as recipes


def test_the_shipped_recipes_can_be_read():
    assert "standard" in recipes.names()
    for name in recipes.names():
        assert recipes.load(name).name == name


def test_a_recipe_survives_the_way_through_plain_data(tiny):
    assert recipes.from_dict(tiny.to_dict()).to_dict() == tiny.to_dict()


def test_a_file_gives_its_name(tmp_path):
    path = tmp_path / "kurze Übung.toml"
    path.write_text("batch = 4\nwindows = [[64, 32], [32]]\n[network]\nradius = 1\n", "utf-8")
    recipe = recipes.load(path)
    assert (recipe.name, recipe.batch, recipe.windows) == ("kurze Übung", 4, ((64, 32), (32,)))
    assert recipe.network == {"radius": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat = 1e-3", "did you mean learning_rate"),
        ("batch = 0", "batch must be between 1 and 1024, not 0"),
        ("batch = 2.5", "batch must be a whole number, not 2.5"),
        ("batch = true", "batch must be a whole number, not True"),
        ('seed = "1"', "seed must be a whole number"),
        ("learning_rate = inf", "learning_rate must be between"),
        ("learning_rate = nan", "learning_rate must be between"),
        ("windows = [64, 32]", "windows must be a list such as"),
        ("windows = []", "windows must be a list such as"),
        ("repeats = 2", "repeats must be a list such as"),
        ("crop = 256", r"crop \(256 px\) must not exceed render"),
        ("pool = 4", r"pool \(4\) must exceed batch"),
        ('precision = "float16"', "one of bfloat16, float32"),
        ('optimiser = "sgd"', "optimiser must be one of adamw, muon, not 'sgd'"),
        ('scale_of = "crop"', "scale_of must be one of pixel, pair, not 'crop'"),
        ("network = 3", "network must be a table"),
        ("source = 3", "source must be text"),
        ("batch = ", "not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=message):
        recipes.load(path)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(SettingsError, match=r"TOML file or one of .*standard"):
        recipes.load("standart")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read .*nowhere\.toml"):
        recipes.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("name", recipes.names())
def test_a_printed_recipe_is_the_same_recipe(tmp_path, capsys, name):
    assert main(["settings", "--recipe", name]) == 0
    path = tmp_path / f"{name}.toml"
    text = capsys.readouterr().out
    path.write_text(text, "utf-8")
    assert recipes.load(path) == recipes.load(name)
    assert "# largest learning rate  (0 to 1)" in text


def test_a_recipe_of_the_generator_is_found_beside_that_of_the_training(tmp_path, monkeypatch):
    (tmp_path / "mix.toml").write_text("[classes.vortex]\n", "utf-8")
    own = tmp_path / "own.toml"
    own.write_text(
        'source = "synth:mix.toml"\ncalibration = "synth:mix.toml; synth:training"', "utf-8"
    )
    found = recipes.load(own)
    assert found.source == f"synth:{tmp_path / 'mix.toml'}"
    assert found.calibration.split(";")[0] == found.source
    assert found.calibration.split(";")[1].strip() == "synth:training"
    monkeypatch.chdir(tmp_path)
    assert recipes.load("own.toml").source == found.source
    own.write_text('source = "synth:elsewhere.toml"', "utf-8")
    assert recipes.load(own).source == "synth:elsewhere.toml"
