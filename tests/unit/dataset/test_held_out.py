"""What `mine` and `test` share nothing of, what is recorded of it, and models that know a benchmark from training."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from lode.checks.names import known_plugins
from lode.checks.steps import validate
from lode.dataset import Sample, mmlu, toy_mmlu
from lode.dataset._mining import mined_samples
from lode.dataset._splits import half_of, split_of, with_cluster
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.engine.tables import read_provenance, write_table
from lode.media import Medium, encode_video
from lode.model.training_data import FILE, training_data
from lode.stages import benchmark_ablation, download_model, prepare_dataset
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from workflow.check import open_experiment

MADE_BY = {"config": {}, "code_digest": "unknown"}
EMBEDDED = ("tiny_errorradar", "tiny_instructblip", "tiny_llava_next", "tiny_qwen2_audio", "tiny_qwen2_vl")


def clusters(name: str, split: str, num_samples: int) -> set[str]:
    plugin = import_module(f"lode.dataset.{name}")
    return {sample.cluster_id for sample in plugin.samples(split, num_samples, 2024)}


@pytest.mark.parametrize("name", sorted(known_plugins("dataset")))
def test_every_dataset_says_what_is_held_out(name: str) -> None:
    assert import_module(f"lode.dataset.{name}").HELD_OUT in ("clusters", "samples")


def test_the_split_with_a_cluster_by_hand() -> None:
    """What `split_of` keeps for training stays there; two contents of one cluster are never apart beyond that."""
    contents = [f"content {number}" for number in range(3000)]
    places = {content: with_cluster(content, f"c{number % 60}", 1) for number, content in enumerate(contents)}
    assert all((place == "train") == (split_of(content, 1) == "train") for content, place in places.items())
    for number in range(60):
        held = {places[content] for content in contents[number::60]} - {"train"}
        assert held == {half_of(f"cluster|c{number}", 1, 1 / 3)}
    mined = sum(half_of(f"cluster|c{number}", 1, 1 / 3) == "mine" for number in range(600))
    assert 170 <= mined <= 230  # a third, within 2.6 standard deviations


def test_training_still_sees_every_fact() -> None:
    assert clusters("toy_mmlu", "train", 1500) >= clusters("toy_mmlu", "mine", 150) | clusters("toy_mmlu", "test", 80)


def test_a_split_that_runs_out_of_questions_ends() -> None:
    """Every question has 24 prompts, of which a split holds some."""
    samples = list(toy_mmlu.samples("mine", 10_000, 2024))
    assert len({sample.prompt for sample in samples}) == len(samples) == 295


def test_letters_are_declared() -> None:
    """Questions of MMLU are answered by letters, also where a choice is a letter itself."""
    assert all(s.meta["answer_is"] == "letter" for s in toy_mmlu.samples("mine", 3, 1))
    assert mmlu.BY_LETTER == {"answer_is": "letter"}


def sample(name: str, split: str, prompt: str = "p", cluster: str = "") -> Sample:
    return Sample(name, cluster or name, split, prompt, ("x",))


def test_prompts_without_media_are_held_out() -> None:
    held_out = prepare_dataset.HeldOut(clusters=False)

    def add(added: Sample) -> None:
        held_out.add(added, prepare_dataset.check_sample(added, set()))

    add(sample("a", "mine", "1 + 1?", cluster="c"))
    add(sample("b", "mine", "1 + 1?", cluster="c"))
    add(sample("c", "test", "1 + 2?", cluster="c"))
    for again in ("1 + 1?", "1  + 1? \n"):
        with pytest.raises(UserError, match="sample d of split 'test' has the prompt of sample a of split 'mine'"):
            add(sample("d", "test", again))


def packed(image: Image.Image, **how: Any) -> Medium:
    buffer = BytesIO()
    image.save(buffer, **how)
    return Medium("image", buffer.getvalue(), "image/x")


def test_the_same_picture_is_found_however_it_is_packed() -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8))
    files = [packed(image, format="PNG", compress_level=level) for level in (1, 9)] + [packed(image, format="BMP")]
    assert len({file.bytes for file in files}) == 3
    assert len({prepare_dataset.check_medium("s", file) for file in files}) == 1
    for other in (image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), image.resize((9, 9))):
        assert prepare_dataset.check_medium("s", packed(other, format="PNG")) != prepare_dataset.check_medium(
            "s", files[0]
        )


def in_both_splits(*files: Medium) -> Iterator[Sample]:
    """One medium, packed in two ways, in a sample of each split."""
    for split, file in zip(("mine", "test"), files, strict=True):
        yield Sample(split, split, split, "p", ("x",), (file,))


def test_the_same_sound_is_refused_however_it_is_packed() -> None:
    sound = np.random.default_rng(1).integers(-30_000, 30_000, 800, dtype=np.int16)
    files = []
    for form in ("WAV", "FLAC"):
        buffer = BytesIO()
        soundfile.write(buffer, sound, 16_000, format=form, subtype="PCM_16")
        files.append(Medium("audio", buffer.getvalue(), f"audio/{form.lower()}"))
    with pytest.raises(UserError, match="sample test of split 'test' has the audio of sample mine of split 'mine'"):
        list(prepare_dataset.checked(in_both_splits(*files), ["text", "audio"], prepare_dataset.HeldOut(clusters=True)))


def test_the_same_video_is_refused_however_it_is_packed() -> None:
    """Its packets copied from Matroska into AVI."""
    pixels = np.random.default_rng(1).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
    first, buffer = encode_video([Image.fromarray(frame) for frame in pixels], 1), BytesIO()
    with av.open(BytesIO(first.bytes)) as held, av.open(buffer, "w", format="avi") as container:
        stream = container.add_stream_from_template(held.streams.video[0])
        for packet in held.demux(held.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    again = Medium("video", buffer.getvalue(), "video/x-msvideo")
    with pytest.raises(UserError, match="sample test of split 'test' has the video of sample mine of split 'mine'"):
        list(
            prepare_dataset.checked(
                in_both_splits(first, again), ["text", "video"], prepare_dataset.HeldOut(clusters=True)
            )
        )


def test_one_picture_is_of_one_cluster() -> None:
    """Else sixty questions about it would pass for independent, and every interval would be too narrow."""
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 9, 3), dtype=np.uint8))
    files = [packed(image, format="PNG"), packed(image, format="BMP")]

    def shown(second: str) -> list[Sample]:
        """Two samples of one picture, the second of this cluster."""
        of = zip(files, ("c0", second), strict=True)
        return [Sample(f"s{c}", c, "test", "p", ("x",), (file,)) for file, c in of]

    with pytest.raises(UserError, match="sample sc1 of cluster 'c1' has the image of sample sc0 of cluster 'c0'"):
        list(prepare_dataset.checked(shown("c1"), ["image"]))
    same = [replace(one, sample_id=str(i)) for i, one in enumerate(shown("c0"))]
    assert len(list(prepare_dataset.checked(same, ["image"]))) == 2


# --- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "held_out"), [("disjoint", "clusters"), ("paper", "none")])
def test_the_table_says_what_its_data_are(tmp_path: Path, split: str, held_out: str) -> None:
    output = tmp_path / "d.parquet"
    sizes = ("dataset.num_samples={mine: 2, test: 6}", f"io.dataset={output}", f"split={split}")
    cfg = compose(["dataset=toy_speech", "~dataset.options.voice", *sizes])
    prepare_dataset.run(restrict(cfg, "prepare_dataset", ("io", "runtime")), MADE_BY)
    assert read_provenance(output)["data"] == {"options": {"voice": "formant"}, "held_out": held_out}


def test_more_shards_than_samples_are_refused_by_each(tmp_path: Path) -> None:
    """So the first job that runs ends the run; no other message follows when it is fixed."""
    output = tmp_path / "d.parquet"
    cfg = compose(["dataset=toy_mmlu", "dataset.num_samples={mine: 2, test: 6}", f"io.dataset={output}"])
    prepare_dataset.run(restrict(cfg, "prepare_dataset", ("io", "runtime")), MADE_BY)
    assert [len(mined_samples(str(output), "disjoint", shard, 2)) for shard in (0, 1)] == [1, 1]
    for shard in range(3):
        with pytest.raises(UserError, match=r"d\.parquet: 3 shards of 2 'mine' samples; .*capture\.shards"):
            mined_samples(str(output), "disjoint", shard, 3)


# --- models that know a benchmark -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", EMBEDDED)
def test_embedded_models_state_what_they_were_trained_on(model: str) -> None:
    folder = ROOT / "resources" / "models" / model
    trained = json.loads((folder / "provenance.json").read_text())["config"]
    plugins = {options.get("plugin", name) for name, options in trained["training"]["datasets"].items()}
    assert training_data(folder) == {"split_seed": trained["seed"], "datasets": sorted(plugins)}
    assert trained["seed"] == compose().split_seed
    assert f"`split_seed` {trained['seed']}" in (folder / "README.md").read_text()


def test_the_manifest_repeats_it(tmp_path: Path) -> None:
    cfg = compose([f"io.manifest={tmp_path / 'm.json'}"])
    download_model.run(restrict(cfg, "download_model", ("io", "runtime")), MADE_BY)
    assert json.loads((tmp_path / "m.json").read_text())["trained_on"]["split_seed"] == 2024


def test_test_data_from_training_are_refused() -> None:
    with pytest.raises(SystemExit) as stop:
        open_experiment({"experiment": "default", "overrides": ["split_seed=1"]})
    for part in ("split_seed = 1", "model tiny_qwen2_vl", "trained on the training split of toy_textvqa", "2024"):
        assert part in str(stop.value)
    validate(compose(["dataset=toy_textvqa", "seed=1"]), "benchmark_ablation")  # the samples do not depend on it


def test_data_that_a_model_was_not_trained_on_take_any_split(tmp_path: Path) -> None:
    """A folder without the statement is not asked, and one that knows other datasets is no obstacle."""
    model = tmp_path / "model"
    model.mkdir()
    for file in (ROOT / "resources" / "models" / "tiny_qwen2_vl").iterdir():
        if file.name != FILE:
            (model / file.name).symlink_to(file)
    cfg = compose(["dataset=digits_vqa", f"model.source={model}", "split_seed=1"])
    validate(cfg, "benchmark_ablation")
    (model / FILE).write_text('{"split_seed": 2024, "datasets": ["toy_speech"]}')
    validate(cfg, "benchmark_ablation")
    (model / FILE).write_text('{"split_seed": 2024, "datasets": ["digits_vqa"]}')
    with pytest.raises(UserError, match="training split of digits_vqa"):
        validate(cfg, "benchmark_ablation")
    (model / FILE).write_text('{"seed": 2024}')
    with pytest.raises(UserError, match=r"training_data.json: KeyError\('split_seed'\); expected"):
        validate(cfg, "benchmark_ablation")


def test_a_job_refuses_test_data_from_training(tmp_path: Path) -> None:
    """Of a hub model the plan does not know what it was trained on; its manifest does."""
    stated = {"split_seed": 2024, "datasets": ["toy_mmlu"]}
    (tmp_path / "manifest.json").write_text(json.dumps({"trained_on": stated}))
    prepared = {"config": {"dataset": {"plugin": "toy_mmlu"}, "split_seed": 7}}
    write_table(tmp_path / "dataset.parquet", DATASET, [], prepared)
    paths = [f"io.manifest={tmp_path}/manifest.json", f"io.dataset={tmp_path}/dataset.parquet", "io.shard=0"]
    cfg = restrict(compose(["dataset=toy_mmlu", *paths]), "benchmark_ablation", ("io", "runtime"))
    with pytest.raises(UserError, match="split_seed = 7: model tiny_qwen2_vl was trained on the training split"):
        benchmark_ablation.run(cfg, {})


def test_a_negative_split_seed_is_refused() -> None:
    with pytest.raises(UserError, match="split_seed = -1: expected a whole number of at least 0"):
        validate(compose(["split_seed=-1"]), "prepare_dataset")


def test_no_dataset_depends_on_the_seed(tmp_path: Path) -> None:
    def drawn(**settings: Any) -> list[dict[str, Any]]:
        overrides = [f"{key}={value}" for key, value in settings.items()]
        cfg = restrict(
            compose(["dataset=toy_mmlu", "dataset.num_samples={mine: 3, test: 3}", *overrides]), "prepare_dataset"
        )
        assert "seed" not in cfg
        return list(prepare_dataset.rows(cfg.dataset, cfg.split_seed, cfg.split))

    assert drawn(seed=1) == drawn(seed=2) != drawn(split_seed=1)
