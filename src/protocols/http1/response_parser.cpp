// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "protocols/http1/framing.h"
#include "protocols/http1/head_parser.h"

namespace sluice::http1 {

namespace {

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::server, what); }

}  // namespace

ResponseParser::ResponseParser(const Limits& limits) : lines_(limits, Side::server), empty_line_limit_(limits.leading_empty_lines) {}

void ResponseParser::reset() {
    lines_.reset();
    empty_lines_ = 0;
    part_ = Part::fresh;
    base_ = nullptr;
}

Result<std::optional<std::size_t>> ResponseParser::parse(std::string_view buffer, std::string_view request_method, ResponseHead& out) {
    if (part_ == Part::fresh) {
        out.clear();
        part_ = Part::start;
    } else if (base_ != buffer.data()) {
        out.reason = detail::moved(out.reason, base_, buffer.data());
        out.fields.rebase(base_, buffer.data());
    }
    base_ = buffer.data();
    while (part_ == Part::start) {
        const auto line = TRY(lines_.next(buffer, lines_.head_limit(), {}));
        if (!line) return std::nullopt;
        if (line->empty()) {
            if (++empty_lines_ > empty_line_limit_) return malformed("empty lines before the status line");
            continue;
        }
        TRY(read_status_line(*line, out));
        part_ = Part::fields;
    }
    if (!TRY(lines_.read_fields(buffer, out.fields))) return std::nullopt;
    TRY(lines_.read_connection(out.fields, out.connection));
    TRY(finish(request_method, out));
    return lines_.consumed();
}

// "HTTP/1.1 200 OK", "HTTP/1.1 200 " and, from servers that leave out the space, "HTTP/1.1 200" (RFC 9112 4).
Result<void> ResponseParser::read_status_line(std::string_view line, ResponseHead& out) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return malformed("bad status line");
    out.version = TRY(detail::read_version(line.substr(0, space), Side::server));
    const std::string_view rest = line.substr(space + 1);
    const auto status = parse_decimal<int>(rest.substr(0, 3));
    if (!status || rest.size() < 3 || *status < 100) return malformed("bad status code");
    if (rest.size() > 3 && rest[3] != ' ') return malformed("bad status line");
    out.status = *status;
    out.reason = rest.size() > 4 ? trim(rest.substr(4)) : std::string_view{};
    return {};
}

Result<void> ResponseParser::finish(std::string_view request_method, ResponseHead& out) {
    const detail::BodyLength body = TRY(detail::read_body_length(out.fields, out.version, Side::server));
    out.content_length = body.length;
    out.keep_alive = out.version == Version::http_1_1 ? !out.connection.close : out.connection.keep_alive && !out.connection.close;
    const bool tunnel = request_method == "CONNECT" && out.status / 100 == 2;
    const bool lengthless = out.status / 100 == 1 || out.status == 204;
    if (request_method == "HEAD" || out.status == 304 || lengthless || tunnel) {
        // RFC 9110 8.6, RFC 9112 6.1: these must not announce a body. One that does may send it: nothing more is asked of such a server.
        if (lengthless && (body.chunked || body.length.value_or(0) != 0)) out.keep_alive = false;
    } else if (body.chunked) {
        out.body.kind = Framing::Kind::chunked;
    } else if (body.length) {
        out.body = {Framing::Kind::length, *body.length};
    } else {
        out.body.kind = Framing::Kind::until_close;
        out.keep_alive = false;
    }
    out.upgrade_websocket = out.status == 101 && out.version == Version::http_1_1 && out.connection.upgrade &&
                            detail::list_has(out.fields, KnownField::upgrade, "websocket");
    return {};
}

}  // namespace sluice::http1
