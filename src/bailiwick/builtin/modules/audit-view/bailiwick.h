/* A module's side of core-json/1: memory, a reader of JSON that copies nothing, the answer, and questions to the host.
 *
 * The host checks that what it sends is JSON before it calls, so the reader only has to find its way. It never reads
 * beyond the text. Texts are compared as they are written, escapes and all. */
#ifndef BAILIWICK_H
#define BAILIWICK_H
#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

#define EXPORT(name) __attribute__((export_name(name)))
#define HEAP_BYTES (5u << 20)
#define ANSWER_BYTES (1u << 20)
#define REQUEST_BYTES (1u << 16)

typedef struct {
    const u8 *at; /* 0: not there */
    const u8 *end;
} Json;

u64 answer(Json function, Json input);

static u8 heap[HEAP_BYTES];
static u32 heap_used;
static u8 answer_text[ANSWER_BYTES], request_text[REQUEST_BYTES];
static u32 answer_size, request_size;
static bool is_asking; /* put_... write a question to the host, and not the answer */

EXPORT("alloc") u32 alloc(u32 size) {
    u32 start = (heap_used + 7) & ~7u;
    if (size > HEAP_BYTES || start > HEAP_BYTES - size) __builtin_trap();
    heap_used = start + size;
    return (u32)(uintptr_t)(heap + start);
}

static inline bool is_there(Json value) { return value.at != 0; }
static inline Json nothing(void) { return (Json){0, 0}; }

static inline Json skip_blanks(Json rest) {
    while (rest.at < rest.end && (*rest.at == ' ' || *rest.at == '\t' || *rest.at == '\n' || *rest.at == '\r')) rest.at++;
    return rest;
}

static inline bool starts(Json rest, u8 letter) { return rest.at < rest.end && *rest.at == letter; }
static inline bool is_array(Json value) { return is_there(value) && starts(value, '['); }
static inline bool is_object(Json value) { return is_there(value) && starts(value, '{'); }

static inline const u8 *end_of_text(const u8 *at, const u8 *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : end;
}

/* One value from the start of rest, to its own end. */
static inline Json value_at(Json rest) {
    rest = skip_blanks(rest);
    const u8 *at = rest.at;
    if (at >= rest.end) return nothing();
    if (*at == '"') return (Json){rest.at, end_of_text(at, rest.end)};
    if (*at != '{' && *at != '[') {
        while (at < rest.end && *at != ',' && *at != '}' && *at != ']' && *at != ' ' && *at != '\n' && *at != '\r' && *at != '\t') at++;
        return (Json){rest.at, at};
    }
    for (u32 depth = 0; at < rest.end;) {
        if (*at == '"') {
            at = end_of_text(at, rest.end);
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        at++;
        if (depth == 0) break;
    }
    return (Json){rest.at, at};
}

/* An item remembers where its array ends: values lie within their parent's text, so the parent's end is read on. */
static const u8 *items_end;

static inline Json item_at(Json rest) {
    rest = skip_blanks(rest);
    if (!is_there(rest) || rest.at >= rest.end || *rest.at == ']') return nothing();
    return value_at(rest);
}

static inline Json first_item(Json array) {
    items_end = array.end;
    return item_at((Json){array.at + 1, array.end});
}

static inline Json next_item(Json item) {
    Json rest = skip_blanks((Json){item.end, items_end});
    if (!starts(rest, ',')) return nothing();
    return item_at((Json){rest.at + 1, rest.end});
}

static inline bool is_text(Json value, const char *text) {
    const u8 *at = value.at + 1;
    if (!is_there(value) || !starts(value, '"')) return false;
    for (; *text; text++, at++)
        if (at >= value.end || *at != (u8)*text) return false;
    return at + 1 == value.end;
}

/* Several members in one walk; one that is not there is nothing. */
static inline void pick(Json object, const char *const *names, Json *found, u32 count) {
    for (u32 each = 0; each < count; each++) found[each] = nothing();
    if (!is_object(object)) return;
    Json rest = skip_blanks((Json){object.at + 1, object.end});
    while (starts(rest, '"')) {
        Json key = value_at(rest);
        rest = skip_blanks((Json){key.end, object.end});
        Json value = value_at((Json){rest.at + 1, rest.end});
        for (u32 each = 0; each < count; each++)
            if (!is_there(found[each]) && is_text(key, names[each])) found[each] = value;
        rest = skip_blanks((Json){value.end, object.end});
        if (!starts(rest, ',')) break;
        rest = skip_blanks((Json){rest.at + 1, rest.end});
    }
}

static inline Json member(Json object, const char *name) {
    Json found;
    pick(object, &name, &found, 1);
    return found;
}

/* Whole numbers of 64 bits; a fraction or an exponent is none. */
static inline bool read_integer(Json value, i64 *out) {
    const u8 *at = value.at;
    if (!is_there(value)) return false;
    bool is_negative = starts(value, '-');
    if (is_negative) at++;
    if (at >= value.end) return false;
    i64 number = 0;
    for (; at < value.end; at++) {
        if (*at < '0' || *at > '9') return false;
        i64 digit = *at - '0';
        if (number < (INT64_MIN + digit) / 10) return false; /* counted below zero, where one number more fits */
        number = number * 10 - digit;
    }
    if (!is_negative && number == INT64_MIN) return false;
    *out = is_negative ? number : -number;
    return true;
}

static inline void begin_answer(void) { answer_size = 0; }

static inline void put_letter(u8 letter) {
    if ((is_asking ? request_size : answer_size) >= (is_asking ? REQUEST_BYTES : ANSWER_BYTES)) __builtin_trap();
    if (is_asking) request_text[request_size++] = letter;
    else answer_text[answer_size++] = letter;
}

/* A value as it is written, escapes and all. */
static inline void put_value(Json value) {
    for (const u8 *at = value.at; at < value.end; at++) put_letter(*at);
}

static inline void put_text(const char *text) {
    while (*text) put_letter((u8)*text++);
}

static inline void put_integer(i64 value) {
    u8 digits[20];
    u32 count = 0;
    u64 rest = value < 0 ? 0 - (u64)value : (u64)value;
    do digits[count++] = (u8)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) put_letter('-');
    while (count) put_letter(digits[--count]);
}

static inline u64 give_answer(void) { return ((u64)(uintptr_t)answer_text << 32) | answer_size; }

/* Neither may hold quotes, backslashes or control characters. */
static inline u64 refuse(const char *code, const char *message) {
    begin_answer();
    put_text("{\"error\":{\"code\":\"");
    put_text(code);
    put_text("\",\"message\":\"");
    put_text(message);
    put_text("\"}}");
    return give_answer();
}

/* --- the host: granted interfaces only; a refusal is an answer too --- */

__attribute__((import_module("bailiwick"), import_name("call"))) u64 host_call(const u8 *request, u32 size);

/* Begin a question; then put its input, an object of arguments by name; then ask. */
static inline void begin_request(const char *interface, const char *function) {
    is_asking = true;
    request_size = 0;
    put_text("{\"interface\":\"");
    put_text(interface);
    put_text("\",\"function\":\"");
    put_text(function);
    put_text("\",\"input\":");
}

/* Give what the host answered: an object with ok, or with error. It stays until the call ends. */
static inline Json ask(void) {
    put_letter('}');
    is_asking = false;
    u64 given = host_call(request_text, request_size);
    const u8 *at = (const u8 *)(uintptr_t)(given >> 32);
    return (Json){at, at + (u32)given};
}

EXPORT("run") u64 run(u32 place, u32 size) {
    Json envelope = {(const u8 *)(uintptr_t)place, (const u8 *)(uintptr_t)place + size};
    return answer(member(envelope, "function"), member(envelope, "input"));
}
#endif
