// SPDX-License-Identifier: Apache-2.0
// The inner loops of head parsing, 16 octets a step (SSE2 is part of x86-64; elsewhere octet by octet). For this folder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sluice::http1::detail {

inline bool is_control(char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && octet != '\t') || octet == 0x7f;
}

#if defined(__SSE2__)
struct Controls {
    static bool matches(char c) { return is_control(c); }
    static unsigned mask(__m128i octets) {
        const __m128i printable = _mm_cmpeq_epi8(_mm_max_epu8(octets, _mm_set1_epi8(0x20)), octets);
        const __m128i tab = _mm_cmpeq_epi8(octets, _mm_set1_epi8('\t'));
        const __m128i del = _mm_cmpeq_epi8(octets, _mm_set1_epi8(0x7f));
        return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(del, _mm_or_si128(printable, tab)))) ^ 0xffffU;
    }
};

// What ends a request target, rightly or not: a fragment is not for servers (RFC 9112 3.2). Other controls are gone already.
struct TargetEnds {
    static bool matches(char c) { return c == ' ' || c == '\t' || c == '#'; }
    static unsigned mask(__m128i octets) {
        const __m128i blank = _mm_or_si128(_mm_cmpeq_epi8(octets, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(octets, _mm_set1_epi8('\t')));
        return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(blank, _mm_cmpeq_epi8(octets, _mm_set1_epi8('#')))));
    }
};

struct Colons {
    static bool matches(char c) { return c == ':'; }
    static unsigned mask(__m128i octets) { return static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, _mm_set1_epi8(':')))); }
};
#else
struct Controls {
    static bool matches(char c) { return is_control(c); }
};
struct TargetEnds {
    static bool matches(char c) { return c == ' ' || c == '\t' || c == '#'; }
};
struct Colons {
    static bool matches(char c) { return c == ':'; }
};
#endif

// The first octet of the set at or after `from`, or text.size().
template <class Set>
inline std::size_t find_first(std::string_view text, std::size_t from) {
    std::size_t i = from;
#if defined(__SSE2__)
    const auto load = [&text](std::size_t at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at)); };
    for (; i + 16 <= text.size(); i += 16)
        if (const unsigned mask = Set::mask(load(i))) return i + static_cast<std::size_t>(__builtin_ctz(mask));
    // The rest, as the last 16 octets of the text without those that were seen.
    if (i < text.size() && text.size() >= 16) {
        const std::size_t start = text.size() - 16;
        const unsigned mask = Set::mask(load(start)) >> (i - start);
        return mask != 0 ? i + static_cast<std::size_t>(__builtin_ctz(mask)) : text.size();
    }
#endif
    while (i < text.size() && !Set::matches(text[i])) ++i;
    return std::min(i, text.size());
}

}  // namespace sluice::http1::detail
