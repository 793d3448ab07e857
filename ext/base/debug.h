/* Live-object counters, poison and asserts of debug builds; nothing in release builds.
 *
 * debug.pyx owns the table; its address travels in the environment of the process. */
#ifndef FASTGW_BASE_DEBUG_H
#define FASTGW_BASE_DEBUG_H

#include <stddef.h>

enum { BUFFERS, STREAMS, EXCHANGES, ATTEMPTS, TICKETS, DEADLINES, LIVE_KINDS };

#ifdef FASTGW_DEBUG
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FASTGW_DEBUG_ON 1
static long *fastgw_live_cached;
static inline long *fastgw_live(void) {
    if (!fastgw_live_cached) {
        const char *at = getenv("FASTGW_LIVE_TABLE");
        if (at) fastgw_live_cached = (long *)strtoull(at, NULL, 10);
    }
    return fastgw_live_cached;
}
static inline void debug_born(int kind) { long *t = fastgw_live(); if (t) t[kind]++; }
static inline void debug_died(int kind) { long *t = fastgw_live(); if (t) t[kind]--; }
static inline long debug_live(int kind) { long *t = fastgw_live(); return t ? t[kind] : 0; }
static inline void debug_poison(void *p, size_t n) { memset(p, 0xDB, n); }
#define FASTGW_ASSERT(c) do { if (!(c)) { \
    fprintf(stderr, "fastgw: assertion failed: %s (%s:%d)\n", #c, __FILE__, __LINE__); \
    abort(); } } while (0)
#else
#define FASTGW_DEBUG_ON 0
static inline void debug_born(int kind) { (void)kind; }
static inline void debug_died(int kind) { (void)kind; }
static inline long debug_live(int kind) { (void)kind; return 0; }
static inline void debug_poison(void *p, size_t n) { (void)p; (void)n; }
#define FASTGW_ASSERT(c) ((void)0)
#endif

#endif
