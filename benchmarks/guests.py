"""Equal guests for the benchmarks of modules: one C source, built for a core module, a component and an Extism plugin.

Each counts vowels and answers JSON; ``CALLS`` host calls come before, where it is set. They are built when needed, by
the compiler that comes with the extra ``modules``; the component is the core module in a wrapper that the engine's own
assembler writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bailiwick.engine.compose import filled

SOURCE = r"""
typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64;
#define EXPORT(n) __attribute__((export_name(n)))
#define IMPORT(m, n) __attribute__((import_module(m), import_name(n)))
static u8 heap[3 << 20]; static u32 top;
static u32 take(u32 n) {
    if (top + n + 8 > sizeof heap) top = 0;  /* a kept sandbox starts again from the beginning */
    u32 at = (top + 7) & ~7u; top = at + n; return (u32)(unsigned long)heap + at;
}
static u32 put(u8 *o, u32 n, const char *s) { while (*s) o[n++] = *s++; return n; }
static u32 number(u8 *o, u32 n, u32 v) {
    u8 t[12]; u32 k = 0; do { t[k++] = '0' + v % 10; v /= 10; } while (v); while (k) o[n++] = t[--k]; return n;
}
static u32 vowels(const u8 *s, u32 n) {
    u32 c = 0;
    for (u32 i = 0; i < n; i++) { u8 x = s[i] | 32; c += x == 'a' || x == 'e' || x == 'i' || x == 'o' || x == 'u'; }
    return c;
}
static u32 said(u8 *o, u32 n, u32 count, u32 size) {
    n = put(o, n, "{\"count\":"); n = number(o, n, count); n = put(o, n, ",\"size\":");
    return put(o, number(o, n, size), "}");
}
#ifndef QUESTION
#define QUESTION "{\"interface\":\"bench:host/host@0.1.0\",\"function\":\"same\",\"input\":{}}"
#endif
static const char question[] = QUESTION;
#ifndef CALLS
#define CALLS 0
#endif
#ifdef WORK
static u32 spin(void) {
    volatile u32 h = 2166136261u; for (u32 i = 0; i < WORK; i++) { h ^= i; h *= 16777619u; } return h;
}
#else
static u32 spin(void) { return 0; }
#endif

#ifdef EXTISM
#define HOST "extism:host/env"
IMPORT(HOST, "input_length") u64 input_length(void);
IMPORT(HOST, "input_load_u64") u64 input_load_u64(u64 at);
IMPORT(HOST, "input_load_u8") u32 input_load_u8(u64 at);
IMPORT(HOST, "alloc") u64 alloc_out(u64 n);
IMPORT(HOST, "free") void free_out(u64 at);
IMPORT(HOST, "store_u8") void store_u8(u64 at, u32 v);
IMPORT(HOST, "store_u64") void store_u64(u64 at, u64 v);
IMPORT(HOST, "output_set") void output_set(u64 at, u64 n);
#if CALLS
IMPORT("extism:host/user", "same") u64 same(u64 at);
#endif
static u64 out(const u8 *from, u32 n) {
    u64 at = alloc_out(n); u32 i = 0;
    for (; i + 8 <= n; i += 8) store_u64(at + i, *(const u64 *)(from + i));
    for (; i < n; i++) store_u8(at + i, from[i]);
    return at;
}
EXPORT("count") u32 count(void) {
    u32 n = input_length(), i = 0; u8 *s = (u8 *)(unsigned long)take(n);
    for (; i + 8 <= n; i += 8) *(u64 *)(s + i) = input_load_u64(i);
    for (; i < n; i++) s[i] = input_load_u8(i);
#if CALLS
    for (u32 k = 0; k < CALLS; k++) {
        u64 asked = out((const u8 *)question, sizeof question - 1);
        free_out(same(asked)); free_out(asked);
    }
#endif
    u8 t[80]; u32 k = said(t, 0, vowels(s, n) + (spin() == 1), n); output_set(out(t, k), k); return 0;
}
#elif defined COMPONENT
EXPORT("cabi_realloc") u32 realloc_(u32 a, u32 b, u32 c, u32 n) { (void)a; (void)b; (void)c; return take(n); }
EXPORT("call") u32 call(u32 f, u32 fn, u32 p, u32 n) {
    (void)f; (void)fn; static u32 area[3]; static u8 o[80];
    area[0] = 0; area[1] = (u32)(unsigned long)o;
    area[2] = said(o, 0, vowels((u8 *)(unsigned long)p, n) + (spin() == 1), n);
    return (u32)(unsigned long)area;
}
#else
#if CALLS
IMPORT("bailiwick", "call") u64 host(u32 at, u32 n);
#endif
EXPORT("alloc") u32 alloc(u32 n) { return take(n); }
EXPORT("run") u64 run(u32 p, u32 n) {
    static u8 o[96];
#if CALLS
    for (u32 k = 0; k < CALLS; k++) host((u32)(unsigned long)question, sizeof question - 1);
#endif
    u32 k = put(o, 0, "{\"ok\":");
    k = said(o, k, vowels((u8 *)(unsigned long)p, n) + (spin() == 1), n); k = put(o, k, "}");
    return ((u64)(unsigned long)o << 32) | k;
}
#endif
"""
FLAGS = "cc -target wasm32-freestanding -O2 -fno-builtin -nostdlib -Wl,--no-entry -Wl,-z,stack-size=65536 -s".split()
WRAPPER = """(component (core module $m) (core instance $i (instantiate $m))
  (func (export "call") (param "function" string) (param "input" string) (result (result string (error string)))
    (canon lift (core func $i "call") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc")))))"""
CORE_MODULE_SECTION = 1


def build(folder: Path, form: str = "core", *, calls: int = 0, work: int = 0, question: str = "") -> bytes:
    """Build a guest: ``core``, ``component`` or ``extism``; ``calls`` of the host, ``work`` in rounds."""
    folder.mkdir(parents=True, exist_ok=True)
    source, made = folder / "guest.c", folder / f"{form}-{calls}-{work}.wasm"
    source.write_text(SOURCE)
    defined = [f"-D{form.upper()}"] + ([f"-DCALLS={calls}"] if calls else []) + ([f"-DWORK={work}"] if work else [])
    defined += [f"-DQUESTION={json.dumps(question)}"] if question else []
    command = [sys.executable, "-m", "ziglang", *FLAGS, *defined, "-o", str(made), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    wasm = made.read_bytes()
    return wrapped(wasm) if form == "component" else wasm


def wrapped(core: bytes) -> bytes:
    """Put a core module into a component of the fast world."""
    import wasmtime

    return filled(bytes(wasmtime.wat2wasm(WRAPPER)), CORE_MODULE_SECTION, [core])
