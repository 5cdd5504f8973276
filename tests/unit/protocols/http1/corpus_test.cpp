// SPDX-License-Identifier: Apache-2.0
// Vectors of llhttp, lighttpd and Apache httpd, fed to the parsers octet for octet. Not in this repository: see tests/unit/support/corpora.h.
// Judged as a proxy is: what should be refused may also be written anew, if that is clean and unambiguous; each such case stands in a list
// below, so that none joins it unseen.
#include "base/url.h"
#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"
#include "protocols/http1/head_parser.h"
#include "unit/support/corpora.h"

#include <boost/json/src.hpp>

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <set>

namespace sluice::http1 {
namespace {

struct Case {
    std::string id;
    std::string kind;
    std::string expect;
    std::string reason;
    std::set<std::string> flags;
    std::string raw;
};

std::string base64_decoded(std::string_view text) {
    std::string out;
    unsigned bits = 0;
    int have = 0;
    for (const char c : text) {
        static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const std::size_t digit = digits.find(c);
        if (digit == std::string_view::npos) break;
        bits = (bits << 6) | static_cast<unsigned>(digit);
        if ((have += 6) < 8) continue;
        have -= 8;
        out += static_cast<char>(bits >> have & 0xffU);
    }
    return out;
}

std::vector<Case> cases(const std::filesystem::path& folder) {
    std::vector<Case> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() != ".jsonl") continue;
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            const boost::json::value value = boost::json::parse(line);
            const auto text = [&](const char* key) { return std::string(value.at(key).as_string()); };
            Case each{text("id"), text("kind"), text("expect"), text("reason"), {}, base64_decoded(text("raw_b64"))};
            for (const auto& flag : value.at("flags").as_array()) each.flags.emplace(flag.as_string());
            out.push_back(std::move(each));
        }
    }
    return out;
}

struct Outcome {
    enum Kind { accepted, refused, incomplete } kind = refused;
    std::string what;
    bool any = false;  // at least one whole head was taken
};

// The body after a head; `in` is left at the next message.
Outcome read_body(const Framing& body, std::string_view& in, Side side) {
    if (body.kind == Framing::Kind::length) {
        if (in.size() < body.length) return {Outcome::incomplete, "body", true};
        in.remove_prefix(body.length);
    } else if (body.kind == Framing::Kind::until_close) {
        in = {};
    } else if (body.kind == Framing::Kind::chunked) {
        ChunkedDecoder decoder(Limits{}, side);
        for (;;) {
            const auto piece = decoder.next(in);
            if (!piece) return {Outcome::refused, std::string(piece.error().what), true};
            if (piece->kind == ChunkedDecoder::Piece::Kind::end) break;
            if (piece->kind == ChunkedDecoder::Piece::Kind::need_more) return {Outcome::incomplete, "chunked body", true};
        }
    }
    return {Outcome::accepted, {}, true};
}

// What is written from the model must read the same again.
void expect_clean(const RequestHead& head) {
    std::string out;
    HeadWriter writer(out);
    writer.request_line(head.method, head.target, head.version);
    for (const NameValue& line : head.fields.all()) writer.field(line.name, line.value);
    writer.end();
    RequestParser parser{Limits{}};
    RequestHead again;
    const auto taken = parser.parse(out, again);
    EXPECT_TRUE(taken && *taken == out.size() && again.body == head.body) << out;
}

Outcome run_requests(std::string_view in) {
    RequestParser parser{Limits{}};
    RequestHead head;
    bool any = false;
    while (!in.empty()) {
        parser.reset();
        const auto taken = parser.parse(in, head);
        if (!taken) return {Outcome::refused, std::string(taken.error().what), false};
        if (!*taken) {
            // Empty lines after the last message.
            if (any && in.find_first_not_of("\r\n") == std::string_view::npos) break;
            return {Outcome::incomplete, "head", any};
        }
        expect_clean(head);
        if (head.form == TargetForm::absolute) {
            const auto url = parse_url(head.target);
            if (!url) return {Outcome::refused, std::string(url.error().what), false};
            if (!url->authority.userinfo.empty()) return {Outcome::refused, "user name in the URL", false};
        }
        in.remove_prefix(**taken);
        any = true;
        if (head.form == TargetForm::authority || head.connection.upgrade) break;
        if (const Outcome body = read_body(head.body, in, Side::client); body.kind != Outcome::accepted) return {body.kind, body.what, any};
    }
    return {any ? Outcome::accepted : Outcome::incomplete, {}, any};
}

Outcome run_responses(std::string_view in) {
    ResponseParser parser{Limits{}};
    ResponseHead head;
    bool final_seen = false;
    while (!final_seen) {
        parser.reset();
        const auto taken = parser.parse(in, "GET", head);
        if (!taken) return {Outcome::refused, std::string(taken.error().what), false};
        if (!*taken) return {Outcome::incomplete, "head", false};
        in.remove_prefix(**taken);
        final_seen = !head.is_interim();
        if (const Outcome body = read_body(head.body, in, Side::server); body.kind != Outcome::accepted)
            return {body.kind, body.what, final_seen};
    }
    return {Outcome::accepted, {}, true};
}

// The vectors are of origins' parsers and often without a Host; then it is not what they are about, and they get one, as the corpus's own
// runner does.
std::string with_host(const Case& each) {
    if (each.kind != "request" || each.flags.contains("about-host")) return each.raw;
    const std::string& raw = each.raw;
    for (std::size_t at = raw.find("\r\n"); at != std::string::npos; at = raw.find('\n', at + 1))
        if (raw.size() > at + 8 && equals_ignoring_case(std::string_view(raw).substr(raw[at] == '\r' ? at + 2 : at + 1, 5), "host:"))
            return raw;
    std::string out;
    std::string_view rest = raw;
    for (std::size_t end = rest.find("\r\n\r\n"); end != std::string_view::npos && end > 2; end = rest.find("\r\n\r\n")) {
        const std::size_t line = rest.find(" HTTP/1.");
        if (line == std::string_view::npos || line > end) break;
        out += rest.substr(0, end);
        out += "\r\nHost: a\r\n\r\n";
        rest.remove_prefix(end + 4);
    }
    return out += rest;
}

struct Exception {
    std::string_view id;  // part of it
    std::string_view why;
};

// Expected to be taken, and refused here.
constexpr std::string_view folding =
    "RFC 9112 5.2: a server that receives an obs-fold in a request MUST either reject the message by sending a 400 or replace it; Sluice "
    "rejects";
constexpr std::string_view fragment =
    "RFC 9112 3.2 and RFC 3986 4.3: no form of the request target has a fragment; recipients of an invalid request-line SHOULD respond "
    "with a 400";
constexpr Exception refused_here[] = {
    {"lighttpd/333", folding}, {"lighttpd/344", folding},     {"lighttpd/355", folding},
    {"lighttpd/439", folding}, {"request/uri:168", fragment},
};

// Expected to be refused, and taken here: what is written anew is clean.
constexpr std::string_view number =
    "An IPv4 address in another notation is that address (WHATWG URL 3.5): rules, Host and dialling all see its one canonical form";
constexpr std::string_view any_method = "RFC 9110 9.1: a method is any token; whether it is implemented is for the origin to say";
constexpr std::string_view any_name = "RFC 3986 3.2.2: a reg-name may be this; whether such a host exists is for the resolver to say";
constexpr std::string_view not_framing = "Not ambiguous in framing; the field lines reach the origin as they were, and it judges them";
constexpr std::string_view get_body = "RFC 9110 9.3.1: content in a GET or HEAD has no defined meaning, but its length is not ambiguous";
constexpr Exception accepted_here[] = {
    {"httpd-tests/66", number},
    {"httpd-tests/67", number},
    {"httpd-tests/69", number},
    {"httpd-tests/70", number},
    {"lighttpd/284", number},
    {"request/invalid:359", any_method},
    {"lighttpd/402", any_method},
    {"lighttpd/266", any_name},
    {"lighttpd/278", any_name},
    {"lighttpd/467", not_framing},
    {"lighttpd/515", not_framing},
    {"lighttpd/579", not_framing},
    {"lighttpd/522", get_body},
    {"lighttpd/529", get_body},
    {"lighttpd/559", "RFC 9112 3.2.2: a proxy MUST ignore the received Host and replace it with the host of the absolute-form"},
};

template <std::size_t N>
std::string_view exception_for(const Exception (&list)[N], std::string_view id) {
    for (const Exception& each : list)
        if (!each.id.empty() && id.find(each.id) != std::string_view::npos) return each.why;
    return {};
}

TEST(Http1Corpus, every_case_gets_what_it_expects) {
    const std::filesystem::path folder = test::corpus("h1");
    if (folder.empty()) GTEST_SKIP() << "no corpora here: set SLUICE_CORPORA";
    std::size_t judged = 0;
    for (const Case& each : cases(folder)) {
        SCOPED_TRACE(each.id + " | " + each.reason);
        std::string expect = each.expect;
        const auto has = [&](const char* flag) { return each.flags.contains(flag); };
        if (expect == "accept" && (has("not-plain-http") || has("upgrade") || has("version"))) expect = "either";
        if (expect == "reject" && has("policy")) expect = "either";
        const Outcome got = each.kind == "request" ? run_requests(with_host(each)) : run_responses(each.raw);
        ++judged;
        // Some vectors end in the middle of a later message, or of a body.
        if (expect == "accept" && (got.kind == Outcome::refused || !got.any)) {
            const std::string_view why = exception_for(refused_here, each.id);
            EXPECT_FALSE(why.empty()) << "refused: " << got.what << "\n" << testing::PrintToString(each.raw);
            if (!why.empty()) std::cout << "exception: " << each.id << " is refused. " << why << "\n";
        }
        // Incomplete is as good as refused: nothing of it goes on.
        if (expect == "reject" && got.kind == Outcome::accepted && !has("first1ok")) {
            const std::string_view why = exception_for(accepted_here, each.id);
            EXPECT_FALSE(why.empty()) << "accepted\n" << testing::PrintToString(each.raw);
            if (!why.empty()) std::cout << "accepted: " << each.id << ". " << why << "\n";
        }
    }
    EXPECT_GE(judged, 379U);
}

}  // namespace
}  // namespace sluice::http1
