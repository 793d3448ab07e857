/* Byte scans of HTTP/1.1 heads: 16 bytes at a time with SSE2 or NEON, one by one elsewhere.
 *
 * Every function takes [p, end) and never reads outside of it. */
#ifndef FASTGW_HTTP_SCAN_H
#define FASTGW_HTTP_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define FASTGW_SCAN_STEP 16
static inline unsigned fastgw_ctl_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i text = _mm_cmpeq_epi8(_mm_max_epu8(x, _mm_set1_epi8(0x20)), x);
    __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
    __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x09));
    __m128i fine = _mm_or_si128(_mm_andnot_si128(del, text), tab);
    return (unsigned)_mm_movemask_epi8(fine) ^ 0xffffu;
}
static inline unsigned fastgw_colon_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i text = _mm_cmpeq_epi8(_mm_max_epu8(x, _mm_set1_epi8(0x21)), x);
    __m128i colon = _mm_cmpeq_epi8(x, _mm_set1_epi8(':'));
    return ((unsigned)_mm_movemask_epi8(text) ^ 0xffffu) | (unsigned)_mm_movemask_epi8(colon);
}
static inline unsigned fastgw_target_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    /* signed compare: bytes of 0x80 and above are negative, so they stop the scan too */
    __m128i text = _mm_cmpgt_epi8(x, _mm_set1_epi8(0x20));
    __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
    __m128i hash = _mm_cmpeq_epi8(x, _mm_set1_epi8('#'));
    __m128i bad = _mm_or_si128(del, hash);
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(bad, text)) ^ 0xffffu;
}
#endif

/* First byte that is a control (but not HTAB) or DEL. */
static inline const char *fastgw_scan_ctl(const char *p, const char *end) {
#ifdef FASTGW_SCAN_STEP
    while (end - p >= FASTGW_SCAN_STEP) {
        unsigned m = fastgw_ctl_mask(p);
        if (m) return p + __builtin_ctz(m);
        p += FASTGW_SCAN_STEP;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && c != 0x09) || c == 0x7f) break;
    }
    return p;
}

/* First ':' or byte up to and including SP. */
static inline const char *fastgw_scan_colon(const char *p, const char *end) {
#ifdef FASTGW_SCAN_STEP
    while (end - p >= FASTGW_SCAN_STEP) {
        unsigned m = fastgw_colon_mask(p);
        if (m) return p + __builtin_ctz(m);
        p += FASTGW_SCAN_STEP;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= 0x20 || c == ':') break;
    }
    return p;
}

/* First byte that no request target holds: controls, SP, '#', DEL, 0x80 and above. */
static inline const char *fastgw_scan_target(const char *p, const char *end) {
#ifdef FASTGW_SCAN_STEP
    while (end - p >= FASTGW_SCAN_STEP) {
        unsigned m = fastgw_target_mask(p);
        if (m) return p + __builtin_ctz(m);
        p += FASTGW_SCAN_STEP;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= 0x20 || c >= 0x7f || c == '#') break;
    }
    return p;
}

/* Whether [p, p+n) is `low` but for ASCII case. `low` is lower case and holds only letters,
 * digits and '-'; for other bytes that | 0x20 maps onto these, tokens are checked first. */
static inline int fastgw_name_eq(const char *p, const char *low, size_t n) {
    const uint64_t fold8 = 0x2020202020202020ull;
    uint64_t a, b;
    if (n >= 8) {
        size_t i;
        for (i = 0; i + 8 < n; i += 8) {
            memcpy(&a, p + i, 8);
            memcpy(&b, low + i, 8);
            if ((a | fold8) != b) return 0;
        }
        memcpy(&a, p + n - 8, 8);
        memcpy(&b, low + n - 8, 8);
        return (a | fold8) == b;
    }
    for (size_t i = 0; i < n; i++)
        if ((p[i] | 0x20) != low[i]) return 0;
    return 1;
}

#endif
