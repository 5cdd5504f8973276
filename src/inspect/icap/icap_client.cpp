// SPDX-License-Identifier: Apache-2.0
#include "inspect/icap/icap_client.h"

#include "protocols/http1/chunked.h"
#include "protocols/http1/encoder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>

namespace sluice::inspect {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using Status = EngineConnection::Status;

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t most_idle = 16;
constexpr seconds idle_time{20};  // a connection that has waited longer may just be closing
constexpr seconds default_ttl{60};
constexpr seconds longest_ttl{3600};
constexpr std::uint64_t longest_preview = 1024 * 1024;

Outcome unscannable(Reason reason) { return Outcome::unscannable(reason, icap_engine); }

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

}  // namespace

// One request and its answer over one connection.
class IcapClient::Conversation {
public:
    enum class End : std::uint8_t { judged, lost, late, unreadable };

    Conversation(EngineConnection& connection, const Limits& limits) : connection_(connection), limits_(limits) {}

    // The answer that is not 100, and `end`.
    End ask_options(const icap::Service& service, icap::Options& out) {
        if (const End end = sent(connection_.send(icap::options_request(service))); end != End::judged) return end;
        icap::Response response;
        if (const End end = hear(response); end != End::judged) return end;
        if (response.status != 200) return End::lost;
        out = response.options;
        keeps_ = response.keeps_connection && !response.parts.has_body;
        return End::judged;
    }

    End ask(const icap::Service& service, const icap::Message& message, const Object& object, const icap::Options& options,
            Outcome& outcome) {
        std::optional<std::uint64_t> preview;
        if (options.preview && object.size > 0) preview = std::min({*options.preview, object.size, longest_preview});
        std::string bytes = icap::modification_request(service, message, preview, options.allows_204);
        is_early_ = false;
        const std::uint64_t first = preview.value_or(object.size);
        if (const End end = send_body(object, 0, first, std::move(bytes),
                                      !preview               ? icap::last_chunk
                                      : first == object.size ? icap::end_in_preview
                                                             : icap::end_of_preview);
            end != End::judged)
            return end;
        icap::Response response;
        if (const End end = hear(response); end != End::judged) return end;
        if (response.status == 100) {
            // Nobody may ask for more than there is.
            if (!preview || first == object.size || is_early_) return End::lost;
            if (const End end = send_body(object, first, object.size, {}, icap::last_chunk); end != End::judged) return end;
            if (const End end = hear(response); end != End::judged) return end;
            if (response.status == 100) return End::lost;
        }
        return judge(response, message, object, outcome);
    }

    // Whether another request may follow.
    bool keeps() const { return keeps_ && !is_early_ && buffer_.empty(); }
    bool has_heard() const { return has_heard_; }

private:
    static End sent(Status status) {
        switch (status) {
            case Status::done:
            case Status::answered: return End::judged;
            case Status::timed_out: return End::late;
            case Status::lost: break;
        }
        return End::lost;
    }

    // `bytes`, then the object's from `at` to `end` in chunks, then `behind`. A server that answers early wants no more.
    End send_body(const Object& object, std::uint64_t at, std::uint64_t end, std::string bytes, std::string_view behind) {
        for (;;) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, end - at));
            if (size > 0) {
                http1::ChunkPrefix prefix;
                bytes.append(prefix, http1::chunk_prefix(size, prefix));
                const std::size_t begin = bytes.size();
                bytes.resize(begin + size);
                if (!read_at(object, at, std::span(bytes).subspan(begin))) return End::unreadable;
                bytes += http1::chunk_suffix;
                at += size;
            }
            const bool is_last = at == end;
            if (is_last && object.size > 0) bytes += behind;
            const Status status = connection_.send(bytes);
            is_early_ = is_early_ || (status == Status::answered && !is_last);
            if (is_last || status != Status::done) return sent(status);
            bytes.clear();
        }
    }

    // The next head; its octets are taken.
    End hear(icap::Response& response) {
        for (;;) {
            if (!buffer_.empty()) {
                std::size_t consumed = 0;
                auto parsed = icap::parse_response(buffer_, limits_, consumed);
                if (!parsed) return End::lost;
                if (*parsed) {
                    response = **std::move(parsed);
                    buffer_.erase(0, consumed);
                    return End::judged;
                }
            }
            if (const End end = more(); end != End::judged) return end;
        }
    }
    End more() {
        const Status status = connection_.receive(buffer_, chunk_bytes);
        if (status == Status::timed_out) return End::late;
        if (status != Status::done) return End::lost;
        has_heard_ = true;
        return End::judged;
    }

    End judge(const icap::Response& response, const icap::Message& message, const Object& object, Outcome& outcome) {
        keeps_ = response.keeps_connection;
        if (!response.infection.empty() && (response.status == 200 || response.status == 204 || response.status == 403)) {
            keeps_ = false;  // what it would send instead is not read
            outcome = Outcome::infected(response.infection, icap_engine);
            return End::judged;
        }
        if (response.status == 204) {
            outcome = Outcome::clean();
            outcome.engine = icap_engine;
            // Nobody can know that of what it has not seen.
            return is_early_ ? End::lost : End::judged;
        }
        if (response.status != 200 || is_early_) return End::lost;
        bool is_same = false;
        if (const End end = compare(response.parts, message, object, is_same); end != End::judged) return end;
        outcome = is_same ? Outcome::clean() : Outcome::infected("ICAP.Refused", icap_engine);
        outcome.engine = icap_engine;
        return End::judged;
    }

    // A service without 204 sends back what it got. What differs in any octet is another message.
    End compare(const icap::Encapsulated& parts, const icap::Message& message, const Object& object, bool& is_same) {
        is_same = message.is_request ? parts.request_head && !parts.response_head : parts.response_head.has_value();
        keeps_ = keeps_ && is_same;
        if (!is_same) return End::judged;
        while (buffer_.size() < parts.body)
            if (const End end = more(); end != End::judged) return end;
        const std::size_t head_at = message.is_request ? *parts.request_head : *parts.response_head;
        if (!message.is_request) {
            // "HTTP/1.1 403 …": the page of one that refuses.
            const std::string_view line = std::string_view(buffer_).substr(head_at, parts.body - head_at);
            is_same = line.size() > 12 && line.starts_with("HTTP/1.") && line.substr(8, 5) == " 200 ";
        }
        buffer_.erase(0, parts.body);
        if (!parts.has_body) {
            is_same = is_same && object.size == 0;
            return End::judged;
        }
        http1::ChunkedDecoder decoder(limits_, Side::self);
        std::uint64_t at = 0;
        std::array<char, 16 * 1024> ours;
        while (is_same) {
            std::string_view rest = buffer_;
            while (is_same) {
                const auto piece = decoder.next(rest);
                if (!piece) return End::lost;
                if (piece->kind == http1::ChunkedDecoder::Piece::Kind::need_more) break;
                if (piece->kind == http1::ChunkedDecoder::Piece::Kind::end) {
                    buffer_.erase(0, buffer_.size() - rest.size());
                    is_same = at == object.size;
                    return End::judged;
                }
                for (std::string_view theirs = piece->data; !theirs.empty() && is_same;) {
                    const std::span<char> mine = std::span(ours).first(std::min(ours.size(), theirs.size()));
                    is_same = at + mine.size() <= object.size && read_at(object, at, mine) &&
                              std::string_view(mine) == theirs.substr(0, mine.size());
                    at += mine.size();
                    theirs.remove_prefix(mine.size());
                }
            }
            buffer_.clear();
            if (is_same)
                if (const End end = more(); end != End::judged) return end;
        }
        keeps_ = false;
        return End::judged;
    }

    EngineConnection& connection_;
    const Limits& limits_;
    std::string buffer_;
    bool is_early_ = false;
    bool keeps_ = false;
    bool has_heard_ = false;
};

IcapClient::IcapClient(Options options) : options_(std::move(options)) {
    service_.url = options_.url;
    const bool is_v6 = options_.host.contains(':');
    service_.authority = (is_v6 ? "[" : "") + options_.host + (is_v6 ? "]" : "") + ":" + std::to_string(options_.port);
}

Outcome IcapClient::scan(const Object& object, const icap::Message& about, Time deadline) const {
    struct stat status{};
    if (::fstat(object.descriptor, &status) != 0 || static_cast<std::uint64_t>(status.st_size) < object.size)
        return unscannable(Reason::truncated);
    if (steady_clock::now() >= deadline) return unscannable(Reason::timeout);
    return outage_.ask(icap_engine, deadline, [&] { return ask(object, about, deadline); });
}

std::optional<icap::Options> IcapClient::known_options() const {
    const std::scoped_lock lock(mutex_);
    if (!known_ || known_->until <= steady_clock::now()) return std::nullopt;
    return known_->options;
}

// False: there was no place before the deadline.
bool IcapClient::enter(std::optional<std::uint32_t> most, Time deadline) const {
    std::unique_lock lock(mutex_);
    const std::size_t places = std::max<std::size_t>(most.value_or(0), 1);
    if (most && !left_.wait_until(lock, deadline, [&] { return asking_ < places; })) return false;
    ++asking_;
    return true;
}

void IcapClient::leave() const {
    const std::scoped_lock lock(mutex_);
    --asking_;
    left_.notify_one();
}

// nullopt: the server has said nothing that counts; ask again.
std::optional<Outcome> IcapClient::ask(const Object& object, const icap::Message& about, Time deadline) const {
    using End = Conversation::End;
    auto options = known_options();
    if (!enter(options ? options->max_connections : std::nullopt, deadline)) return unscannable(Reason::timeout);
    const struct Leaving {
        const IcapClient& client;
        ~Leaving() { client.leave(); }
    } leaving{*this};
    icap::Message message = about;
    message.content_length = object.size;

    std::optional<EngineConnection> connection;
    bool is_used = false;
    const auto connect = [&]() -> Status {
        connection.emplace(deadline);
        is_used = false;
        return connection->connect_remote(options_.host, options_.port);
    };
    {
        const std::scoped_lock lock(mutex_);
        while (!idle_.empty() && !connection) {
            Idle last = std::move(idle_.back());
            idle_.pop_back();
            if (steady_clock::now() - last.since < idle_time && last.connection.is_quiet()) connection.emplace(std::move(last.connection));
        }
    }
    if (connection) {
        connection->set_deadline(deadline);
        is_used = true;
    } else if (const Status status = connect(); status != Status::done) {
        return status == Status::timed_out ? std::optional(unscannable(Reason::timeout)) : std::nullopt;
    }
    for (;;) {
        std::optional<Conversation> conversation(std::in_place, *connection, options_.limits);
        Outcome outcome;
        End end = End::judged;
        if (!options) {
            icap::Options fresh;
            end = conversation->ask_options(service_, fresh);
            if (end == End::judged) {
                const auto ttl = std::min(fresh.ttl_seconds ? seconds(*fresh.ttl_seconds) : default_ttl, longest_ttl);
                options = fresh;
                const std::scoped_lock lock(mutex_);
                known_ = Known{std::move(fresh), steady_clock::now() + ttl};
            }
            if (end == End::judged && !conversation->keeps()) {
                if (const Status status = connect(); status != Status::done) end = status == Status::timed_out ? End::late : End::lost;
                conversation.emplace(*connection, options_.limits);
            }
        }
        if (end == End::judged) end = conversation->ask(service_, message, object, *options, outcome);
        switch (end) {
            case End::late: return unscannable(Reason::timeout);
            case End::unreadable: return unscannable(Reason::truncated);
            case End::lost:
                // One that was used before may have been closed in this very moment.
                if (!is_used || conversation->has_heard()) return std::nullopt;
                if (const Status status = connect(); status != Status::done)
                    return status == Status::timed_out ? std::optional(unscannable(Reason::timeout)) : std::nullopt;
                continue;
            case End::judged: break;
        }
        if (conversation->keeps()) {
            const std::scoped_lock lock(mutex_);
            if (idle_.size() < most_idle) idle_.push_back({std::move(*connection), steady_clock::now()});
        }
        return outcome;
    }
}

}  // namespace sluice::inspect
