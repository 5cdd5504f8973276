// SPDX-License-Identifier: Apache-2.0
#include "inspect/icap/icap_conversation.h"

#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

namespace sluice::inspect {

namespace {

using Kind = icap::AnswerReader::Piece::Kind;
using Status = EngineConnection::Status;

constexpr std::string_view engine = "icap";
constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::uint64_t longest_preview = 1024 * 1024;

bool read_at(const Object& object, std::uint64_t at, std::span<char> into) {
    while (!into.empty()) {
        const auto got = ::pread(object.descriptor, into.data(), into.size(), static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        into = into.subspan(static_cast<std::size_t>(got));
        at += static_cast<std::uint64_t>(got);
    }
    return true;
}

// False: it differs, or cannot be read.
bool has_octets_at(const Object& object, std::uint64_t at, std::string_view octets) {
    if (octets.size() > object.size - std::min(at, object.size)) return false;
    std::array<char, 16 * 1024> ours;
    while (!octets.empty()) {
        const std::span<char> piece = std::span(ours).first(std::min(ours.size(), octets.size()));
        if (!read_at(object, at, piece) || !octets.starts_with(std::string_view(piece))) return false;
        at += piece.size();
        octets.remove_prefix(piece.size());
    }
    return true;
}

}  // namespace

IcapConversation::End IcapConversation::ask_options(const icap::Service& service, icap::Options& out) {
    if (const End end = begin(icap::options_request(service), {}, 0, 0, {}); end != End::judged) return end;
    if (const End end = hear(); end != End::judged) return end;
    const icap::Response& response = reader_.response();
    if (response.status != 200) return lose_by_status(response.status);
    out = response.options;
    // What it may encapsulate is for people, and is not read.
    keeps_ = response.keeps_connection && !response.is_followed();
    return End::judged;
}

IcapConversation::End IcapConversation::ask(const icap::Service& service, const icap::Message& message, const Object& object,
                                            const icap::Options& options, Outcome& outcome) {
    std::optional<std::uint64_t> preview;
    if (options.preview && object.size > 0 && !icap::is_wanted_whole(options, message))
        preview = std::min({*options.preview, object.size, longest_preview});
    const std::uint64_t first = preview.value_or(object.size);
    const bool is_all = first == object.size;
    const std::string_view behind = object.size == 0 ? std::string_view()
                                    : !preview       ? icap::last_chunk
                                    : is_all         ? icap::end_in_preview
                                                     : icap::end_of_preview;
    if (const End end = begin(icap::modification_request(service, message, preview, options.allows_204), object, 0, first, behind);
        end != End::judged)
        return end;
    if (const End end = hear(); end != End::judged) return end;
    if (reader_.response().status == 100) {
        if (is_all || !is_sent()) return lose("it asks for more than there is");
        if (const End end = begin({}, object, first, object.size, icap::last_chunk); end != End::judged) return end;
        if (const End end = hear(); end != End::judged) return end;
    }
    return judge(message, outcome);
}

IcapConversation::End IcapConversation::begin(std::string head, const Object& object, std::uint64_t at, std::uint64_t end,
                                              std::string_view behind) {
    reader_.reset();
    object_ = object;
    bytes_ = std::move(head);
    at_ = at;
    end_ = end;
    behind_ = behind;
    is_filled_ = false;
    return fill() ? End::judged : End::unreadable;
}

// The next chunk, behind what is in `bytes_`.
bool IcapConversation::fill() {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, end_ - at_));
    if (size > 0) {
        http1::ChunkPrefix prefix;
        bytes_.append(prefix, http1::chunk_prefix(size, prefix));
        const std::size_t begin = bytes_.size();
        bytes_.resize(begin + size);
        if (!read_at(object_, at_, std::span(bytes_).subspan(begin))) return false;
        bytes_ += http1::chunk_suffix;
        at_ += size;
    }
    if (at_ == end_) {
        bytes_ += behind_;
        is_filled_ = true;
    }
    rest_ = bytes_;
    return true;
}

IcapConversation::End IcapConversation::lose(std::string_view why) {
    why_ = why;
    return End::lost;
}

// A server that fails may do better at once; one that knows no such service, or method, will not.
IcapConversation::End IcapConversation::lose_by_status(int status) {
    why_ = "it answers with status " + std::to_string(status);
    return (status >= 400 && status < 500 && status != 408) || status == 501 || status == 505 ? End::refused : End::lost;
}

// Some octets more, either way.
IcapConversation::End IcapConversation::step() {
    if (rest_.empty() && !is_filled_) {
        bytes_.clear();
        if (!fill()) return End::unreadable;
    }
    buffer_.clear();
    const Status status = connection_.exchange(rest_, buffer_, chunk_bytes);
    unread_ = buffer_;
    has_heard_ = has_heard_ || !buffer_.empty();
    switch (status) {
        case Status::timed_out: return End::late;
        case Status::done: return End::judged;
        case Status::answered:
        case Status::lost: break;
    }
    return lose("it closed the connection before its answer's end");
}

IcapConversation::End IcapConversation::next(Piece& piece) {
    for (;;) {
        const auto read = reader_.next(unread_);
        if (!read) return lose(read.error().what);
        piece = *read;
        if (piece.kind != Kind::need_more) return End::judged;
        if (const End end = step(); end != End::judged) return end;
    }
}

IcapConversation::End IcapConversation::hear() {
    Piece piece;
    return next(piece);
}

IcapConversation::End IcapConversation::judge(const icap::Message& message, Outcome& outcome) {
    const icap::Response& response = reader_.response();
    if (!response.infection.empty()) {
        outcome = Outcome::infected(response.infection, engine);
        return End::judged;                                  // what it would send instead is not read
    }
    const bool is_unchanged = response.status == 204;
    if (response.status != 200 && !is_unchanged) return lose_by_status(response.status);
    if (is_unchanged) {
        // Nobody can know that of what it has not seen.
        if (!is_sent()) return lose("it answers before it has seen what there is");
        keeps_ = response.keeps_connection && !response.is_followed();
    } else {
        if (!response.parts) return lose("an ICAP server's answer says nothing of what it encapsulates");
        bool is_same = false;
        if (const End end = compare(message, is_same); end != End::judged) return end;
        if (!is_same) {
            outcome = Outcome::infected("ICAP.Refused", engine);
            return End::judged;
        }
        keeps_ = response.keeps_connection;
    }
    outcome = Outcome::clean();
    outcome.engine = engine;
    return End::judged;
}

// A service without 204 sends back what it got. What differs in any octet of the body, or begins in another way, is another message.
IcapConversation::End IcapConversation::compare(const icap::Message& message, bool& is_same) {
    std::uint64_t at = 0;
    for (is_same = true; is_same;) {
        Piece piece;
        if (const End end = next(piece); end != End::judged) return end;
        switch (piece.kind) {
            case Kind::need_more:
            case Kind::head: break;
            case Kind::heads: is_same = icap::begins_alike(message, *reader_.response().parts, piece.data); break;
            case Kind::data:
                is_same = has_octets_at(object_, at, piece.data);
                at += piece.data.size();
                break;
            case Kind::end: is_same = at == object_.size; return End::judged;
        }
    }
    return End::judged;
}

}  // namespace sluice::inspect
