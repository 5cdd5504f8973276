// SPDX-License-Identifier: Apache-2.0
// Lines and field lines, for both kinds of heads (RFC 9112 2.2 and 5).
#include "protocols/http1/head_parser.h"

#include "base/text.h"

#include <algorithm>

namespace sluice::http1::detail {

Result<std::optional<std::string_view>> HeadLines::next(std::string_view buffer, std::size_t line_limit, std::string_view too_long) {
    // Never looked at beyond the bounds, so that it does not matter how much has come already.
    const std::size_t line_end = line_limit < head_limit_ - line_start_ ? line_start_ + line_limit : head_limit_;
    const std::string_view window = buffer.substr(0, line_end);
    const std::size_t at = find_control(window, scanned_);
    if (at < window.size()) {
        if (window[at] == '\n') return fail(Errc::malformed, side_, "line ends without CR");
        if (window[at] != '\r') return fail(Errc::malformed, side_, "control character in the head");
        if (at + 1 < window.size()) {
            if (window[at + 1] != '\n') return fail(Errc::malformed, side_, "CR without LF");
            const std::string_view line = window.substr(line_start_, at - line_start_);
            line_start_ = scanned_ = at + 2;
            return line;
        }
    }
    if (window.size() == line_end) return fail(Errc::too_large, side_, line_end == head_limit_ ? "head too large" : too_long);
    scanned_ = at;
    return std::nullopt;
}

Result<void> HeadLines::read_connection(const Fields& fields, ConnectionOptions& out) const {
    bool too_many = false;
    fields.for_each(KnownField::connection, [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view option) {
            if (equals_ignoring_case(option, "close")) out.close = true;
            else if (equals_ignoring_case(option, "keep-alive")) out.keep_alive = true;
            else if (equals_ignoring_case(option, "upgrade")) out.upgrade = true;
            else if (out.names.size() == field_limit_) too_many = true;
            else out.names.push_back(option);
        });
    });
    if (too_many) return fail(Errc::too_large, side_, "too many connection options");
    return {};
}

}  // namespace sluice::http1::detail
