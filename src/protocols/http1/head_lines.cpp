// SPDX-License-Identifier: Apache-2.0
// Lines and field lines, for both kinds of heads and for trailers (RFC 9112 2.2 and 5). The hot loop of parsing is in this file.
#include "base/text.h"
#include "protocols/http1/field_line.h"
#include "protocols/http1/head_parser.h"
#include "protocols/http1/scan.h"

namespace sluice::http1 {

namespace {

using detail::Colons;
using detail::Controls;
using detail::find_first;

// Each of these has been used to smuggle (RFC 9112 2.2, 5.1 and 5.2).
std::unexpected<Error> bad_name(std::string_view line, Side side) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
    if (is_blank(line.front())) return fail(Errc::malformed, side, "folded field line");
    std::size_t end = 0;
    while (end < line.size() && is_token_octet(line[end])) ++end;
    if (end == line.size()) return fail(Errc::malformed, side, "field line without a colon");
    return fail(Errc::malformed, side, is_blank(line[end]) ? "white space in a field name" : "bad field name");
}

// `colon`: of the first one in the line, or its size.
inline Result<void> add_line(std::string_view line, std::size_t colon, Fields& fields, std::size_t limit, Side side) {
    const std::string_view name = line.substr(0, colon);
    const KnownField known = known_field(name);
    // A known name needs no look at its octets.
    if (colon == line.size() || (known == KnownField::none && !is_token(name))) return bad_name(line, side);
    if (fields.size() == limit) return fail(Errc::too_large, side, "too many fields");
    std::string_view value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    if (!value.empty() && (value.front() <= ' ' || value.back() <= ' ')) value = trim(value);
    fields.add({name, value}, known);
    return {};
}

}  // namespace

Result<void> add_field_line(std::string_view line, Fields& fields, std::size_t limit, Side side) {
    return add_line(line, find_first<Colons>(line, 0), fields, limit, side);
}

namespace detail {

// Why there is no whole line: `at` is where the scan stopped. nullopt: more is needed.
std::optional<Error> HeadLines::why_no_line(std::string_view window, std::size_t window_end, std::size_t at, std::string_view too_long) {
    if (at < window.size()) {
        if (window[at] == '\n') return Error{Errc::malformed, side_, "line ends without CR"};
        if (window[at] != '\r') return Error{Errc::malformed, side_, "control character in the head"};
        if (at + 1 < window.size()) return Error{Errc::malformed, side_, "CR without LF"};
    }
    if (window.size() == window_end) return Error{Errc::too_large, side_, window_end == head_limit_ ? "head too large" : too_long};
    scanned_ = at;
    return std::nullopt;
}

namespace {

bool ends_line(std::string_view window, std::size_t at) { return at + 1 < window.size() && window[at] == '\r' && window[at + 1] == '\n'; }

}  // namespace

Result<std::optional<std::string_view>> HeadLines::next(std::string_view buffer, std::size_t line_limit, std::string_view too_long) {
    // Never looked at beyond the bounds, so that it does not matter how much has come already.
    const std::size_t window_end = line_limit < head_limit_ - line_start_ ? line_start_ + line_limit : head_limit_;
    const std::string_view window = buffer.substr(0, window_end);
    const std::size_t at = find_first<Controls>(window, scanned_);
    if (!ends_line(window, at)) {
        if (const auto error = why_no_line(window, window_end, at, too_long)) return std::unexpected(*error);
        return std::nullopt;
    }
    const std::string_view line = window.substr(line_start_, at - line_start_);
    line_start_ = scanned_ = at + 2;
    return line;
}

Result<bool> HeadLines::read_fields(std::string_view buffer, Fields& fields) {
    const std::string_view window = buffer.substr(0, head_limit_);
    for (;;) {
        const std::size_t at = find_first<Controls>(window, scanned_);
        if (!ends_line(window, at)) {
            if (const auto error = why_no_line(window, head_limit_, at, {})) return std::unexpected(*error);
            return false;
        }
        const std::size_t start = line_start_;
        line_start_ = scanned_ = at + 2;
        if (at == start) return true;
        // Looked for in the whole window, not in the line: a short line is then one step as well.
        const std::string_view line = window.substr(start, at - start);
        const std::size_t colon = std::min(find_first<Colons>(window, start) - start, line.size());
        if (auto added = add_line(line, colon, fields, field_limit_, side_); !added) return std::unexpected(added.error());
    }
}

Result<void> HeadLines::read_connection(const Fields& fields, ConnectionOptions& out) const {
    bool too_many = false;
    fields.for_each(KnownField::connection, [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view option) {
            if (equals_ignoring_case(option, "keep-alive")) out.keep_alive = true;
            else if (equals_ignoring_case(option, "close")) out.close = true;
            else if (equals_ignoring_case(option, "upgrade")) out.upgrade = true;
            else if (out.names.size() == field_limit_) too_many = true;
            else out.names.push_back(option);
        });
    });
    if (too_many) return fail(Errc::too_large, side_, "too many connection options");
    return {};
}

}  // namespace detail

}  // namespace sluice::http1
