// SPDX-License-Identifier: Apache-2.0
// BDAT's argument, and a message in chunks: chunks make no difference; without a fault nothing is changed but what is normalised, and what goes to a
// server's DATA ends once, and reads the same again. The first line is the argument; its first octet says how, and how large chunks are.
#include "protocols/smtp/content.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

using namespace sluice::smtp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::string content;
    ContentFault fault = ContentFault::none;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view text, bool normalises, bool is_binary, std::size_t step) {
    ContentReader reader(ContentReader::Source::bdat, normalises, is_binary);
    Outcome out;
    for (std::size_t at = 0; at < text.size(); at += step) {
        const std::string piece(text.substr(at, step));
        std::string_view in = piece;
        Views views;
        reader.feed(in, views);
        require(in.empty() && !reader.has_ended() && views.size() <= 2 * piece.size());
        for (const std::string_view view : views) out.content += view;
    }
    reader.finish();
    out.fault = reader.fault();
    return out;
}

void check_argument(std::string_view argument) {
    const auto chunk = parse_chunk(argument);
    if (!chunk) return;
    const std::string again = std::to_string(chunk->size) + (chunk->is_last ? " LAST" : "");
    const auto twice = parse_chunk(again);
    require(twice && twice->size == chunk->size && twice->is_last == chunk->is_last && argument.size() >= (chunk->is_last ? 6 : 1));
    require(sluice::is_digit(argument.front()) && argument.contains(std::to_string(chunk->size)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const bool normalises = (data[0] & 1U) != 0;
    const std::size_t step = data[0] / 2 + 1;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t line = std::min(text.find('\n'), size - 1);
    check_argument(text.substr(0, line));
    const std::string_view message = text.substr(line + 1);

    require(read(message, normalises, true, step) == Outcome{std::string(message), ContentFault::none});
    const Outcome whole = read(message, normalises, false, message.size() + 1);
    require(read(message, normalises, false, 1) == whole && read(message, normalises, false, step) == whole);
    if (whole.fault != ContentFault::none) return 0;
    if (!normalises) require(whole.content == message);

    DotStuffer stuffer;
    std::string sent;
    for (std::size_t at = 0; at < whole.content.size(); at += step) {
        Views views;
        stuffer.feed(std::string_view(whole.content).substr(at, step), views);
        for (const std::string_view view : views) sent += view;
    }
    sent += stuffer.end();
    require(("\r\n" + sent).find("\r\n.\r\n") == sent.size() - 3);
    ContentReader reader(ContentReader::Source::data, false, false);
    std::string_view in = sent;
    Views views;
    reader.feed(in, views);
    std::string again;
    for (const std::string_view view : views) again += view;
    const bool lacks_end = !whole.content.empty() && !whole.content.ends_with("\r\n");
    require(in.empty() && reader.has_ended() && reader.fault() == ContentFault::none && again == whole.content + (lacks_end ? "\r\n" : ""));
    return 0;
}
