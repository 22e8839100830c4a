/* A page of the ledger for people: entries in order, filtered, and how many there were of each type.
 *
 * It sees what bailiwick:audit/read lets it see, which is what its grant names, and copies values as they are written. */
#include "bailiwick.h"

#define READ "bailiwick:audit/read@0.1.0"
#define PAGE_RECORDS 50 /* at 64 KiB a record, a page fits the heap */
#define PAGES_MAX 200
#define TYPES_MAX 200
#define TYPE_BYTES (TYPES_MAX * 64u)
#define ENTRIES_MAX 1000

typedef struct {
    Json type;
    i64 count;
} Count;

static Count counts[TYPES_MAX];
static u8 types[TYPE_BYTES]; /* pages are forgotten, so the types met on them are copied */
static u32 types_used;
static u32 count_of_types, entry_count;
static i64 uncounted;

static bool is_same(Json one, Json other) {
    if (one.end - one.at != other.end - other.at) return false;
    for (u32 each = 0; one.at + each < one.end; each++)
        if (one.at[each] != other.at[each]) return false;
    return true;
}

/* Whether a text begins with another; both with their quotes. */
static bool begins_with(Json text, Json prefix) {
    const u8 *at = text.at;
    for (const u8 *wanted = prefix.at; wanted < prefix.end - 1; wanted++, at++)
        if (at >= text.end - 1 || *at != *wanted) return false;
    return true;
}

static void tally(Json type) {
    for (u32 each = 0; each < count_of_types; each++)
        if (is_same(counts[each].type, type)) {
            counts[each].count++;
            return;
        }
    u32 size = (u32)(type.end - type.at);
    if (count_of_types == TYPES_MAX || size > TYPE_BYTES - types_used) {
        uncounted++;
        return;
    }
    u8 *copy = types + types_used;
    for (u32 each = 0; each < size; each++) copy[each] = type.at[each];
    types_used += size;
    counts[count_of_types++] = (Count){{copy, copy + size}, 1};
}

enum { INDEX, TIMESTAMP, TYPE, RESOURCE, ACTOR, FIELDS };
static const char *const asked[FIELDS] = {"index", "timestamp", "event-type", "resource", "actor"};
static const char *const given[FIELDS] = {"index", "timestamp", "event_type", "resource", "actor"};

static void put_entry(const Json *fields) {
    put_letter(entry_count++ ? ',' : ' ');
    for (u32 each = 0; each < FIELDS; each++) {
        put_text(each ? ",\"" : "{\"");
        put_text(given[each]);
        put_text("\":");
        put_value(fields[each]);
    }
    put_letter('}');
}

static Json ask_page(i64 start, i64 limit) {
    begin_request(READ, "records");
    put_text("{\"start\":");
    put_integer(start);
    put_text(",\"limit\":");
    put_integer(limit);
    put_letter('}');
    return ask();
}

static bool take(Json record, Json type, Json prefix) {
    Json fields[FIELDS];
    pick(record, asked, fields, FIELDS);
    for (u32 each = 0; each < FIELDS; each++)
        if (!is_there(fields[each])) return false;
    if (is_there(type) && !is_same(fields[TYPE], type)) return true;
    if (is_there(prefix) && !begins_with(fields[RESOURCE], prefix)) return true;
    tally(fields[TYPE]);
    put_entry(fields);
    return true;
}

static u64 pass_on(Json error) {
    begin_answer();
    put_text("{\"error\":");
    put_value(error);
    put_letter('}');
    return give_answer();
}

static void put_counts(void) {
    for (u32 each = 0; each < count_of_types; each++) {
        put_text(each ? ",{\"event_type\":" : "{\"event_type\":");
        put_value(counts[each].type);
        put_text(",\"count\":");
        put_integer(counts[each].count);
        put_letter('}');
    }
}

static u64 view(Json input) {
    i64 start, limit, seen = 0;
    Json type = member(input, "event_type"), prefix = member(input, "resource");
    if (!read_integer(member(input, "start"), &start) || start < 0) return refuse("input", "start is an index");
    if (!read_integer(member(input, "limit"), &limit) || limit < 1 || limit > ENTRIES_MAX)
        return refuse("input", "limit is 1 to 1000");
    bool is_at_end = false;
    u32 before = heap_used;
    begin_answer();
    put_text("{\"ok\":{\"entries\":[");
    for (u32 page = 0; page < PAGES_MAX && !is_at_end && entry_count < (u32)limit; page++) {
        i64 left = limit - entry_count;
        heap_used = before;
        Json answered = ask_page(start, left < PAGE_RECORDS ? left : PAGE_RECORDS);
        Json found = member(answered, "ok");
        if (!is_object(found)) return pass_on(member(answered, "error"));
        static const char *const parts[] = {"at-end", "next", "records"};
        Json page_of[3];
        pick(found, parts, page_of, 3);
        is_at_end = starts(page_of[0], 't');
        if (!read_integer(page_of[1], &start) || !is_array(page_of[2])) return refuse("host", "the page is none");
        for (Json each = first_item(page_of[2]); is_there(each); each = next_item(each), seen++)
            if (!take(each, type, prefix)) return refuse("host", "a record is none");
    }
    put_text("],\"counts\":[");
    put_counts();
    put_text("],\"uncounted\":");
    put_integer(uncounted);
    put_text(",\"looked_at\":");
    put_integer(seen);
    put_text(",\"next\":");
    put_integer(start);
    put_text(is_at_end ? ",\"at_end\":true}}" : ",\"at_end\":false}}");
    return give_answer();
}

u64 answer(Json function, Json input) {
    if (!is_text(function, "view")) return refuse("function-unknown", "the module has only view");
    return view(input);
}
