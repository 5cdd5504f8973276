// SPDX-License-Identifier: Apache-2.0
#include "audit/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>

namespace sluice::audit {

namespace {

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

// Whether all 8 bytes stand for themselves. The usual tricks on words: they may call a plain byte not plain only after one that is not.
bool all_plain(std::uint64_t word) {
    constexpr std::uint64_t ones = 0x0101010101010101U;
    constexpr std::uint64_t high = 0x8080808080808080U;
    const std::uint64_t quote = word ^ (ones * '"');
    const std::uint64_t backslash = word ^ (ones * '\\');
    return (((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & high) == 0;
}

// The length of the UTF-8 sequence at the front (Unicode 15, table 3-7), 0 if it is none.
std::size_t sequence_length(const unsigned char* text, std::size_t size) {
    const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return i < size && text[i] >= low && text[i] <= high;
    };
    const unsigned lead = text[0];
    if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        const unsigned low = lead == 0xe0 ? 0xa0U : 0x80U;         // overlong
        const unsigned high = lead == 0xed ? 0x9fU : 0xbfU;        // surrogates
        return continues(1, low, high) && continues(2) ? 3 : 0;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        const unsigned low = lead == 0xf0 ? 0x90U : 0x80U;
        const unsigned high = lead == 0xf4 ? 0x8fU : 0xbfU;        // beyond U+10FFFF
        return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

char* put_unicode_escape(char* out, unsigned char low_byte) {
    static constexpr char digits[] = "0123456789abcdef";
    out = put(out, "\\u00");
    *out++ = digits[low_byte >> 4U];
    *out++ = digits[low_byte & 15U];
    return out;
}

// One character that is not plain; advances `text`.
char* put_special(char* out, const unsigned char*& text, std::size_t size) {
    const unsigned char c = *text;
    if (c < 0x80) {
        ++text;
        switch (c) {
            case '"': return put(out, "\\\"");
            case '\\': return put(out, "\\\\");
            case '\n': return put(out, "\\n");
            case '\r': return put(out, "\\r");
            case '\t': return put(out, "\\t");
            default: return put_unicode_escape(out, c);
        }
    }
    const std::size_t length = sequence_length(text, size);
    if (length == 0) {
        ++text;
        return put(out, "\xef\xbf\xbd");
    }
    if (c == 0xc2 && text[1] < 0xa0) out = put_unicode_escape(out, text[1]);   // C1
    else out = put(out, {reinterpret_cast<const char*>(text), length});
    text += length;
    return out;
}

// Byte for byte, with what needs an escape escaped.
char* put_slowly(char* out, const unsigned char* text, const unsigned char* end) {
    while (text != end) {
        if (is_plain(*text)) *out++ = static_cast<char>(*text++);
        else out = put_special(out, text, static_cast<std::size_t>(end - text));
    }
    return out;
}

// A word and one more that overlap in the middle: sizes from that of Word to twice that.
template <class Word>
bool copy_if_plain(char* out, const unsigned char* text, std::size_t size) {
    Word first, last;
    std::memcpy(&first, text, sizeof first);
    std::memcpy(&last, text + size - sizeof last, sizeof last);
    constexpr std::uint64_t spaces = sizeof(Word) == 8 ? 0 : 0x2020202000000000U;
    if (!all_plain(first | spaces) || !all_plain(last | spaces)) return false;
    std::memcpy(out, &first, sizeof first);
    std::memcpy(out + size - sizeof last, &last, sizeof last);
    return true;
}

char* put_short(char* out, const unsigned char* text, std::size_t size) {
    if (size >= 8) return copy_if_plain<std::uint64_t>(out, text, size) ? out + size : put_slowly(out, text, text + size);
    if (size >= 4) return copy_if_plain<std::uint32_t>(out, text, size) ? out + size : put_slowly(out, text, text + size);
    return put_slowly(out, text, text + size);
}

}  // namespace

char* put_escaped(char* out, std::string_view input) {
    const auto* text = reinterpret_cast<const unsigned char*>(input.data());
    const auto* const end = text + input.size();
    if (input.size() < 16) return put_short(out, text, input.size());
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x20);
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const auto specials = [&](__m128i block) {
        // Signed: what is below a space is a control, or has its high bit set.
        const __m128i found =
            _mm_or_si128(_mm_cmplt_epi8(block, space), _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
        return static_cast<unsigned>(_mm_movemask_epi8(found));
    };
    while (end - text >= 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
        const unsigned mask = specials(block);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), block);
        if (mask == 0) {
            text += 16;
            out += 16;
            continue;
        }
        const int plain = std::countr_zero(mask);
        text += plain;
        out += plain;
        out = put_special(out, text, static_cast<std::size_t>(end - text));
    }
    if (text == end) return out;
    // The last 16 bytes at once. If they are plain, those among them that were written before stand there as they are.
    const __m128i last = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
    if (specials(last) != 0) return put_short(out, text, static_cast<std::size_t>(end - text));
    out += end - text;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out - 16), last);
    return out;
#else
    for (; end - text >= 8; text += 8) {
        if (copy_if_plain<std::uint64_t>(out, text, 8)) out += 8;
        else return put_slowly(out, text, end);
    }
    return put_short(out, text, static_cast<std::size_t>(end - text));
#endif
}

}  // namespace sluice::audit
