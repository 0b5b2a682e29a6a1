"""`scopegate label suggest`: exit statuses, what is written where, and what never is."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authz.cli import labelling
from authz.cli.main import main
from tests.policies import policy

HERE = Path(__file__).parents[2] / "golden" / "labels"
POLICY = HERE / "scopegate.yaml"
COLUMNS = "table_catalog,table_schema,table_name,column_name,data_type\n"
LAKE = (
    COLUMNS
    + "lake,sales,orders,id,bigint\nlake,sales,orders,region,varchar\nlake,sales,orders,ship_city,varchar\n"
    + "lake,sales,orders,ordered_at,date\nlake,sales,orders,email,varchar\nlake,sales,orders,amount,decimal\n"
)
CANARY = "canary-4a7e"


def run(*arguments: object, warehouse: str = "lake", **options: object) -> Result:
    words = ["label", "suggest", "--policy", POLICY, "--warehouse", warehouse, *arguments]
    return CliRunner().invoke(main, [str(word) for word in words], **options)  # type: ignore[arg-type]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """In which everything that could have a label has one, but for a column that is a dimension."""
    file = tmp_path / "columns.csv"
    file.write_text(LAKE.replace("lake,sales,orders,ship_city,varchar\n", ""))
    return file


def with_column(schema: Path, line: str) -> Path:
    schema.write_text(schema.read_text() + f"{line}\n")
    return schema


def test_nothing_new_is_0_and_something_is_3(schema: Path) -> None:
    """What has a label already is shown, and is no news."""
    done = run("--schema", schema)
    assert (done.exit_code, "`pii`" in done.stdout) == (0, True)
    done = run("--schema", with_column(schema, "lake,sales,orders,phone,varchar"))
    assert done.exit_code == 3
    assert "1 to review, 1 labelled, 0 known; nothing was changed" in done.stdout


def test_a_policy_with_a_problem_or_without_the_warehouse_is_1(schema: Path, tmp_path: Path) -> None:
    """As for every command that reads a policy."""
    done = run("--schema", schema, warehouse="lak")
    assert (done.exit_code, done.output) == (1, f"{POLICY}: no warehouse `lak`; did you mean `lake`?\n")
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 2\n")
    done = CliRunner().invoke(
        main, ["label", "suggest", "--policy", str(bad), "--warehouse", "lake", "--schema", str(schema)]
    )
    assert done.exit_code == 1
    assert "version" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected one of --schema, --url-file and --url-env"),
        (["--schema", "{schema}", "--url-env", "X"], "expected one of --schema, --url-file and --url-env"),
        (["--schema", "no-such-file"], "no-such-file: does not exist"),
        (["--schema", "{schema}", "--table", "lake.sales.order"], "did you mean `lake.sales.orders`?"),
        (["--schema", "{schema}", "--sample-rows", "5"], "--sample-rows, and no --sample to read them from"),
        (["--schema", "{schema}", "--region", "DE"], "--region is about phone numbers in a sample"),
        (["--schema", "{schema}", "--sample", "x.csv", "--region", "Germany"], "got `Germany`, expected two"),
        (["--schema", "{schema}", "--sample", "no.csv"], "no.csv: does not exist"),
        (["--schema", "{schema}", "--sample", "a.csv", "--sample", "b.csv"], "two files for table"),
        (["--url-env", "NO_SUCH_VARIABLE"], "the environment has no `NO_SUCH_VARIABLE`"),
        (["--url-file", "no-such-file"], "no-such-file: does not exist"),
        (["--url-env", "URL", "--sample", "a.csv"], "--sample is for a schema in a file"),
        (["--schema", "{schema}", "--map", "mail=pii"], "no category `mail`; did you mean `email`?"),
        (["--schema", "{schema}", "--map", "email=PII"], "got `PII`, expected a label"),
        (["--schema", "{schema}", "--map", "email"], "got ``, expected a label"),
        (["--schema", "{schema}", "--known", "no-such-file"], "no-such-file: no such file"),
        (["--schema", "{schema}", "--known", "{schema}"], "expected a report that `--format json` wrote"),
    ],
)
def test_what_cannot_be_looked_at_is_2(arguments: list[str], said: str, schema: Path) -> None:
    """And is said; nobody takes it for nothing to propose."""
    done = run(*(each.replace("{schema}", str(schema)) for each in arguments), env={"URL": "sqlite://"})
    assert done.exit_code == 2, done.output
    assert said in done.output


def test_a_table_that_the_schema_has_not_is_2_beside_what_was_found(schema: Path) -> None:
    """A gate that is told half of a schema must not be green."""
    done = run("--schema", schema, warehouse="events")
    assert done.exit_code == 3
    schema.write_text(COLUMNS + "x,sales,order,phone,text\n")
    done = run("--schema", schema, warehouse="events")
    assert done.exit_code == 2
    assert "sales.orders: the schema has no such table; did you mean `x.sales.order`?" in done.stderr


def test_a_table_that_could_be_two_is_none(schema: Path) -> None:
    """Whose labels would they be?"""
    with_column(schema, "other,sales,orders,phone,varchar")
    done = run("--schema", schema, warehouse="events")
    assert done.exit_code == 2
    assert "the schema has `lake.sales.orders`, `other.sales.orders`; leave the others out" in done.stderr
    assert run("--schema", schema).exit_code == 0


def test_a_renamed_column_is_noted(schema: Path) -> None:
    """Its label protects nothing any more."""
    schema.write_text(schema.read_text().replace("orders,email,", "orders,e_mail,"))
    done = run("--schema", schema)
    assert done.exit_code == 3
    assert "note: lake.sales.orders: the policy names `email`, `ship_city`" in done.stderr


def test_what_was_reviewed_is_known_until_it_looks_like_something_else(schema: Path, tmp_path: Path) -> None:
    """The report of a run is the memory of a gate, and can be followed by its own successor."""
    with_column(schema, "lake,sales,orders,phone,varchar")
    report = tmp_path / "report.json"
    for _ in range(2):
        known = ["--known", report] if report.exists() else []
        run("--schema", schema, *known, "--format", "json", "-o", report)
        done = run("--schema", schema, "--known", report)
        assert (done.exit_code, "no label, known" in done.stdout) == (0, True)
    sample = tmp_path / "sample.csv"
    sample.write_text("phone\n" + "ann@example.com\n" * 50)
    assert run("--schema", schema, "--known", report, "--sample", sample).exit_code == 3
    members = json.loads(report.read_text())
    for broken in (
        {"warehouse": "events"},
        {"format": 2},
        {"proposals": [{}]},
        {"proposals": 1},
        {"proposals": [1]},
    ):
        report.write_text(json.dumps({**members, **broken}))
        assert run("--schema", schema, "--known", report).exit_code == 2
    (proposal, *_) = [each for each in members["proposals"] if each["column"] == "phone"]
    for changed, status in (
        ({}, 0),
        ({"confidence": "possible"}, 3),
        ({"confidence": 5}, 2),
        ({"confidence": "x"}, 2),
    ):
        report.write_text(json.dumps({**members, "proposals": [{**proposal, **changed}]}))
        assert run("--schema", schema, "--known", report).exit_code == status


def test_columns_that_a_sample_has_not_are_noted(schema: Path, tmp_path: Path) -> None:
    """Of those nobody has looked at a value."""
    (tmp_path / "sample.csv").write_text("email\nann@example.com\n")
    done = run("--schema", schema, "--sample", tmp_path / "sample.csv")
    assert "note: lake.sales.orders: not in the sample: `id`, `region`, `amount`" in done.stderr
    (tmp_path / "sample.csv").write_text("email,id,region,amount\nann@example.com,1,EU,2\n")
    assert "not in the sample" not in run("--schema", schema, "--sample", tmp_path / "sample.csv").stderr


def test_what_had_a_label_is_news_when_it_has_lost_it(schema: Path, tmp_path: Path) -> None:
    """The report of the time when it had one does not make it known."""
    report = tmp_path / "report.json"
    run("--schema", schema, "--format", "json", "-o", report)
    without = tmp_path / "scopegate.yaml"
    without.write_text(POLICY.read_text().replace("{email: pii, amount: financial}", "{amount: pii}"))
    arguments = ["--policy", without, "--warehouse", "lake", "--schema", schema, "--known", report]
    done = CliRunner().invoke(main, ["label", "suggest", *map(str, arguments)])
    assert done.exit_code == 3


def test_a_label_can_be_another_and_unsure_ones_can_be_left_out(schema: Path) -> None:
    """`--map` and `--at-least`."""
    with_column(schema, "lake,sales,orders,phone,varchar")
    with_column(schema, "lake,sales,orders,town,varchar")
    done = run("--schema", schema, "--map", "phone=contact", "--format", "yaml")
    assert "          phone: contact\n" in done.stdout
    assert "          town: pii\n" in done.stdout
    done = run("--schema", schema, "--at-least", "likely", "--format", "yaml")
    assert "          phone: pii\n" in done.stdout
    assert "town" not in done.stdout


def test_a_dimension_and_a_name_that_no_policy_can_have_are_comments(schema: Path) -> None:
    """The rest of the piece is a piece of a policy."""
    long = "email_" + "x" * 130
    with_column(schema, "lake,sales,orders,ship_city,varchar")
    with_column(schema, f"lake,sales,orders,{long},varchar")
    piece = run("--schema", schema, "--format", "yaml").stdout
    assert (
        "# rows are told apart by it (dimension city): whoever it is hidden from cannot filter by it" in piece
    )
    assert "          # ship_city: pii\n" in piece
    assert f"          # {long}: pii\n" in piece
    assert "dimension `city`" in run("--schema", schema).stdout


def test_a_warehouse_that_takes_no_labels_is_told_what_else_to_do(schema: Path) -> None:
    """A policy with labels for a ClickHouse would not load."""
    done = run("--schema", schema, warehouse="events")
    assert done.exit_code == 3
    assert "takes no labels: leave such columns out of a view, and name that as the table" in done.stdout
    piece = run("--schema", schema, "--format", "yaml", warehouse="events").stdout
    assert all(line.startswith("#") for line in piece.splitlines())
    assert "#           email: pii" in piece
    assert not json.loads(run("--schema", schema, "--format", "json", warehouse="events").stdout)[
        "takes_labels"
    ]


def test_a_warehouse_of_one_table_is_told_which_it_is(schema: Path) -> None:
    """The policy does not say; a schema of one table says."""
    piece = run("--schema", schema, "--format", "yaml", warehouse="api").stdout
    assert "Nothing new" in piece
    with_column(schema, "lake,sales,people,phone,varchar")
    done = run("--schema", schema, warehouse="api")
    assert (done.exit_code, "say so with one --table" in done.output) == (2, True)
    piece = run("--schema", schema, "--table", "people", "--format", "yaml", warehouse="api").stdout
    assert "  api:\n    labels:\n      # likely" in piece
    text = POLICY.read_text().replace("    labels: {email: pii}\n", piece.partition("  api:\n")[2])
    assert policy(text).warehouses["api"].labels == {"phone": "pii"}


def test_cubes_and_members_come_from_a_file_alone(schema: Path) -> None:
    """There is no database that could be asked."""
    schema.write_text("table_name,column_name\norders,customerEmail\n")
    done = run("--schema", schema, warehouse="metrics", env={})
    assert done.exit_code == 3
    assert "customerEmail" in done.stdout
    done = run("--url-env", "URL", warehouse="metrics", env={"URL": "sqlite://"})
    assert (done.exit_code, "a Cube has no database to ask" in done.output) == (2, True)


def test_tables_that_the_policy_does_not_name_are_counted_and_looked_at_if_asked(schema: Path) -> None:
    """They are closed; whoever is about to open one wants to know."""
    with_column(schema, "lake,sales,people,phone,varchar")
    with_column(schema, "lake,information_schema,columns,email,varchar")
    done = run("--schema", schema)
    assert done.exit_code == 0
    assert "note: 1 table of the schema not in the policy" in done.stderr
    done = run("--schema", schema, "--all-tables")
    assert done.exit_code == 3
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("lake.sales.people")]
    assert line.split("  ")[1].strip() == "phone"
    assert "no label, table closed" in line
    assert "information_schema" not in done.stdout


def test_it_can_look_at_some_tables_only(schema: Path, tmp_path: Path) -> None:
    """Samples go by the table's name where there are several."""
    more = tmp_path / "scopegate.yaml"
    extra = "      lake.sales.people: {columns: {region: region}, unfiltered: [city, ordered_at]}\n  events:"
    more.write_text(POLICY.read_text().replace("  events:", extra))
    with_column(schema, "lake,sales,people,region,varchar")
    with_column(schema, "lake,sales,people,contact,varchar")
    sample = tmp_path / "a=b.csv"
    sample.write_text("contact\nann@example.com\n")
    start = ["label", "suggest", "--policy", str(more), "--warehouse", "lake", "--schema", str(schema)]

    def asked(*arguments: str) -> Result:
        return CliRunner().invoke(main, [*start, *arguments])

    assert asked().exit_code == 0
    assert asked("--sample", f"lake.sales.people={sample}").exit_code == 3
    assert asked("--sample", f"lake.sales.people={sample}", "--table", "lake.sales.orders").exit_code == 2
    assert asked("--sample", str(sample), "--table", "lake.sales.people").exit_code == 3
    done = asked("--sample", f"lake.sales.peeple={sample}")
    assert (done.exit_code, "did you mean `lake.sales.people`?" in done.output) == (2, True)


@pytest.mark.parametrize("form", ["file", "link", "hard link", "neighbour"])
def test_it_never_writes_into_a_policy(form: str, schema: Path, tmp_path: Path) -> None:
    """Not by another name either, and not into its directory, where it would be read as a part."""
    directory = tmp_path / "policy"
    directory.mkdir()
    (directory / "scopegate.yaml").write_text(POLICY.read_text())
    place = {"file": directory / "scopegate.yaml", "neighbour": directory / "labels.yml"}.get(
        form, tmp_path / "other"
    )
    if form == "link":
        place.symlink_to(directory / "scopegate.yaml")
    elif form == "hard link":
        place.hardlink_to(directory / "scopegate.yaml")
    for path in (directory, directory / "scopegate.yaml"):
        arguments = ["--policy", path, "--warehouse", "lake", "--schema", schema, "-o", place]
        done = CliRunner().invoke(main, ["label", "suggest", *map(str, arguments)])
        if form == "neighbour" and path != directory:
            continue
        assert (done.exit_code, "would be read as a part of the policy" in done.output) == (2, True)
    assert (directory / "scopegate.yaml").read_text() == POLICY.read_text()


def test_elsewhere_it_writes_yaml(schema: Path, tmp_path: Path) -> None:
    """Or whatever is asked for; standard output stays empty."""
    with_column(schema, "lake,sales,orders,phone,varchar")
    for options, begin in (
        ([], "# Proposed"),
        (["--format", "json"], "{"),
        (["--format", "table"], "table "),
    ):
        done = run("--schema", schema, "-o", tmp_path / "out", *options)
        assert (done.exit_code, done.stdout) == (3, "")
        assert (tmp_path / "out").read_text().startswith(begin)
    assert run("--schema", schema, "-o", tmp_path / "no" / "out").exit_code == 2


def test_a_name_cannot_move_the_terminal(schema: Path) -> None:
    """Whoever may create a table chooses names and types."""
    # Of these, neither click nor rich takes any out: an escape of one byte, and text that runs to the left.
    with_column(schema, "lake,sales,orders,phone\x9b2J,varchar\u202e")
    with_column(schema, "lake,sales,orders\u202e,phone,text")
    for form in ("table", "yaml", "json"):
        done = run("--schema", schema, "--format", form, "--all-tables")
        assert done.exit_code == 3
        assert not {"\x9b", "\u202e"} & set(done.output)


def test_no_value_of_a_sample_is_in_anything_that_is_written(schema: Path, tmp_path: Path) -> None:
    """Whatever shape it has, in each form, and where the sample is broken."""
    values = [
        f"{CANARY}@example.com",
        "4012888888881881",
        "+4930901820",
        f"to {CANARY}@example.com",
        "$2b$12$" + CANARY,
    ]
    names = ["email", "pan", "contact", "notes", "secret"]
    for name in names[1:]:
        with_column(schema, f"lake,sales,orders,{name},varchar")
    sample = tmp_path / "sample.csv"
    good = ",".join(names) + "\n" + (",".join(values) + "\n") * 40
    for text in (
        good,
        good + '"' + CANARY,
        good.partition("\n")[2],
        good.replace("@", "\x00"),
        f"{CANARY},\n" * 9,
    ):
        sample.write_text(text)
        for form in ("table", "yaml", "json"):
            done = run(
                "--schema",
                schema,
                "--sample",
                sample,
                "--format",
                form,
                "--region",
                "DE",
                "-o",
                tmp_path / "out",
            )
            told = done.output + (tmp_path / "out").read_text()
            assert not [value for value in (CANARY, *values) if value in told]
            assert done.exception is None or isinstance(done.exception, SystemExit)
    sample.write_text(good)
    assert "e-mail addresses in 40 of 40 values" in run("--schema", schema, "--sample", sample).output


def test_a_live_warehouse_is_asked_by_a_url_that_no_command_line_has(tmp_path: Path) -> None:
    """From a file that not everybody may read, or from the environment; rows only if they are asked for."""
    place = tmp_path / "crm.db"
    with sqlite3.connect(place) as connection:
        connection.execute("CREATE TABLE customers (region TEXT, email TEXT, contact TEXT)")
        rows = [("EU", f"{CANARY}@example.com", "+49 30 901820")] * 30
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)
    connection.close()
    url = tmp_path / "url"
    url.write_text(f"sqlite:///{place}\n")
    url.chmod(0o600)
    asked = ["--table", "customers"]
    done = run("--url-file", url, *asked, warehouse="api")
    assert (done.exit_code, "contact" in done.stdout) == (0, False)
    for source in (["--url-file", url], ["--url-env", "WAREHOUSE"]):
        done = run(
            *source, *asked, "--sample-rows", 20, warehouse="api", env={"WAREHOUSE": f"sqlite:///{place}"}
        )
        assert done.exit_code == 3
        assert "phone numbers with a country code in 20 of 20 values" in done.stdout
        assert CANARY not in done.output
    url.chmod(0o604)
    assert run("--url-file", url, *asked, warehouse="api").exit_code == 2
    done = run(
        "--url-env",
        "WAREHOUSE",
        "--table",
        "nobody",
        warehouse="api",
        env={"WAREHOUSE": f"sqlite:///{place}"},
    )
    assert (done.exit_code, "nobody: the schema has no such table" in done.stderr) == (2, True)


def test_values_are_not_looked_at_without_the_libraries(
    schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that was asked for and not looked at would be a sample without findings."""
    monkeypatch.setattr(labelling, "missing_libraries", lambda: ["phonenumbers"])
    assert run("--schema", schema).exit_code == 0
    done = run("--schema", schema, "--sample", "x.csv")
    assert done.exit_code == 2
    assert "needs `phonenumbers`: pip install 'scopegate[label]'" in done.output


def test_a_schema_is_looked_at_without_the_extra(schema: Path) -> None:
    """Names and types need nothing that the server does not have."""
    code = (
        "import sys\n"
        "for name in ('duckdb', 'email_validator', 'phonenumbers', 'sqlalchemy', 'stdnum'): sys.modules[name] = None\n"
        "from authz.cli.main import main\n"
        "main(sys.argv[1:])"
    )
    words = ["label", "suggest", "--policy", POLICY, "--warehouse", "lake", "--schema", schema]
    for more, status in (([], 0), (["--sample", "x.csv"], 2)):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, words), *more], capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
    assert "pip install 'scopegate[label]'" in done.stderr


def test_the_policy_is_only_read(schema: Path) -> None:
    """Not a byte of it, nor its time."""
    before = (POLICY.read_bytes(), POLICY.stat().st_mtime_ns)
    run("--schema", schema)
    assert (POLICY.read_bytes(), POLICY.stat().st_mtime_ns) == before
