/* Byte scans of HTTP/1.1 heads: 16 bytes at a time with SSE2, one by one elsewhere.
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

/* Bit i of a mask stands for p[i]. */
static inline unsigned fastgw_ctl_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x09));
    __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
}
static inline unsigned fastgw_colon_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x20)), x);
    __m128i colon = _mm_cmpeq_epi8(x, _mm_set1_epi8(':'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, colon));
}
static inline unsigned fastgw_target_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    /* signed compare: bytes of 0x80 and above are negative, so they stop the scan too */
    __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x21));
    __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
    __m128i hash = _mm_cmpeq_epi8(x, _mm_set1_epi8('#'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(del, hash)));
}
/* Bytes that are no letter, digit, '-' or '_': those of an ordinary name are none. */
static inline unsigned fastgw_unusual_mask(const char *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i low = _mm_or_si128(x, _mm_set1_epi8(0x20));
    __m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
                                   _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
    __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8('0' - 1)),
                                  _mm_cmplt_epi8(x, _mm_set1_epi8('9' + 1)));
    __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('-')),
                                _mm_cmpeq_epi8(x, _mm_set1_epi8('_')));
    __m128i usual = _mm_or_si128(_mm_or_si128(letter, digit), mark);
    return (unsigned)_mm_movemask_epi8(usual) ^ 0xffffu;
}
static inline unsigned fastgw_byte_mask(const char *p, char c) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c)));
}
#endif

/* What a byte may be part of. */
enum {
    FASTGW_TOKEN = 1,       /* tchar, RFC 9110 section 5.6.2 */
    FASTGW_HOST = 2,        /* a label of a host name */
    FASTGW_UPPER = 4,       /* A-Z */
    FASTGW_HEX = 8,         /* HEXDIG, either case */
    FASTGW_UNRESERVED = 16  /* RFC 3986 section 2.3 */
};

#define FASTGW_WORD (FASTGW_TOKEN | FASTGW_HOST | FASTGW_UNRESERVED)
static const uint8_t fastgw_classes[256] = {
    ['0' ... '9'] = FASTGW_WORD | FASTGW_HEX,
    ['A' ... 'F'] = FASTGW_WORD | FASTGW_HEX | FASTGW_UPPER,
    ['G' ... 'Z'] = FASTGW_WORD | FASTGW_UPPER,
    ['a' ... 'f'] = FASTGW_WORD | FASTGW_HEX,
    ['g' ... 'z'] = FASTGW_WORD,
    ['-'] = FASTGW_WORD, ['_'] = FASTGW_WORD, ['~'] = FASTGW_WORD,
    ['.'] = FASTGW_TOKEN | FASTGW_UNRESERVED,
    ['!'] = FASTGW_TOKEN, ['#'] = FASTGW_TOKEN, ['$'] = FASTGW_TOKEN, ['%'] = FASTGW_TOKEN,
    ['&'] = FASTGW_TOKEN, ['\''] = FASTGW_TOKEN, ['*'] = FASTGW_TOKEN, ['+'] = FASTGW_TOKEN,
    ['^'] = FASTGW_TOKEN, ['`'] = FASTGW_TOKEN, ['|'] = FASTGW_TOKEN,
};
#undef FASTGW_WORD

/* Every class of a byte. */
static inline int fastgw_classes_of(char c) {
    return fastgw_classes[(unsigned char)c];
}

/* Whether a byte is of a class. */
static inline int fastgw_is(char c, int class) {
    return fastgw_classes_of(c) & class;
}

/* Whether [p, p+n) is a token: one byte or more, each a tchar. */
static inline int fastgw_is_token(const char *p, size_t n) {
    int all = FASTGW_TOKEN;
    for (size_t i = 0; i < n; i++) all &= fastgw_classes[(unsigned char)p[i]];
    return n != 0 && all;
}

/* The same where bytes up to `end` may be read, which is p + n or further on. */
static inline int fastgw_is_token_before(const char *p, size_t n, const char *end) {
#ifdef FASTGW_SCAN_STEP
    if (n != 0 && n <= FASTGW_SCAN_STEP && end - p >= FASTGW_SCAN_STEP
        && !(fastgw_unusual_mask(p) & ((1u << n) - 1))) return 1;
#endif
    (void)end;
    return fastgw_is_token(p, n);
}

/* Value of a hexadecimal digit; -1 for any other byte. */
static inline int fastgw_hex(char c) {
    if (!fastgw_is(c, FASTGW_HEX)) return -1;
    return (c & 15) + (c >> 6) * 9;
}

#ifdef FASTGW_SCAN_STEP
static inline unsigned fastgw_differ_mask(const char *p, const char *low) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    __m128i y = _mm_loadu_si128((const __m128i *)low);
    x = _mm_cmpeq_epi8(_mm_or_si128(x, _mm_set1_epi8(0x20)), y);
    return (unsigned)_mm_movemask_epi8(x) ^ 0xffffu;
}
/* As fastgw_name_eq for n of 1 to 32; 16 bytes at `p` and n + 16 at `low` may be read. */
static inline int fastgw_name_eq_16(const char *p, const char *low, size_t n) {
    if (n <= 16) return !(fastgw_differ_mask(p, low) & ((1u << n) - 1));
    return !(fastgw_differ_mask(p, low) | fastgw_differ_mask(p + n - 16, low + n - 16));
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

/* As fastgw_scan_target, but stops at '?' too. `odd` is set when there is a byte before that
 * which the path rule has to look at: '%', '\\', or a '.' after a '/'. p[0] must be a '/'. */
static inline const char *fastgw_scan_path(const char *p, const char *end, int *odd) {
    unsigned slash = 0;
    *odd = 0;
#ifdef FASTGW_SCAN_STEP
    while (end - p >= FASTGW_SCAN_STEP) {
        unsigned stop = fastgw_target_mask(p) | fastgw_byte_mask(p, '?');
        unsigned slashes = fastgw_byte_mask(p, '/');
        unsigned hit = fastgw_byte_mask(p, '%') | fastgw_byte_mask(p, '\\')
            | ((slashes << 1 | slash) & fastgw_byte_mask(p, '.'));
        if (stop) {
            unsigned i = (unsigned)__builtin_ctz(stop);
            *odd |= (hit & ((1u << i) - 1)) != 0;
            return p + i;
        }
        *odd |= hit != 0;
        slash = slashes >> 15;
        p += FASTGW_SCAN_STEP;
    }
#endif
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '?') break;
        if (c == '%' || c == '\\' || (c == '.' && slash)) *odd = 1;
        slash = c == '/';
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
