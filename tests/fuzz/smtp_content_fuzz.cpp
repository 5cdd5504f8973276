// SPDX-License-Identifier: Apache-2.0
// A message through DATA: cuts make no difference; its end is where CRLF "." CRLF is and nowhere else; what goes to a server ends once, at its end, and
// has no CR or LF alone; read again it is the same. The first octet: whether bare LFs are normalised, and how the octets are cut.
#include "protocols/smtp/content.h"

#include <cstdlib>

using namespace sluice::smtp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::string content;
    std::size_t taken = 0;
    bool has_ended = false;
    ContentFault fault = ContentFault::none;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

void join(const Views& views, std::string& out) {
    for (const std::string_view view : views) out += view;
}

Outcome read(std::string_view text, bool normalises, std::size_t step) {
    ContentReader reader(ContentReader::Source::data, normalises, false);
    Outcome out;
    while (out.taken < text.size() && !reader.has_ended()) {
        const std::string piece(text.substr(out.taken, step));  // of its own, so that views beyond it are seen
        std::string_view in = piece;
        Views views;
        reader.feed(in, views);
        require(views.size() <= 2 * piece.size() && (in.empty() || reader.has_ended()));
        out.taken += piece.size() - in.size();
        join(views, out.content);
    }
    out.has_ended = reader.has_ended();
    out.fault = reader.fault();
    return out;
}

std::string stuff(std::string_view content, std::size_t step) {
    DotStuffer stuffer;
    std::string out;
    for (std::size_t at = 0; at < content.size(); at += step) {
        Views views;
        stuffer.feed(content.substr(at, step), views);
        join(views, out);
    }
    return out += stuffer.end();
}

bool has_bare(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && text.substr(i + 1, 1) != "\n") return true;
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const bool normalises = (data[0] & 1U) != 0;
    const std::size_t step = data[0] / 2 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Outcome whole = read(text, normalises, text.size() + 1);
    require(read(text, normalises, 1) == whole && read(text, normalises, step) == whole);

    // The client has said "DATA" and CRLF before.
    const std::string with_command = "\r\n" + std::string(text);
    const std::size_t end = with_command.find("\r\n.\r\n");
    require(whole.has_ended == (end != std::string::npos) && whole.taken == (whole.has_ended ? end + 3 : text.size()));
    if (whole.fault != ContentFault::none) return 0;
    require(whole.content.find('\0') == std::string::npos && (!whole.has_ended || !has_bare(whole.content)));
    if (!whole.has_ended) return 0;

    const std::string sent = stuff(whole.content, whole.content.size() + 1);
    require(stuff(whole.content, 1) == sent && stuff(whole.content, step) == sent);
    const std::string to_server = "\r\n" + sent;
    require(to_server.find("\r\n.\r\n") == to_server.size() - 5 && !has_bare(sent));
    std::string content = whole.content;
    require(content.empty() || content.ends_with("\r\n"));
    for (const bool again_normalises : {false, true}) {
        const Outcome again = read(sent, again_normalises, step);
        require(again.has_ended && again.taken == sent.size() && again.fault == ContentFault::none && again.content == content);
    }
    // Without dots before, it is what came.
    if (!normalises) require(sent.size() == whole.taken || text.starts_with('.') || with_command.find("\r\n.") < end);
    return 0;
}
