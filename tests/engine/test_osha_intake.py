"""What osha-intake reads in a row, held against Python's csv module, OSHA's tables and rows that are meant to harm."""

import csv
import io
import json
import os
import random
from pathlib import Path

import jsonschema_rs
import pytest

import bailiwick
from bailiwick.canonical import digest
from bailiwick.engine import Refusal, read_answer
from bailiwick.errors import ModuleFailed

MODULE = Path(bailiwick.__file__).parent / "builtin" / "modules" / "osha-intake"
SCHEMA = json.loads((MODULE / "observation.schema.json").read_text())
MANIFEST = json.loads((MODULE / "module.json").read_text())
HEADER = (
    "summary_nr,rel_insp_nr,age,sex,nature_of_inj,part_of_body,src_of_injury,event_type,evn_factor,hum_factor,occ_code,"
    "degree_of_inj,task_assigned,hazsub,const_op,const_op_cause,fat_cause,fall_distance,fall_ht,injury_line_nr,load_dt"
)
COLUMNS = HEADER.split(",")
ROW = "221158942,343628764,41,F,1,11,26,2,3,20,889,2,2,S227,70,43,15,12,6,1,2020-09-25 00:18:59 EDT"
NUMBERS = ("src_of_injury", "evn_factor", "hum_factor", "occ_code", "const_op", "const_op_cause", "fat_cause")
CODED = [
    ("nature_of_inj", "nature"),
    ("part_of_body", "part_of_body"),
    ("event_type", "event_type"),
    ("degree_of_inj", "degree"),
    ("task_assigned", "task_assigned"),
]
MUTANTS = 1_500


def with_field(column, text):
    """Give the example row with one field replaced."""
    fields = ROW.split(",")
    fields[COLUMNS.index(column)] = text
    return ",".join(fields)


def words(fact):
    """Give the words of a fact by code, as the schema lists them."""
    return dict(enumerate(SCHEMA["properties"][fact]["enum"], start=1))


def expected(row):
    """Work out the facts of a good row in Python, by another road than the module's."""
    facts = {"summary_nr": int(row["summary_nr"]), "injury_line_nr": int(row["injury_line_nr"])}
    whole = {name: int(row[name] or 0) for name in ("rel_insp_nr", "age", *NUMBERS)}
    facts |= {name: number for name, number in whole.items() if number}
    for name, fact in (("degree_of_inj", "degree"), ("task_assigned", "task_assigned")):
        if int(row[name] or 0):
            facts[fact] = words(fact)[int(row[name])]
    for name, fact in (("nature_of_inj", "nature"), ("part_of_body", "part_of_body"), ("event_type", "event_type")):
        if int(row[name] or 0):
            facts |= {fact: words(fact)[int(row[name])], f"{fact}_code": int(row[name])}
    for name, fact in (("fall_distance", "fall_distance_feet"), ("fall_ht", "fall_ht_feet")):
        if row[name]:
            facts[fact] = int(row[name])
    if row["sex"]:
        facts["sex"] = {"M": "male", "F": "female"}[row["sex"]]
    facts |= {fact: row[name] for name, fact in (("hazsub", "hazsub"), ("load_dt", "loaded")) if row[name]}
    return facts


def test_the_manifest_names_the_binary_and_source_that_are_there():
    """A digest that is not the file's would make evidence name code that nobody has."""
    assert MANIFEST["digest"] == digest((MODULE / MANIFEST["file"]).read_bytes())
    assert MANIFEST["source"]["digest"] == digest((MODULE / MANIFEST["source"]["file"]).read_bytes())
    assert MANIFEST["functions"]["observe"]["output"] == SCHEMA
    assert MANIFEST["capabilities"] == []


def test_every_column_is_read(observe):
    """A column lost here is a fact that the law never sees."""
    facts = observe(HEADER, ROW)
    assert facts == expected(dict(zip(COLUMNS, ROW.split(","), strict=True)))
    assert set(facts) | {"unknown_columns"} == set(SCHEMA["properties"])
    jsonschema_rs.validate(SCHEMA, facts)


@pytest.fixture
def real_rows():
    """Give the path of real rows, as INPUT names it, or skip and say why."""
    if not os.environ.get("INPUT"):
        pytest.skip("INPUT does not name a file of OSHA's accident_injury rows")
    path = Path(os.environ["INPUT"])
    with path.open(encoding="utf-8") as file:
        if file.readline().strip() != HEADER:
            pytest.skip(f"{path.name}, which INPUT names, is not OSHA's accident_injury table")
    return path


def test_real_rows_are_read_as_pythons_csv_module_reads_them(observe, real_rows):
    """Our parser is new; Python's is old. On real rows they must agree to the last field."""
    validator = jsonschema_rs.validator_for(SCHEMA)
    header, *lines = real_rows.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(io.StringIO("\n".join([header, *lines]))))
    assert len(rows) == len(lines) > 0
    for line, row in zip(lines, rows, strict=True):
        facts = observe(header, line)
        assert facts == expected(row)
        assert validator.is_valid(facts)


def test_columns_are_found_by_name_in_any_order_and_case(observe):
    """Reading by position would swap facts as soon as OSHA moves a column."""
    pairs = list(zip(COLUMNS, ROW.split(","), strict=True))
    random.Random(3).shuffle(pairs)
    header = ",".join(f'"{name.upper()}"' for name, _ in pairs)
    assert observe(header, ",".join(value for _, value in pairs)) == observe(HEADER, ROW)


def test_quoted_fields_are_read_as_pythons_csv_module_reads_them(observe):
    """Commas, quotes and line ends inside quotes are where home-made parsers shift columns."""
    header = HEADER + ",note,other"
    for note in ("a,b", 'say ""no""', "two\nlines", "two\r\nlines\tand a tab", "", '"""', "é, 日本"):
        row = ROW + ',"' + note.replace('"', '""') + '","x"'
        facts = observe(header, row)
        assert facts == observe(HEADER, ROW) | {"unknown_columns": 2}, note
        assert len(next(csv.reader(io.StringIO(row, newline="")))) == 23


@pytest.mark.parametrize(("column", "fact"), CODED)
def test_each_code_of_a_table_has_its_word_and_the_next_has_none(observe, column, fact):
    """A word off by one would make an amputation of every asphyxia."""
    table = words(fact)
    for code, word in table.items():
        assert observe(HEADER, with_field(column, str(code)))[fact] == word
    assert observe(HEADER, with_field(column, str(len(table) + 1))).code in ("row-code-unknown", "row-field-too-long")


def test_the_words_stand_in_the_order_of_oshas_own_table(real_rows):
    """Our words are ours; their order is OSHA's, and only that makes them mean what they say."""
    table = real_rows.with_name("osha_accident_lookup2.csv")
    if not table.exists():
        pytest.skip("osha_accident_lookup2.csv is not beside INPUT")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row[:3] for row in csv.reader(file)]
    for name, fact in (("IN", "nature"), ("BD", "part_of_body"), ("FT", "event_type"), ("DEGR", "degree")):
        theirs = {int(code): text.lower() for kind, code, text in rows if kind == name}
        ours = words(fact)
        assert set(ours) == set(theirs)
        for code, word in ours.items():
            # OSHA abbreviates (CARD-VASC, OTHBODYSYS), so the first three letters must do.
            assert word.replace("not-", "non-")[:3] == theirs[code][:3]


@pytest.mark.parametrize("column", ["rel_insp_nr", "age", *NUMBERS, *(column for column, _ in CODED)])
@pytest.mark.parametrize("nothing", ["", "0", "00"])
def test_blank_and_zero_state_nothing(observe, column, nothing):
    """OSHA writes 0 for not coded: read as a number it would be a code, an age or an inspection that does not exist."""
    if len(nothing) > 1 and column in ("degree_of_inj", "task_assigned"):
        return
    facts, whole = observe(HEADER, with_field(column, nothing)), observe(HEADER, ROW)
    assert len(facts) in (len(whole) - 1, len(whole) - 2)
    assert facts.items() < whole.items()


def test_feet_of_zero_are_a_statement(observe):
    """A fall of no feet is what the row says; only a blank says nothing."""
    assert observe(HEADER, with_field("fall_ht", "0"))["fall_ht_feet"] == 0
    assert "fall_ht_feet" not in observe(HEADER, with_field("fall_ht", ""))


BAD_FIELDS = [
    ("row-value-missing", "summary_nr", ""),
    ("row-value-missing", "summary_nr", "0"),
    ("row-value-missing", "injury_line_nr", ""),
    ("row-number", "summary_nr", "-5"),
    ("row-number", "summary_nr", "+5"),
    ("row-number", "summary_nr", "1e3"),
    ("row-number", "summary_nr", "0x1f"),
    ("row-number", "summary_nr", " 5"),
    ("row-number", "age", "٤١"[:1]),
    ("row-number", "age", "4."),
    ("row-number", "nature_of_inj", "NA"),
    ("row-field-too-long", "summary_nr", "2211589420"),
    ("row-field-too-long", "summary_nr", "9" * 60_000),
    ("row-field-too-long", "age", "100"),
    ("row-field-too-long", "nature_of_inj", "012"),
    ("row-field-too-long", "sex", "Male"),
    ("row-field-too-long", "hazsub", "S2277"),
    ("row-code-unknown", "degree_of_inj", "4"),
    ("row-code-unknown", "nature_of_inj", "23"),
    ("row-code-unknown", "part_of_body", "32"),
    ("row-code-unknown", "event_type", "15"),
    ("row-code-unknown", "task_assigned", "3"),
    ("row-code-unknown", "sex", "f"),
    ("row-code-unknown", "hazsub", "s227"),
    ("row-code-unknown", "hazsub", "A-1"),
    ("row-date", "load_dt", "2020-02-30 00:18:59 EDT"),
    ("row-date", "load_dt", "2019-02-29"),
    ("row-date", "load_dt", "1900-02-29"),
    ("row-date", "load_dt", "2020-13-01"),
    ("row-date", "load_dt", "2020-00-10"),
    ("row-date", "load_dt", "2020-09-25 24:00:00 EDT"),
    ("row-date", "load_dt", "2020-09-25 00:60:00 EDT"),
    ("row-date", "load_dt", "2020-09-25 00:18:59 edt"),
    ("row-date", "load_dt", "2020-09-25 00:18:59 "),
    ("row-date", "load_dt", "09/25/2020"),
    ("row-quote", "sex", '"F" '),
    ("row-quote", "sex", 'F"'),
    ("row-quote", "sex", '"F'),
    ("row-control", "sex", "\0"),
    ("row-control", "sex", '"\x1b"'),
    ("row-control", "sex", "\x7f"),
    ("row-control", "sex", "F\n"),
    ("row-control", "sex", "\r"),
    ("row-field-count", "sex", "F,F"),
]


@pytest.mark.parametrize(("code", "column", "text"), BAD_FIELDS)
def test_a_bad_field_is_refused_with_a_code_and_not_guessed(observe, code, column, text):
    """A number made up from garbage would be decided by law and sealed."""
    refused = observe(HEADER, with_field(column, text))
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert code in MANIFEST["functions"]["observe"]["errors"]
    assert code in ("row-quote", "row-control", "row-field-count") or column in refused.message
    assert len(refused.message) < 200
    assert refused.message.isascii()
    assert refused.message.isprintable()


@pytest.mark.parametrize("text", ["2020-02-29", "2000-02-29", "2020-09-25 23:59:59", "2020-12-31 00:00:00 ACWST"])
def test_moments_that_exist_are_read(observe, text):
    """The neighbours of the refused ones must pass, or the check refuses everything."""
    assert observe(HEADER, with_field("load_dt", text))["loaded"] == text


@pytest.mark.parametrize(
    ("code", "header", "row"),
    [
        ("row-header-missing", "summary_nr,injury_line_nr", "1,1"),
        ("row-header-missing", "", ""),
        ("row-header-missing", "x", "1"),
        ("row-header-duplicate", HEADER + ",AGE", ROW + ",41"),
        ("row-header-too-wide", HEADER + ",x" * 60, ROW + "," * 60),
        ("row-field-count", HEADER, ROW + ","),
        ("row-field-count", HEADER, ROW.rsplit(",", 1)[0]),
        ("row-field-count", HEADER, ""),
        ("row-field-count", HEADER, "," * 60_000),
        ("row-quote", '"' + HEADER, ROW),
        ("row-quote", HEADER + '"', ROW),
        ("row-control", HEADER + "\n", ROW),
        ("row-control", HEADER + "\0", ROW),
    ],
)
def test_a_header_or_shape_that_is_wrong_is_refused(observe, code, header, row):
    """One column too few or too many shifts every fact behind it."""
    assert observe(header, row).code == code


def test_missing_columns_are_named(observe):
    """Without the names nobody could mend the file."""
    refused = observe("injury_line_nr,nature_of_inj,event_type,age", "1,1,1,1")
    assert refused.message == "the header lacks summary_nr, degree_of_inj, part_of_body"


def test_columns_that_the_law_does_not_read_may_be_missing(observe):
    """Other extracts of the table have fewer columns, and their injuries count as much."""
    header = "summary_nr,injury_line_nr,degree_of_inj,nature_of_inj,part_of_body,event_type"
    facts = observe(header, "7,1,1,2,13,5")
    assert (facts["degree"], facts["nature"]) == ("fatality", "asphyxia")


ESCAPED = [
    ("\\ud83d\\ude00", "row-number"),
    ("😀", "row-number"),
    ("\\/", "row-number"),
    ("\\b", "row-control"),
    ("\\u0000", "row-control"),
    ("\\n", "row-control"),
]
ENVELOPES = [
    b"{}",
    b"[]",
    b"1",
    b'"row"',
    b"null",
    b'{"header":"a"}',
    b'{"header":"a","row":1}',
    b'{"header":"a","row":null}',
    b'{"header":"a","header":"a"}',
    b'{"header":"a","row":"1","more":"x"}',
    b'{"header":["a"],"row":"1"}',
    b'{"rows":"1","header":"a"}',
]


@pytest.mark.parametrize("question", ENVELOPES)
def test_a_question_of_another_shape_is_refused(engine, intake, budget, question):
    """The guest reads JSON itself, and must not read past what it knows."""
    answer = read_answer(engine.run(intake, "observe", question, budget).output)
    assert answer.code == "envelope"


def test_another_function_is_refused(engine, intake, budget):
    """A guest that answered to any name would hide a mistyped one."""
    question = json.dumps({"header": HEADER, "row": ROW}).encode()
    assert read_answer(engine.run(intake, "observer", question, budget).output).code == "function-unknown"
    assert read_answer(engine.run(intake, "observe2", question, budget).output).code == "function-unknown"


def test_every_way_of_writing_the_same_json_is_read_the_same(engine, intake, budget):
    """Escapes are part of JSON: a host that writes them must get the same facts."""
    plain = engine.run(intake, "observe", json.dumps({"header": HEADER, "row": ROW}).encode(), budget).output
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in ROW)
    shuffled = f' {{ "row" :\t"{escaped}" ,\n"header": "{HEADER}" }} '.encode()
    assert engine.run(intake, "observe", shuffled, budget).output == plain
    for text, code in ESCAPED:
        row = with_field("rel_insp_nr", text)
        question = f'{{"header": "{HEADER}", "row": "{row}"}}'.encode()
        assert read_answer(engine.run(intake, "observe", question, budget).output).code == code


def test_a_row_and_header_of_the_largest_size_are_read_within_the_budget(observe, engine, intake, budget):
    """Framing lets 65,536 bytes through; each of them escaped must still fit the guest and its fuel."""
    note = "x" * (65_536 - len(ROW) - 1)
    assert observe(HEADER + ",note", f"{ROW},{note}")["unknown_columns"] == 1
    row = "".join(f"\\u{ord(letter):04x}" for letter in f"{ROW},{note}")
    header = "".join(f"\\u{ord(letter):04x}" for letter in HEADER + "," + "n" * (65_535 - len(HEADER)))
    run = engine.run(intake, "observe", f'{{"header":"{header}","row":"{row}"}}'.encode(), budget)
    assert read_answer(run.output)["unknown_columns"] == 1
    assert run.fuel < budget.fuel * 3 // 4


def test_more_than_the_guest_has_room_for_is_the_modules_failure(engine, intake, budget):
    """The guest must refuse a message that does not fit, and never write past its own room."""
    with pytest.raises(ModuleFailed) as caught:
        engine.run(intake, "observe", b'{"header":"' + b"x" * (1 << 20) + b'","row":""}', budget)
    assert caught.value.code == "module-out-of-memory"


def mutate(dice, text):
    """Damage a text a little, as links, editors and enemies do."""
    marks = ['"', ",", "\n", "\r", "\0", "é", "\ufeff", "😀", "\x1b", "9" * 30, "-", '""', "\\", "x" * 5_000, " "]
    for _ in range(dice.choice((1, 1, 2, 6))):
        place = dice.randrange(len(text) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            text = text[:place] + dice.choice(marks) + text[place:]
        elif kind == 1:
            text = text[:place] + text[place + dice.randrange(1, 9) :]
        elif kind == 2:
            text = text[:place] + text[place : place + 20] * 2 + text[place + 20 :]
        else:
            text = text[:place] + chr(dice.choice((dice.randrange(128), dice.randrange(0xD800)))) + text[place + 1 :]
    return text


def test_mutated_rows_give_facts_that_the_schema_allows_or_a_known_code(observe):
    """Whatever arrives, the host must get one or the other: no trap, no garbage, no fact out of range."""
    dice = random.Random(29)
    validator = jsonschema_rs.validator_for(SCHEMA)
    codes, read = set(), 0
    for _ in range(MUTANTS):
        header = mutate(dice, HEADER) if dice.random() < 0.2 else HEADER
        answer = observe(header, mutate(dice, ROW))
        if isinstance(answer, Refusal):
            codes.add(answer.code)
        else:
            read += 1
            assert validator.is_valid(answer), answer
    assert codes <= set(MANIFEST["functions"]["observe"]["errors"])
    assert len(codes) > 7
    assert read > 20
