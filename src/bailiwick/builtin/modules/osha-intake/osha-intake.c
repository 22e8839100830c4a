/* osha-intake: reads one row of OSHA's accident_injury table and says what it states, in integers and words.
 *
 * A core WebAssembly guest without imports and without a C library. Exports: memory, alloc(size) -> place (0 where it
 * has no room), run(place, size) -> place << 32 | size. In: {"function":"observe","input":{"header":..,"row":..}}.
 * Out: {"ok":{facts}} or {"error":{"code":..,"message":..}}. Everything is bounded; text is decoded in place.
 *
 * Source of columns, lengths and codes: OSHA enforcement data dictionary and table accident_lookup2, September 2020.
 */
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define EXPORT(name) __attribute__((export_name(name), used))
#define INPUT_BYTES_MAX (1u << 20)  /* a header and a row of 64 KiB each, every byte escaped as \u00xx, fit */
#define OUTPUT_BYTES_MAX (1u << 14)
#define COLUMNS_MAX 64u
#define EXCERPT_BYTES_MAX 40u

typedef struct { u8 *at; u32 size; } Text;

static u8 input[INPUT_BYTES_MAX];
static u8 output[OUTPUT_BYTES_MAX];
static u32 written;

/* --- writing the answer --------------------------------------------------------------------------------------- */

static void put_byte(u8 byte) {
    if (written >= OUTPUT_BYTES_MAX) __builtin_trap(); /* only a mistake in this file can get here */
    output[written++] = byte;
}

static void put(const char *text) {
    while (*text) put_byte((u8)*text++);
}

static void put_number(u32 number) {
    u8 digits[10];
    u32 count = 0;
    do { digits[count++] = (u8)('0' + number % 10); number /= 10; } while (number);
    while (count) put_byte(digits[--count]);
}

/* Text from outside inside a JSON string: printable ASCII as it is, anything else as ?, so nothing needs an escape. */
static void put_excerpt(Text text) {
    u32 shown = text.size < EXCERPT_BYTES_MAX ? text.size : EXCERPT_BYTES_MAX;
    for (u32 i = 0; i < shown; i++) {
        u8 byte = text.at[i];
        put_byte(byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\' ? '?' : byte);
    }
    if (shown < text.size) put("...");
}

static void begin_error(const char *code) {
    written = 0;
    put("{\"error\":{\"code\":\"");
    put(code);
    put("\",\"message\":\"");
}

static int end_error(void) {
    put("\"}}");
    return 0;
}

static int fail(const char *code, const char *message) {
    begin_error(code);
    put(message);
    return end_error();
}

/* --- reading the envelope: strict JSON, two levels, strings only ---------------------------------------------- */

typedef struct { u8 *at; u8 *end; } Cursor;

static void skip_space(Cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

static int take(Cursor *c, u8 byte) {
    skip_space(c);
    if (c->at >= c->end || *c->at != byte) return 0;
    c->at++;
    return 1;
}

static int take_hex(Cursor *c, u32 *unit) {
    u32 value = 0;
    if (c->end - c->at < 4) return 0;
    for (u32 i = 0; i < 4; i++) {
        u8 byte = *c->at++;
        if (byte >= '0' && byte <= '9') value = value << 4 | (u32)(byte - '0');
        else if (byte >= 'a' && byte <= 'f') value = value << 4 | (u32)(byte - 'a' + 10);
        else if (byte >= 'A' && byte <= 'F') value = value << 4 | (u32)(byte - 'A' + 10);
        else return 0;
    }
    *unit = value;
    return 1;
}

static u8 *put_utf8(u8 *to, u32 point) {
    if (point < 0x80) { *to++ = (u8)point; return to; }
    if (point < 0x800) { *to++ = (u8)(0xc0 | point >> 6); *to++ = (u8)(0x80 | (point & 63)); return to; }
    if (point < 0x10000) {
        *to++ = (u8)(0xe0 | point >> 12);
    } else {
        *to++ = (u8)(0xf0 | point >> 18);
        *to++ = (u8)(0x80 | (point >> 12 & 63));
    }
    *to++ = (u8)(0x80 | (point >> 6 & 63));
    *to++ = (u8)(0x80 | (point & 63));
    return to;
}

/* The character after a backslash. Its UTF-8 form is never longer than its escape, so decoding in place is safe. */
static u8 *take_escape(Cursor *c, u8 *to) {
    static const char names[] = "\"\\/bfnrt";
    static const u8 bytes[] = {'"', '\\', '/', 8, 12, 10, 13, 9};
    u32 unit, low;
    if (c->at >= c->end) return 0;
    u8 kind = *c->at++;
    for (u32 i = 0; i < sizeof bytes; i++) {
        if (kind == (u8)names[i]) { *to++ = bytes[i]; return to; }
    }
    if (kind != 'u' || !take_hex(c, &unit)) return 0;
    if (unit < 0xd800 || unit > 0xdfff) return put_utf8(to, unit);
    if (unit > 0xdbff || c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u') return 0;
    c->at += 2;
    if (!take_hex(c, &low) || low < 0xdc00 || low > 0xdfff) return 0;
    return put_utf8(to, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
}

static int take_string(Cursor *c, Text *text) {
    if (!take(c, '"')) return 0;
    u8 *to = c->at;
    text->at = to;
    while (c->at < c->end) {
        u8 byte = *c->at++;
        if (byte == '"') { text->size = (u32)(to - text->at); return 1; }
        if (byte < 0x20) return 0;
        if (byte != '\\') { *to++ = byte; continue; }
        to = take_escape(c, to);
        if (!to) return 0;
    }
    return 0;
}

static int equals(Text text, const char *word) {
    u32 i = 0;
    for (; i < text.size && word[i]; i++) {
        u8 byte = text.at[i];
        if (byte >= 'A' && byte <= 'Z') byte += 32; /* header names are compared without case */
        if (byte != (u8)word[i]) return 0;
    }
    return i == text.size && !word[i];
}

typedef struct { Text header; Text row; } Rows;

static int take_rows(Cursor *c, Rows *rows) {
    u32 seen = 0;
    if (!take(c, '{')) return 0;
    for (u32 member = 0; member < 2; member++) {
        Text key;
        if (member && !take(c, ',')) return 0;
        if (!take_string(c, &key) || !take(c, ':')) return 0;
        if (equals(key, "header") && !(seen & 1)) { seen |= 1; if (!take_string(c, &rows->header)) return 0; }
        else if (equals(key, "row") && !(seen & 2)) { seen |= 2; if (!take_string(c, &rows->row)) return 0; }
        else return 0;
    }
    return take(c, '}');
}

static int take_envelope(Cursor *c, Text *function, Rows *rows) {
    u32 seen = 0;
    if (!take(c, '{')) return 0;
    for (u32 member = 0; member < 2; member++) {
        Text key;
        if (member && !take(c, ',')) return 0;
        if (!take_string(c, &key) || !take(c, ':')) return 0;
        if (equals(key, "function") && !(seen & 1)) { seen |= 1; if (!take_string(c, function)) return 0; }
        else if (equals(key, "input") && !(seen & 2)) { seen |= 2; if (!take_rows(c, rows)) return 0; }
        else return 0;
    }
    if (!take(c, '}')) return 0;
    skip_space(c);
    return c->at == c->end;
}

/* --- reading one record of CSV (RFC 4180) --------------------------------------------------------------------- */

static int is_control(u8 byte, int quoted) {
    if (byte == '\t' || byte == '\n' || byte == '\r') return !quoted;
    return byte < 0x20 || byte == 0x7f;
}

static int fail_control(u8 byte) {
    begin_error("row-control");
    put("a control character (");
    put_number(byte);
    put(") stands in the text");
    return end_error();
}

/* Split a record into fields, unquoting in place. Fields beyond COLUMNS_MAX are counted and not kept. */
static int split(Text text, Text *fields, u32 *count) {
    u8 *at = text.at, *end = text.at + text.size;
    *count = 0;
    for (;;) {
        Text field = {at, 0};
        if (at < end && *at == '"') {
            u8 *to = field.at = ++at;
            for (;;) {
                if (at >= end) return fail("row-quote", "a quote is opened and never closed");
                if (*at == '"') {
                    if (at + 1 < end && at[1] == '"') at++;
                    else break;
                }
                if (is_control(*at, 1)) return fail_control(*at);
                *to++ = *at++;
            }
            field.size = (u32)(to - field.at);
            at++;
            if (at < end && *at != ',') return fail("row-quote", "text follows a closing quote");
        } else {
            for (; at < end && *at != ','; at++) {
                if (*at == '"') return fail("row-quote", "a quote stands inside a field that does not start with one");
                if (is_control(*at, 0)) return fail_control(*at);
            }
            field.size = (u32)(at - field.at);
        }
        if (*count < COLUMNS_MAX) fields[*count] = field;
        ++*count;
        if (at >= end) return 1;
        at++;
    }
}

/* --- the columns ---------------------------------------------------------------------------------------------- */

static const char *const DEGREES[] = {"fatality", "hospitalized", "not-hospitalized"};
static const char *const TASKS[] = {"regular", "not-regular"};
static const char *const NATURES[] = {
    "amputation", "asphyxia", "bruise-contusion-abrasion", "burn-chemical", "burn-heat", "concussion",
    "cut-laceration", "dermatitis", "dislocation", "electric-shock", "foreign-body-in-eye", "fracture",
    "freezing-frostbite", "hearing-loss", "heat-exhaustion", "hernia", "poisoning-systemic", "puncture",
    "radiation-effects", "strain-sprain", "other", "cancer",
};
static const char *const PARTS[] = {
    "abdomen", "arms-multiple", "back", "body-system", "chest", "ear", "elbow", "eye", "face", "finger",
    "foot-ankle", "hand", "head", "hip", "knee", "legs", "lower-arm", "lower-leg", "multiple", "neck", "shoulder",
    "upper-arm", "upper-leg", "wrist", "blood", "kidney", "liver", "lung", "nervous-system", "reproductive-system",
    "other-body-system",
};
static const char *const EVENTS[] = {
    "struck-by", "caught-in-or-between", "bite-sting-scratch", "fall-same-level", "fall-from-elevation",
    "struck-against", "rubbed-or-abraded", "inhalation", "ingestion", "absorption", "repeated-motion-or-pressure",
    "cardiovascular-or-respiratory-failure", "shock", "other",
};

enum Kind {
    IDENTITY,  /* a number from 1; the row is refused without it */
    LINE,      /* a number from 0; the row is refused without it */
    CODE,      /* a number kept as it is; 0 and blank state nothing */
    LENGTH,    /* a number of feet; only blank states nothing */
    WORD,      /* a code of a closed table, given as its word */
    CODE_WORD, /* the same, with the code beside it */
    SEX,
    SUBSTANCE,
    LOADED,
};

typedef struct {
    const char *name;  /* in OSHA's header, lower case */
    const char *fact;
    const char *table; /* of accident_lookup2 */
    const char *const *words;
    u8 kind, words_count, size_max, is_required;
} Column;

#define COUNT(list) (u8)(sizeof list / sizeof *list)

/* In the order of the answer. Required are the columns that name an injury and that the law decides by. The dictionary
 * gives occ_code three digits; OSHA's own table OCC has the code 9991, so four are read. */
static const Column COLUMNS[] = {
    {"summary_nr", "summary_nr", 0, 0, IDENTITY, 0, 9, 1},
    {"injury_line_nr", "injury_line_nr", 0, 0, LINE, 0, 3, 1},
    {"rel_insp_nr", "rel_insp_nr", 0, 0, CODE, 0, 9, 0},
    {"degree_of_inj", "degree", "DEGR", DEGREES, WORD, COUNT(DEGREES), 1, 1},
    {"nature_of_inj", "nature", "IN", NATURES, CODE_WORD, COUNT(NATURES), 2, 1},
    {"part_of_body", "part_of_body", "BD", PARTS, CODE_WORD, COUNT(PARTS), 2, 1},
    {"event_type", "event_type", "FT", EVENTS, CODE_WORD, COUNT(EVENTS), 2, 1},
    {"age", "age", 0, 0, CODE, 0, 2, 0},
    {"sex", "sex", 0, 0, SEX, 0, 1, 0},
    {"task_assigned", "task_assigned", "TASK", TASKS, WORD, COUNT(TASKS), 1, 0},
    {"src_of_injury", "src_of_injury", 0, 0, CODE, 0, 2, 0},
    {"evn_factor", "evn_factor", 0, 0, CODE, 0, 2, 0},
    {"hum_factor", "hum_factor", 0, 0, CODE, 0, 2, 0},
    {"occ_code", "occ_code", 0, 0, CODE, 0, 4, 0},
    {"hazsub", "hazsub", 0, 0, SUBSTANCE, 0, 4, 0},
    {"const_op", "const_op", 0, 0, CODE, 0, 2, 0},
    {"const_op_cause", "const_op_cause", 0, 0, CODE, 0, 2, 0},
    {"fat_cause", "fat_cause", 0, 0, CODE, 0, 2, 0},
    {"fall_distance", "fall_distance_feet", 0, 0, LENGTH, 0, 4, 0},
    {"fall_ht", "fall_ht_feet", 0, 0, LENGTH, 0, 4, 0},
    {"load_dt", "loaded", 0, 0, LOADED, 0, 25, 0},
};
#define COLUMNS_KNOWN COUNT(COLUMNS)
#define NOWHERE 255u

/* Find where each known column stands. Order is free; other columns are allowed and counted. */
static int locate(const Text *names, u32 count, u8 *places, u32 *unknown) {
    for (u32 k = 0; k < COLUMNS_KNOWN; k++) places[k] = NOWHERE;
    *unknown = 0;
    for (u32 i = 0; i < count; i++) {
        u32 k = 0;
        while (k < COLUMNS_KNOWN && !equals(names[i], COLUMNS[k].name)) k++;
        if (k == COLUMNS_KNOWN) { ++*unknown; continue; }
        if (places[k] != NOWHERE) {
            begin_error("row-header-duplicate");
            put("the header names the column ");
            put(COLUMNS[k].name);
            put(" twice");
            return end_error();
        }
        places[k] = (u8)i;
    }
    u32 missing = 0;
    for (u32 k = 0; k < COLUMNS_KNOWN; k++) {
        if (!COLUMNS[k].is_required || places[k] != NOWHERE) continue;
        if (!missing++) {
            begin_error("row-header-missing");
            put("the header lacks ");
        } else {
            put(", ");
        }
        put(COLUMNS[k].name);
    }
    return missing ? end_error() : 1;
}

/* --- the facts ------------------------------------------------------------------------------------------------ */

static int fail_field(const char *code, const Column *column, Text field, const char *why) {
    begin_error(code);
    put(column->name);
    put(" is '");
    put_excerpt(field);
    put("', ");
    put(why);
    return end_error();
}

static int fail_unlisted(const Column *column, Text field) {
    begin_error("row-code-unknown");
    put(column->name);
    put(" is '");
    put_excerpt(field);
    put("', which table ");
    put(column->table);
    put(" does not list");
    return end_error();
}

static void put_fact(const char *name, const char *suffix) {
    if (output[written - 1] != '{') put_byte(',');
    put_byte('"');
    put(name);
    put(suffix);
    put("\":");
}

static void put_text(const char *text) {
    put_byte('"');
    put(text);
    put_byte('"');
}

/* At most nine digits get here (size_max), so the number fits 32 bits. */
static int read_number(const Column *column, Text field, u32 *number) {
    *number = 0;
    for (u32 i = 0; i < field.size; i++) {
        if (field.at[i] < '0' || field.at[i] > '9') {
            return fail_field("row-number", column, field, "which is not a whole number of digits only");
        }
        *number = *number * 10 + (u32)(field.at[i] - '0');
    }
    return 1;
}

static int put_coded(const Column *column, Text field) {
    u32 number;
    if (!read_number(column, field, &number)) return 0;
    if (!number && column->kind == IDENTITY) {
        return fail_field("row-value-missing", column, field, "and a row is not read without it");
    }
    if (!number && column->kind != LINE && column->kind != LENGTH) return 1;
    if (!column->words) {
        put_fact(column->fact, "");
        put_number(number);
        return 1;
    }
    if (number > column->words_count) return fail_unlisted(column, field);
    put_fact(column->fact, "");
    put_text(column->words[number - 1]);
    if (column->kind == CODE_WORD) {
        put_fact(column->fact, "_code");
        put_number(number);
    }
    return 1;
}

static int put_sex(const Column *column, Text field) {
    if (field.at[0] != 'M' && field.at[0] != 'F') {
        return fail_field("row-code-unknown", column, field, "which is neither M nor F");
    }
    put_fact(column->fact, "");
    put_text(field.at[0] == 'M' ? "male" : "female");
    return 1;
}

static int put_substance(const Column *column, Text field) {
    for (u32 i = 0; i < field.size; i++) {
        u8 byte = field.at[i];
        if (!((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z'))) {
            return fail_field("row-code-unknown", column, field, "which is not digits and capital letters only");
        }
    }
    put_fact(column->fact, "");
    put_byte('"');
    for (u32 i = 0; i < field.size; i++) put_byte(field.at[i]);
    put_byte('"');
    return 1;
}

/* Match text against a shape: 0 stands for a digit, A for a capital letter, the rest for itself. */
static int has_shape(Text text, u32 start, const char *shape) {
    for (; *shape; shape++, start++) {
        if (start >= text.size) return 0;
        u8 byte = text.at[start];
        if (*shape == '0' ? byte < '0' || byte > '9' : *shape == 'A' ? byte < 'A' || byte > 'Z' : byte != (u8)*shape) {
            return 0;
        }
    }
    return 1;
}

static u32 two_digits(Text text, u32 start) {
    return (u32)(text.at[start] - '0') * 10 + (u32)(text.at[start + 1] - '0');
}

static int is_date(Text text) {
    static const u8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!has_shape(text, 0, "0000-00-00")) return 0;
    u32 year = two_digits(text, 0) * 100 + two_digits(text, 2), month = two_digits(text, 5), day = two_digits(text, 8);
    if (month < 1 || month > 12 || day < 1) return 0;
    u32 is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 ? is_leap : 0);
}

static int is_loaded(Text text) {
    if (!is_date(text)) return 0;
    if (text.size == 10) return 1;
    if (!has_shape(text, 10, " 00:00:00")) return 0;
    if (two_digits(text, 11) > 23 || two_digits(text, 14) > 59 || two_digits(text, 17) > 59) return 0;
    if (text.size == 19) return 1;
    const char *zone = text.size == 23 ? " AAA" : text.size == 24 ? " AAAA" : " AAAAA";
    return text.size >= 23 && has_shape(text, 19, zone);
}

static int put_loaded(const Column *column, Text field) {
    if (!is_loaded(field)) {
        return fail_field("row-date", column, field, "which is not a moment such as 2020-09-25 00:18:59 EDT");
    }
    put_fact(column->fact, "");
    put_byte('"');
    for (u32 i = 0; i < field.size; i++) put_byte(field.at[i]);
    put_byte('"');
    return 1;
}

static int put_field(const Column *column, Text field) {
    if (field.size > column->size_max) {
        return fail_field("row-field-too-long", column, field, "which is longer than the data dictionary allows");
    }
    if (!field.size) {
        if (column->kind != IDENTITY && column->kind != LINE) return 1;
        return fail_field("row-value-missing", column, field, "and a row is not read without it");
    }
    if (column->kind == SEX) return put_sex(column, field);
    if (column->kind == SUBSTANCE) return put_substance(column, field);
    if (column->kind == LOADED) return put_loaded(column, field);
    return put_coded(column, field);
}

static int fail_count(u32 fields, u32 columns) {
    begin_error("row-field-count");
    put("the row has ");
    put_number(fields);
    put(" fields and the header ");
    put_number(columns);
    return end_error();
}

static int observe(Rows rows) {
    static Text names[COLUMNS_MAX], fields[COLUMNS_MAX];
    static u8 places[COLUMNS_KNOWN];
    u32 columns, count, unknown;
    if (!split(rows.header, names, &columns)) return 0;
    if (columns > COLUMNS_MAX) return fail("row-header-too-wide", "the header has more than 64 columns");
    if (!locate(names, columns, places, &unknown)) return 0;
    if (!split(rows.row, fields, &count)) return 0;
    if (count != columns) return fail_count(count, columns);
    written = 0;
    put("{\"ok\":{");
    for (u32 k = 0; k < COLUMNS_KNOWN; k++) {
        if (places[k] != NOWHERE && !put_field(&COLUMNS[k], fields[places[k]])) return 0;
    }
    if (unknown) {
        put_fact("unknown_columns", "");
        put_number(unknown);
    }
    put("}}");
    return 1;
}

/* --- the exports ---------------------------------------------------------------------------------------------- */

EXPORT("alloc") u32 alloc(u32 size) {
    return size <= INPUT_BYTES_MAX ? (u32)(uintptr_t)input : 0;
}

EXPORT("run") u64 run(u32 place, u32 size) {
    Text function = {0, 0};
    Rows rows = {{0, 0}, {0, 0}};
    written = 0;
    if (place != (u32)(uintptr_t)input || size > INPUT_BYTES_MAX) __builtin_trap(); /* not what alloc gave */
    Cursor cursor = {input, input + size};
    if (!take_envelope(&cursor, &function, &rows)) fail("envelope", "the call is not {function, input: {header, row}}");
    else if (!equals(function, "observe")) fail("function-unknown", "osha-intake has one function, observe");
    else observe(rows);
    return (u64)(uintptr_t)output << 32 | written;
}
