// SPDX-License-Identifier: Apache-2.0
#include "protocols/icap/icap.h"

#include "base/text.h"

#include <algorithm>

namespace sluice::icap {

namespace {

constexpr std::string_view version_mark = "ICAP/1.";
constexpr std::string_view http_version = "HTTP/1.1";
constexpr std::string_view line_end = "\r\n";
constexpr std::string_view empty_line = "\r\n\r\n";
constexpr std::size_t infection_bytes = 128;
constexpr std::size_t istag_bytes = 64;  // RFC 3507 4.7 has 32 at most
constexpr std::string_view unfolded = "   ";  // what stands where a line was folded

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::self, what); }

// Of texts that peers chose, what a line of a head can have.
std::string printable(std::string_view text, bool may_have_blanks = false) {
    std::string out;
    for (const char c : text)
        if ((c > 0x20 && c < 0x7f) || (may_have_blanks && c == ' ')) out += c;
    return out;
}

void line(std::string& out, std::string_view name, std::string_view value) { out.append(name).append(": ").append(value).append("\r\n"); }

std::string request_begin(const Message& message) { return printable(message.method) + " " + printable(message.url) + " "; }

std::string request_head(const Message& message) {
    std::string out = request_begin(message);
    out.append(http_version).append(line_end);
    line(out, "Host", printable(message.authority));
    if (message.is_request) {
        if (!message.content_type.empty()) line(out, "Content-Type", printable(message.content_type, true));
        line(out, "Content-Length", std::to_string(message.content_length));
    }
    return out += "\r\n";
}

std::string response_head(const Message& message) {
    std::string out = "HTTP/1.1 200 OK\r\n";
    if (!message.content_type.empty()) line(out, "Content-Type", printable(message.content_type, true));
    line(out, "Content-Length", std::to_string(message.content_length));
    return out += "\r\n";
}

std::string first_line(std::string_view method, const Service& service) {
    std::string out(method);
    out.append(" ").append(service.url).append(" ICAP/1.0\r\n");
    line(out, "Host", service.authority);
    line(out, "User-Agent", "Sluice");
    return out;
}

template <class T>
std::optional<T> number(const http1::Fields& fields, std::string_view name) {
    const auto value = fields.find(name);
    return value ? parse_decimal<T>(trim(*value)) : std::nullopt;
}

bool has_word(const http1::Fields& fields, std::string_view name, std::string_view word) {
    bool found = false;
    fields.for_each(name, [&](std::string_view value) {
        for (const std::string_view each : split(value, ',')) found = found || equals_ignoring_case(trim(each), word);
    });
    return found;
}

Options options_of(const http1::Fields& fields) {
    Options out;
    out.has_reqmod = has_word(fields, "Methods", "REQMOD");
    out.has_respmod = has_word(fields, "Methods", "RESPMOD");
    out.allows_204 = has_word(fields, "Allow", "204");
    out.preview = number<std::uint64_t>(fields, "Preview");
    out.max_connections = number<std::uint32_t>(fields, "Max-Connections");
    out.ttl_seconds = number<std::uint32_t>(fields, "Options-TTL");
    if (const auto tag = fields.find("ISTag")) out.istag = tag->substr(0, istag_bytes);
    fields.for_each("Transfer-Complete", [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view each) { out.complete.push_back(lower(each)); });
    });
    return out;
}

// X-Violations-Found: how many; then for each, on lines of their own, a file, what was found in it, and two numbers.
std::string_view violation_of(std::string_view violations) {
    for (int i = 0; i < 2; ++i) {
        const std::size_t end = violations.find(unfolded);
        if (end == std::string_view::npos) return "infected";
        violations = trim(violations.substr(end));
    }
    const std::string_view name = trim(violations.substr(0, violations.find(unfolded)));
    return name.empty() ? "infected" : name;
}

// X-Infection-Found: "Type=0; Resolution=2; Threat=NAME;". The others have a name, or words for people.
std::string infection_of(const http1::Fields& fields) {
    std::string_view name;
    if (const auto found = fields.find("X-Infection-Found")) {
        name = "infected";
        for (const std::string_view each : split(*found, ';')) {
            const std::string_view part = trim(each);
            if (part.size() > 7 && equals_ignoring_case(part.substr(0, 7), "threat=")) name = trim(part.substr(7));
        }
    } else if (const auto id = fields.find("X-Virus-ID")) {
        name = trim(*id);
        if (name.empty()) name = "infected";
    } else if (const auto violations = fields.find("X-Violations-Found"); violations && trim(*violations) != "0") {
        name = violation_of(*violations);
    }
    std::string text = printable(name.substr(0, infection_bytes), true);
    // A name in letters that we do not show is a find all the same.
    return trim(text).empty() && !name.empty() ? "infected" : text;
}

// Servers tell over several lines what they found (RFC 2616 2.2), which HTTP does not allow any more. No octet more or less.
void unfold(std::string& head) {
    const std::size_t end = std::min(head.find("\r\n\r\n"), head.size());
    for (std::size_t at = head.find("\r\n"); at < end && end - at > 2; at = head.find("\r\n", at + 2))
        if (head[at + 2] == ' ' || head[at + 2] == '\t') head.replace(at, unfolded.size(), unfolded);
}

}  // namespace

std::string options_request(const Service& service) {
    std::string out = first_line("OPTIONS", service);
    line(out, "Encapsulated", "null-body=0");
    return out += "\r\n";
}

std::string modification_request(const Service& service, const Message& message, std::optional<std::uint64_t> preview, bool allows_204) {
    const std::string request = request_head(message);
    const std::string response = message.is_request ? std::string() : response_head(message);
    const bool has_body = message.content_length > 0;
    std::string parts = "req-hdr=0";
    if (!message.is_request) parts += ", res-hdr=" + std::to_string(request.size());
    parts += has_body ? (message.is_request ? ", req-body=" : ", res-body=") : ", null-body=";
    parts += std::to_string(request.size() + response.size());
    std::string out = first_line(message.is_request ? "REQMOD" : "RESPMOD", service);
    if (allows_204) line(out, "Allow", "204");
    if (preview && has_body) line(out, "Preview", std::to_string(*preview));
    line(out, "Encapsulated", parts);
    return out.append("\r\n").append(request).append(response);
}

Result<Encapsulated> parse_encapsulated(std::string_view value, const Limits& limits) {
    Encapsulated out;
    bool is_over = false;
    std::size_t least = 0;
    bool is_first = true;
    for (const std::string_view each : split(value, ',')) {
        const std::string_view part = trim(each);
        const std::size_t equals = part.find('=');
        const auto offset = equals == std::string_view::npos ? std::nullopt : parse_decimal<std::size_t>(part.substr(equals + 1));
        if (is_over || !offset || *offset < least || (is_first && *offset != 0) || *offset > 2 * limits.header_bytes)
            return malformed("an ICAP server's Encapsulated field makes no sense");
        const std::string_view name = part.substr(0, equals);
        if (equals_ignoring_case(name, "req-hdr") && !out.request_head && !out.response_head) {
            out.request_head = *offset;
        } else if (equals_ignoring_case(name, "res-hdr") && !out.response_head) {
            out.response_head = *offset;
        } else if (equals_ignoring_case(name, "req-body") || equals_ignoring_case(name, "res-body") ||
                   equals_ignoring_case(name, "opt-body")) {
            out.has_body = is_over = true;
            out.body = *offset;
        } else if (equals_ignoring_case(name, "null-body")) {
            is_over = true;
            out.body = *offset;
        } else {
            return malformed("an ICAP server's Encapsulated field has an unknown part");
        }
        least = *offset;
        is_first = false;
    }
    if (!is_over) return malformed("an ICAP server's Encapsulated field has no body's part");
    return out;
}

bool is_wanted_whole(const Options& options, const Message& message) {
    const std::string extension = file_extension(std::string_view(message.url).substr(message.url.rfind('/') + 1));
    return std::ranges::any_of(options.complete,
                               [&](const std::string& each) { return each == "*" || (!extension.empty() && each == extension); });
}

bool begins_alike(const Message& message, const Encapsulated& parts, std::string_view heads) {
    const auto line_at = [&](std::size_t at) {
        const std::size_t end = heads.find(line_end, at);
        return end == std::string_view::npos ? std::string_view() : heads.substr(at, end - at);
    };
    if (!message.is_request) {
        const std::string_view line = parts.response_head ? line_at(*parts.response_head) : std::string_view();
        return line.starts_with("HTTP/1.") && line.size() >= 12 && line.substr(8, 4) == " 200" && (line.size() == 12 || line[12] == ' ');
    }
    if (!parts.request_head || parts.response_head) return false;
    const std::string wanted = request_begin(message);
    const std::string_view line = line_at(*parts.request_head);
    return line.starts_with(wanted) && line.substr(wanted.size()).starts_with("HTTP/1.");
}

Result<std::optional<Response>> parse_response(std::string_view buffer, const Limits& limits, std::size_t& consumed) {
    const std::size_t known = std::min(buffer.size(), version_mark.size());
    if (buffer.substr(0, known) != version_mark.substr(0, known)) return malformed("that is no answer of an ICAP server");
    const std::size_t end = buffer.substr(0, limits.header_bytes).find(empty_line);
    if (end == std::string_view::npos) {
        if (buffer.size() >= limits.header_bytes) return fail(Errc::too_large, Side::self, "an ICAP server's head has no end");
        return std::nullopt;
    }
    std::string copy(buffer.substr(0, end + empty_line.size()));
    copy.replace(0, http_version.size(), http_version);
    unfold(copy);
    http1::ResponseParser parser(limits);
    http1::ResponseHead head;
    const auto parsed = TRY(parser.parse(copy, "OPTIONS", head));
    if (!parsed) return malformed("an ICAP server's head ends in its middle");
    consumed = *parsed;
    Response out;
    out.status = head.status;
    out.keeps_connection = !head.connection.close;
    out.infection = infection_of(head.fields);
    out.options = options_of(head.fields);
    if (head.fields.count("Encapsulated") > 1) return malformed("an ICAP server's head has two Encapsulated fields");
    if (const auto parts = head.fields.find("Encapsulated")) out.parts = TRY(parse_encapsulated(*parts, limits));
    return out;
}

}  // namespace sluice::icap
