// SPDX-License-Identifier: Apache-2.0
#include "inspect/quarantine/sample.h"

#include "base/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::inspect {

namespace {

constexpr std::string_view first_line = "sluice quarantine 1";

// The rest of the line at the front of `text`, which begins with `name` and a space. Taken from it.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos || !text.starts_with(name) || text.substr(name.size(), 1) != " ") return std::nullopt;
    const std::string_view value = text.substr(name.size() + 1, end - name.size() - 1);
    text.remove_prefix(end + 1);
    return value;
}

template <std::size_t N>
bool read_hex(std::optional<std::string_view> text, std::array<std::uint8_t, N>& bytes) {
    if (!text || text->size() != 2 * N) return false;
    for (std::size_t i = 0; i < N; ++i) {
        const int high = hex_value((*text)[2 * i]);
        const int low = hex_value((*text)[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

}  // namespace

std::string encode(const Metadata& metadata) {
    return fmt::format("{}\nkey {}\nnonce {}\nsize {}\nsha256 {}\n\n{}\n", first_line, hex(metadata.key), hex(metadata.nonce),
                       metadata.size, hex(metadata.sha256), metadata.event);
}

std::optional<Metadata> parse_metadata(std::string_view text) {
    if (!text.starts_with(first_line) || text.substr(first_line.size(), 1) != "\n") return std::nullopt;
    text.remove_prefix(first_line.size() + 1);
    Metadata metadata;
    if (!read_hex(take_line(text, "key"), metadata.key) || !read_hex(take_line(text, "nonce"), metadata.nonce)) return std::nullopt;
    const auto size = take_line(text, "size");
    const auto bytes = size ? parse_decimal<std::uint64_t>(*size) : std::nullopt;
    // The end of the last line shows that nothing is cut off.
    if (!bytes || !read_hex(take_line(text, "sha256"), metadata.sha256) || !text.starts_with('\n') || text.size() < 2 ||
        !text.ends_with('\n'))
        return std::nullopt;
    metadata.size = *bytes;
    metadata.event = text.substr(1, text.size() - 2);
    return metadata;
}

std::optional<EventId> parse_event_id(std::string_view text) {
    EventId id;
    if (text.size() != id.text.size()) return std::nullopt;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char small = to_lower(text[i]);
        if (is_digit(small)) id.text[i] = small;
        else if (small == 'o') id.text[i] = '0';
        else if (small == 'i' || small == 'l') id.text[i] = '1';
        else if (is_alpha(small) && small != 'u') id.text[i] = static_cast<char>(small - 'a' + 'A');
        else return std::nullopt;
    }
    return id;
}

std::string hex(std::span<const std::uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, "")); }

}  // namespace sluice::inspect
