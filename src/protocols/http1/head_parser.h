// SPDX-License-Identifier: Apache-2.0
// Octets to heads (RFC 9112 2 to 6), strictly: what two parsers could read in two ways is refused, never repaired. CRLF alone ends a
// line; no folded lines, no white space before a colon; a message has one length and says it once.
//
// Call parse() with all unread octets, from the head's first one on, each time more have come; the buffer may have moved in between, its
// contents may not have changed. Nothing is scanned twice. The value is the number of octets that the head took: the body starts there. nullopt: more
// are needed; the head's contents are then not complete. After a head, call reset() before the next. Where the octets are cut makes no
// difference to the outcome.
//
// Errors (`side`: client for a request, server for a response), after which the connection cannot be used again:
//   malformed    400
//   too_large    414 when `what` is `target_too_long`; 431 otherwise
//   unsupported  505: not HTTP/1
#pragma once

#include "base/limits.h"
#include "base/result.h"
#include "protocols/http1/head.h"

#include <cstddef>
#include <optional>
#include <string_view>

namespace sluice::http1 {

inline constexpr std::string_view target_too_long = "request target too long";

namespace detail {

// What both parsers share: cuts a head into lines, looking at each octet once, and reads field lines.
class HeadLines {
public:
    HeadLines(const Limits& limits, Side side) : head_limit_(limits.header_bytes), field_limit_(limits.header_fields), side_(side) {}
    void reset() { line_start_ = scanned_ = 0; }

    // The next whole line, without its CRLF and free of controls other than HTAB. nullopt: more is needed. A line longer than `line_limit` is
    // `too_long`.
    Result<std::optional<std::string_view>> next(std::string_view buffer, std::size_t line_limit, std::string_view too_long);
    // The field lines that have come. true: the empty line was there, and with it the head's end.
    Result<bool> read_fields(std::string_view buffer, Fields& fields);
    Result<void> read_connection(const Fields& fields, ConnectionOptions& out) const;

    std::size_t consumed() const { return line_start_; }
    std::size_t head_limit() const { return head_limit_; }

private:
    std::optional<Error> why_no_line(std::string_view window, std::size_t window_end, std::size_t at, std::string_view too_long);

    std::size_t head_limit_;
    std::size_t field_limit_;
    Side side_;
    std::size_t line_start_ = 0;
    std::size_t scanned_ = 0;  // no line end and nothing bad before this
};

}  // namespace detail

class RequestParser {
public:
    explicit RequestParser(const Limits& limits);
    // `out`: the same object from a head's first call to its last.
    Result<std::optional<std::size_t>> parse(std::string_view buffer, RequestHead& out);
    void reset();

private:
    enum class Part : std::uint8_t { fresh, start, fields };
    static Result<void> read_request_line(std::string_view line, std::size_t target_limit, RequestHead& out);
    static Result<void> finish(RequestHead& out);

    detail::HeadLines lines_;
    std::size_t target_limit_;
    std::size_t empty_line_limit_;
    std::size_t empty_lines_ = 0;
    Part part_ = Part::fresh;
    const char* base_ = nullptr;  // where the buffer was at the last call
};

class ResponseParser {
public:
    explicit ResponseParser(const Limits& limits);
    // `request_method`: of the request that this answers; it decides whether there is a body. Some servers send an empty line too many after a
    // body: up to Limits::leading_empty_lines are skipped here as well.
    Result<std::optional<std::size_t>> parse(std::string_view buffer, std::string_view request_method, ResponseHead& out);
    void reset();

private:
    enum class Part : std::uint8_t { fresh, start, fields };
    static Result<void> read_status_line(std::string_view line, ResponseHead& out);
    static Result<void> finish(std::string_view request_method, ResponseHead& out);

    detail::HeadLines lines_;
    std::size_t empty_line_limit_;
    std::size_t empty_lines_ = 0;
    Part part_ = Part::fresh;
    const char* base_ = nullptr;
};

}  // namespace sluice::http1
