// SPDX-License-Identifier: Apache-2.0
#include "inspect/icap/icap_client.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sluice::inspect {

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t most_idle = 16;
constexpr seconds idle_time{20};  // a connection that has waited longer may just be closing
constexpr seconds default_ttl{60};
constexpr seconds longest_ttl{3600};
constexpr int most_failures = 3;  // of a server that is there, for one object
constexpr seconds complaint_pause{1};  // between two lines of the log
constexpr seconds same_complaint_pause{60};

Outcome unscannable(Reason reason) { return Outcome::unscannable(reason, icap_engine); }

// What it is asked in. A service that has one method alone judges contents that go the other way all the same: an upload as what a server sent, a download
// as what a client sends.
icap::Message words_for(const icap::Options& options, const icap::Message& about, const Object& object) {
    icap::Message message = about;
    message.content_length = object.size;
    if (options.has_reqmod == options.has_respmod || message.is_request == options.has_reqmod) return message;
    message.is_request = options.has_reqmod;
    if (message.is_request) message.method = "PUT";  // a GET's body is not looked for
    return message;
}

}  // namespace

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
    int failures = 0;
    return outage_.ask(icap_engine, deadline, [&](bool& is_there) -> std::optional<Outcome> {
        std::optional<Outcome> outcome = ask(object, about, deadline, is_there);
        if (outcome) return outcome;
        forget_options();
        // It is this object that it fails on, perhaps: the server is not down for others.
        if (is_there && ++failures == most_failures) return unscannable(Reason::engine_down);
        return std::nullopt;
    });
}

std::optional<icap::Options> IcapClient::known_options() const {
    const std::scoped_lock lock(mutex_);
    if (!known_ || known_->until <= steady_clock::now()) return std::nullopt;
    return known_->options;
}

void IcapClient::remember(const icap::Options& options) const {
    const auto ttl = std::min(options.ttl_seconds ? seconds(*options.ttl_seconds) : default_ttl, longest_ttl);
    const std::scoped_lock lock(mutex_);
    known_ = Known{options, steady_clock::now() + ttl};
}

void IcapClient::forget_options() const {
    const std::scoped_lock lock(mutex_);
    known_.reset();
}

void IcapClient::note_istag(const std::string& istag) const {
    const std::scoped_lock lock(mutex_);
    if (istag.empty() || istag == istag_) return;
    if (!istag_.empty()) {
        changes_.fetch_add(1, std::memory_order_relaxed);
        known_.reset();
    }
    istag_ = istag;
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

std::optional<EngineConnection> IcapClient::take_idle(Time deadline) const {
    const std::scoped_lock lock(mutex_);
    while (!idle_.empty()) {
        Idle last = std::move(idle_.back());
        idle_.pop_back();
        if (steady_clock::now() - last.since >= idle_time || !last.connection.is_quiet()) continue;
        last.connection.set_deadline(deadline);
        return std::move(last.connection);
    }
    return std::nullopt;
}

void IcapClient::keep(EngineConnection connection, const icap::Options& options) const {
    const std::scoped_lock lock(mutex_);
    if (idle_.size() < std::min<std::size_t>(most_idle, options.max_connections.value_or(most_idle)))
        idle_.push_back({std::move(connection), steady_clock::now()});
}

void IcapClient::complain(std::string_view what) const {
    const std::scoped_lock lock(mutex_);
    const Time now = steady_clock::now();
    if (complained_ && now - *complained_ < (what == complaint_ ? same_complaint_pause : complaint_pause)) return;
    complaint_ = what;
    complained_ = now;
    spdlog::warn("icap: {}: {}", std::string_view(options_.url).substr(0, options_.url.find('?')), what);
}

// nullopt: the server has said nothing that counts; ask again. `is_there`: it has said something.
std::optional<Outcome> IcapClient::ask(const Object& object, const icap::Message& about, Time deadline, bool& is_there) const {
    using End = IcapConversation::End;
    auto options = known_options();
    if (!enter(options ? options->max_connections : std::nullopt, deadline)) return unscannable(Reason::timeout);
    const struct Leaving {
        const IcapClient& client;
        ~Leaving() { client.leave(); }
    } leaving{*this};

    auto connection = take_idle(deadline);
    bool is_used = connection.has_value();
    for (;;) {
        End end = End::judged;
        std::string why;
        Outcome outcome;
        bool keeps = true;
        if (!connection || !options) end = prepare(connection, options, deadline, is_there, why);
        if (end == End::judged) {
            IcapConversation conversation(*connection, options_.limits);
            end = conversation.ask(service_, words_for(*options, about, object), object, *options, outcome);
            is_there = is_there || conversation.has_heard();
            keeps = conversation.keeps_connection();
            why = conversation.why();
            if (end == End::judged) note_istag(conversation.istag());
        }
        switch (end) {
            case End::judged:
                if (keeps) keep(*std::move(connection), *options);
                return outcome;
            case End::late: return unscannable(Reason::timeout);
            case End::unreadable: return unscannable(Reason::overloaded);
            case End::refused:
                complain(why);
                forget_options();
                return unscannable(Reason::engine_down);
            case End::lost:
                // One that was used before may have been closed in this very moment.
                if (is_used && !is_there) {
                    is_used = false;
                    connection.reset();
                    continue;
                }
                complain(why);
                return std::nullopt;
        }
    }
}

// A connection, and what the service says of itself, where these are not there.
IcapConversation::End IcapClient::prepare(std::optional<EngineConnection>& connection, std::optional<icap::Options>& options, Time deadline,
                                          bool& is_there, std::string& why) const {
    using End = IcapConversation::End;
    const auto connect = [&] {
        why = "cannot be reached";
        switch (connection.emplace(deadline).connect_remote(options_.host, options_.port)) {
            case EngineConnection::Status::done: return End::judged;
            case EngineConnection::Status::timed_out: return End::late;
            case EngineConnection::Status::answered:
            case EngineConnection::Status::lost: break;
        }
        return End::lost;
    };
    if (!connection)
        if (const End end = connect(); end != End::judged) return end;
    if (options) return End::judged;
    IcapConversation conversation(*connection, options_.limits);
    icap::Options fresh;
    const End end = conversation.ask_options(service_, fresh);
    is_there = is_there || conversation.has_heard();
    why = conversation.why();
    if (end != End::judged) return end;
    remember(fresh);
    options = std::move(fresh);
    return conversation.keeps_connection() ? End::judged : connect();
}

}  // namespace sluice::inspect
