import pytest
import yaml

from dashboard_app.backend.sources.exchange import export_sources, import_sources, read_sources
from dashboard_app.model.errors import InvalidInput, KindNotSupported
from dashboard_app.model.secret import Secret
from tests.backend.sources.test_registry import settings

ONE = """
sources:
  - name: billing
    kind: postgresql
    host: db.example.org
    port: 5432
    database: billing
    username: spillway
    password: geheim
    tags: [eu, prod]
    options: {sslmode: verify-full}
"""


async def test_an_export_holds_every_source_but_the_built_in_one_and_no_password(parts):
    await parts.sources.create(settings(tags=("eu",), enabled=False))
    text = export_sources(parts.sources)
    assert "geheim" not in text
    assert yaml.safe_load(text)["sources"] == [
        {"name": "billing-primary", "kind": "postgresql", "host": "10.20.4.11", "port": 5432, "database": "billing",
         "username": "spillway", "tags": ["eu"], "enabled": False}
    ]  # fmt: skip


async def test_what_was_exported_is_unchanged_when_it_is_imported(parts):
    await parts.sources.create(settings(tags=("eu",), options={"sslmode": "require"}))
    report = await import_sources(parts.sources, export_sources(parts.sources), dry_run=False, prune=True)
    assert report.sentence() == "0 new, 0 changed, 0 removed"
    assert report.unchanged == ("billing-primary",)


async def test_a_dry_run_says_what_would_change_and_changes_nothing(parts):
    report = await import_sources(parts.sources, ONE, dry_run=True)
    assert report.sentence() == "1 new, 0 changed, 0 removed"
    assert [source.id for source in parts.sources.everything()] == [1]


async def test_an_import_adds_changes_and_only_when_told_removes(parts):
    await parts.sources.create(settings("old"))
    await import_sources(parts.sources, ONE, dry_run=False)
    changed = ONE.replace("5432", "5433").replace("    password: geheim\n", "")
    report = await import_sources(parts.sources, changed, dry_run=False)
    assert report.sentence() == "0 new, 1 changed, 0 removed"
    by_name = {source.name: source for source in parts.sources.everything()}
    assert by_name["billing"].port == 5433
    assert parts.sources.credentials(by_name["billing"].id) == Secret("geheim")
    report = await import_sources(parts.sources, changed, dry_run=False, prune=True)
    assert report.removed == ("old",)
    assert {source.name for source in parts.sources.everything()} == {"spillway", "billing"}


async def test_another_password_is_a_change(parts):
    await import_sources(parts.sources, ONE, dry_run=False)
    assert (await import_sources(parts.sources, ONE, dry_run=True)).changed == ()
    other = ONE.replace("geheim", "neu")
    assert (await import_sources(parts.sources, other, dry_run=True)).changed == ("billing",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "list `sources`"),
        ("[]", "list `sources`"),
        ("sources: 3", "list `sources`"),
        ("sources: [", "not YAML"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
        ("sources: [3]", "Source 1 of the file"),
        ("sources: [{1: 2}]", "Source 1 of the file"),
        (ONE.replace("port: 5432", "port: many"), "Source 1 of the file: port"),
        (ONE.replace("    host: db.example.org\n", ""), "host is missing"),
        (ONE.replace("tags:", "labels:"), "no field 'labels'"),
        (ONE + ONE.removeprefix("\nsources:\n"), "more than once"),
        ("#" * 1_048_577, "1 MiB"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text, words):
    with pytest.raises(InvalidInput, match=words):
        read_sources(text)


@pytest.mark.parametrize("kind", ["redis", "[a]", "{}"])
def test_a_kind_that_is_not_built_is_refused(kind):
    with pytest.raises(KindNotSupported, match="Source 1"):
        read_sources(ONE.replace("kind: postgresql", f"kind: {kind}"))
