/* See re2_shim.h. No exception leaves: what may run out of memory ends in a status. */
#include "re2_shim.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

/* Bytes, not characters: heads and paths are bytes, and stay as long as they are. */
RE2::Options options_with(size_t memory) {
    RE2::Options options;
    options.set_encoding(RE2::Options::EncodingLatin1);
    options.set_log_errors(false);
    options.set_max_mem(static_cast<int64_t>(memory));
    return options;
}

constexpr size_t ONE_PATTERN = 8 << 20;
constexpr int PARTS = 17;

/* A set in the making. `state` is what the thread writes last. */
struct Job {
    std::unique_ptr<RE2::Set> set;
    std::atomic<int> state{0};
    std::thread thread;
};

int fill(RE2::Set &set, const char *strings, const fgw_text *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        re2::StringPiece pattern(strings + rows[i].at, rows[i].n);
        if (set.Add(pattern, nullptr) < 0) return FGW_TOO_LARGE - 1 - static_cast<int>(i);
    }
    return set.Compile() ? 1 : FGW_TOO_LARGE;
}

void work(Job *job, const char *strings, const fgw_text *rows, size_t n) {
    int state = FGW_TOO_LARGE;
    try {
        state = fill(*job->set, strings, rows, n);
    } catch (...) {
    }
    job->state.store(state, std::memory_order_release);
}

/* Signals are for the threads that Python knows. */
void start(Job *job, const char *strings, const fgw_text *rows, size_t n) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        job->thread = std::thread(work, job, strings, rows, n);
    } catch (...) { /* no thread to be had: it takes its time here */
        work(job, strings, rows, n);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

extern "C" {

void *fgw_re2_new(const char *pattern, size_t n, char *error, size_t room) {
    RE2 *re = nullptr;
    const char *why = "out of memory";
    try {
        re = new RE2(re2::StringPiece(pattern, n), options_with(ONE_PATTERN));
        if (re->ok()) return re;
        why = re->error().c_str();
    } catch (...) {
    }
    if (room > 0) {
        std::strncpy(error, why, room - 1);
        error[room - 1] = '\0';
    }
    delete re;
    return nullptr;
}

void fgw_re2_free(void *re) { delete static_cast<RE2 *>(re); }

int fgw_re2_groups(const void *re) {
    return static_cast<const RE2 *>(re)->NumberOfCapturingGroups();
}

int fgw_re2_group(const void *re, const char *name, size_t n) {
    for (const auto &group : static_cast<const RE2 *>(re)->NamedCapturingGroups())
        if (group.first.size() == n && std::memcmp(group.first.data(), name, n) == 0)
            return group.second;
    return -1;
}

const char *fgw_re2_group_name(const void *re, int i) {
    const auto &names = static_cast<const RE2 *>(re)->CapturingGroupNames();
    const auto found = names.find(i);
    return found == names.end() ? nullptr : found->second.c_str();
}

int fgw_re2_match(const void *re, const char *p, size_t n, int whole, fgw_part *parts,
                  int count) {
    re2::StringPiece found[PARTS];
    if (count > PARTS) count = PARTS;
    const auto anchor = whole ? RE2::ANCHOR_BOTH : RE2::UNANCHORED;
    try {
        if (!static_cast<const RE2 *>(re)->Match(re2::StringPiece(p, n), 0, n, anchor, found,
                                                 count))
            return 0;
    } catch (...) {
        return 0;
    }
    for (int i = 0; i < count; i++) parts[i] = {found[i].data(), found[i].size()};
    return 1;
}

void *fgw_set_new(size_t memory) {
    try {
        return new RE2::Set(options_with(memory), RE2::ANCHOR_BOTH);
    } catch (...) {
        return nullptr;
    }
}

void fgw_set_free(void *set) { delete static_cast<RE2::Set *>(set); }

int fgw_set_add(void *set, const char *pattern, size_t n) {
    try {
        return static_cast<RE2::Set *>(set)->Add(re2::StringPiece(pattern, n), nullptr) < 0 ? -1
                                                                                             : 0;
    } catch (...) {
        return -1;
    }
}

int fgw_set_compile(void *set) {
    try {
        return static_cast<RE2::Set *>(set)->Compile() ? 0 : -1;
    } catch (...) {
        return -1;
    }
}

void *fgw_job_begin(const char *strings, const fgw_text *rows, size_t n, size_t memory) {
    try {
        auto job = std::make_unique<Job>();
        job->set = std::make_unique<RE2::Set>(options_with(memory), RE2::ANCHOR_BOTH);
        start(job.get(), strings, rows, n);
        return job.release();
    } catch (...) {
        return nullptr;
    }
}

int fgw_job_state(const void *job) {
    return static_cast<const Job *>(job)->state.load(std::memory_order_acquire);
}

void *fgw_job_take(void *it) {
    Job *job = static_cast<Job *>(it);
    if (job->thread.joinable()) job->thread.join();
    RE2::Set *set = job->set.release();
    delete job;
    return set;
}

void fgw_job_drop(void *it) {
    if (it != nullptr) fgw_set_free(fgw_job_take(it));
}

int fgw_set_match(const void *set, const char *p, size_t n, const int **found) {
    static thread_local std::vector<int> ids;
    RE2::Set::ErrorInfo error;
    try {
        if (!static_cast<const RE2::Set *>(set)->Match(re2::StringPiece(p, n), &ids, &error))
            return error.kind == RE2::Set::kNoError ? 0 : -1;
        std::sort(ids.begin(), ids.end());
    } catch (...) {
        return -1;
    }
    *found = ids.data();
    return static_cast<int>(ids.size());
}
}
