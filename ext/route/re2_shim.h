/* RE2 for Cython: what the gateway needs of it, as C. See regex.pxd. */
#ifndef FASTGW_RE2_SHIM_H
#define FASTGW_RE2_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A part of a text; p == NULL when the group took no part in a match. */
typedef struct {
    const char *p;
    size_t n;
} fgw_part;

/* A pattern, or NULL; then `error` (of `room` bytes) says why. */
void *fgw_re2_new(const char *pattern, size_t n, char *error, size_t room);
void fgw_re2_free(void *re);
int fgw_re2_groups(const void *re);
/* The index of a named group, -1 when there is none. */
int fgw_re2_group(const void *re, const char *name, size_t n);
/* The name of group `i`, NULL when it has none. Lives as long as the pattern. */
const char *fgw_re2_group_name(const void *re, int i);
/* Whether the pattern fits (`whole`: all of) the text; fills `parts`, the whole first. */
int fgw_re2_match(const void *re, const char *p, size_t n, int whole, fgw_part *parts, int count);

/* Patterns that are searched for together, each fitting the whole text. */
void *fgw_set_new(size_t memory);
void fgw_set_free(void *set);
/* 0, or -1 for a pattern that can't be read. */
int fgw_set_add(void *set, const char *pattern, size_t n);
/* 0, or -1 when the patterns together exceed the memory. */
int fgw_set_compile(void *set);

/* A set made in a thread of its own, which is short-lived and runs nothing but RE2: compiling
   many patterns takes longer than a worker may pause. `rows` are texts within `strings`; both
   must stay until the job is taken or dropped. NULL without memory. */
typedef struct {
    unsigned int at;
    unsigned int n;
} fgw_text;
void *fgw_job_begin(const char *strings, const fgw_text *rows, size_t n, size_t memory);
/* 0 while it is under way, 1 when the set is there, FGW_TOO_LARGE, or below it the row that is
   no pattern: FGW_TOO_LARGE - 1 - row. */
#define FGW_TOO_LARGE (-1)
int fgw_job_state(const void *job);
/* The set of a job that is done; the job is no more. */
void *fgw_job_take(void *job);
/* Wait for a job and forget what it made. */
void fgw_job_drop(void *job);
/* How many patterns fit, in ascending order in `*found` (until the thread's next call);
   -1 when the memory was not enough to tell. */
int fgw_set_match(const void *set, const char *p, size_t n, const int **found);

#ifdef __cplusplus
}
#endif
#endif
