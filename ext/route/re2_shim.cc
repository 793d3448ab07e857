/* See re2_shim.h. No exception leaves: what may run out of memory ends in a status. */
#include "re2_shim.h"

#include <re2/re2.h>
#include <re2/set.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
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
