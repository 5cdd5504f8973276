// SPDX-License-Identifier: Apache-2.0
#include "net/resolver.h"

#include "net/dns_channel.h"
#include "net/waiter.h"
#include "net/worker.h"

#include <algorithm>
#include <list>

namespace sluice::net {

namespace {

// What the other family's answer may take longer than the first good one (RFC 8305 section 3).
constexpr std::chrono::milliseconds resolution_delay{50};

using Outcome = Result<std::shared_ptr<const Addresses>>;

std::shared_ptr<const Addresses> make_addresses(std::vector<IpAddress> list) {
    return std::make_shared<const Addresses>(Addresses{std::move(list)});
}

std::shared_ptr<const Addresses> sorted(const std::vector<IpAddress>& mixed, std::size_t at_most) {
    std::vector<IpAddress> v6;
    std::vector<IpAddress> v4;
    for (const IpAddress& address : mixed) (address.is_v6() ? v6 : v4).push_back(address);
    return make_addresses(interleaved(v6, v4, at_most));
}

bool is_absence(int status) { return status == ARES_ENOTFOUND || status == ARES_ENODATA; }

// Of two families without an address, what the caller is told.
Error failure_of(int v6, int v4) {
    const int told = !is_absence(v4) ? v4 : !is_absence(v6) ? v6 : v4 == ARES_ENODATA ? v4 : v6;
    if (told == ARES_ETIMEOUT) return {Errc::timed_out, Side::server, "no name server answered in time", told};
    if (told == ARES_ECANCELLED || told == ARES_EDESTRUCTION) return {Errc::cancelled, Side::self, "resolving was cancelled", told};
    return {Errc::unresolved, Side::server, is_absence(told) ? "the name has no address" : "the name cannot be resolved", told};
}

}  // namespace

std::vector<IpAddress> interleaved(const std::vector<IpAddress>& v6, const std::vector<IpAddress>& v4, std::size_t at_most) {
    std::vector<IpAddress> list;
    for (std::size_t i = 0; i < std::max(v6.size(), v4.size()); ++i) {
        if (i < v6.size()) list.push_back(v6[i]);
        if (i < v4.size()) list.push_back(v4[i]);
    }
    if (list.size() > at_most) list.resize(at_most);
    return list;
}

struct Resolver::State {
    struct Cached {
        Outcome outcome;
        Worker::Clock::time_point expires;
        std::list<std::string>::iterator use;                // in `by_use`
    };

    // One name on the wire, and all who wait for it.
    struct Lookup {
        Lookup(Worker& worker, std::string host)
            : name(std::move(host)),
              other_family(worker.timers(), [this] { on_time(); }),
              limit(worker.timers(), [this] { on_time(); }) {}
        std::string name;
        std::optional<DnsAnswer> v6;
        std::optional<DnsAnswer> v4;
        std::optional<Outcome> outcome;
        std::vector<Waiter*> waiters;
        Timer other_family;
        Timer limit;
        std::function<void()> on_time;
    };

    explicit State(Worker& on_worker) : worker(on_worker) {}
    ~State() {
        for (const auto& old : channels)
            if (const auto channel_alive = old.lock()) channel_alive->cancel();
    }

    const Cached* find_cached(std::string_view name);
    void store(const std::string& name, Outcome outcome, std::chrono::milliseconds ttl);
    void forget(NameMap<Cached>::iterator entry);
    std::shared_ptr<Lookup> look_up(std::string_view name);
    void on_answer(const std::shared_ptr<Lookup>& lookup, bool v6, DnsAnswer answer);
    void finish(const std::shared_ptr<Lookup>& lookup, bool time_is_up);
    void end(const std::shared_ptr<Lookup>& lookup, Outcome outcome);

    Worker& worker;
    std::shared_ptr<const HostsMap> hosts;
    ResolvConf servers;
    std::shared_ptr<DnsChannel> channel;
    std::vector<std::weak_ptr<DnsChannel>> channels;
    NameMap<std::shared_ptr<Lookup>> lookups;
    NameMap<Cached> cache;
    std::list<std::string> by_use;                           // the first: used last
    Counters counters;
};

const Resolver::State::Cached* Resolver::State::find_cached(std::string_view name) {
    const auto found = cache.find(name);
    if (found == cache.end()) return nullptr;
    if (found->second.expires <= Worker::now()) {
        forget(found);
        return nullptr;
    }
    by_use.splice(by_use.begin(), by_use, found->second.use);
    return &found->second;
}

void Resolver::State::forget(NameMap<Cached>::iterator entry) {
    by_use.erase(entry->second.use);
    cache.erase(entry);
}

void Resolver::State::store(const std::string& name, Outcome outcome, std::chrono::milliseconds ttl) {
    if (const auto old = cache.find(name); old != cache.end()) forget(old);
    if (worker.limits().dns_cache_entries == 0) return;
    while (cache.size() >= worker.limits().dns_cache_entries) forget(cache.find(by_use.back()));
    by_use.push_front(name);
    cache.emplace(name, Cached{std::move(outcome), Worker::now() + ttl, by_use.begin()});
}

std::shared_ptr<Resolver::State::Lookup> Resolver::State::look_up(std::string_view name) {
    if (const auto running = lookups.find(name); running != lookups.end()) return running->second;
    ++counters.queries;
    const auto lookup = std::make_shared<Lookup>(worker, std::string(name));
    lookups.emplace(lookup->name, lookup);
    lookup->on_time = [this, weak = std::weak_ptr(lookup)] {
        if (const auto still = weak.lock()) finish(still, true);
    };
    lookup->limit.set(worker.limits().resolve);
    for (const bool v6 : {true, false})
        channel->query(lookup->name, v6, [this, lookup, v6](DnsAnswer answer) { on_answer(lookup, v6, std::move(answer)); });
    return lookup;
}

void Resolver::State::on_answer(const std::shared_ptr<Lookup>& lookup, bool v6, DnsAnswer answer) {
    const bool is_late = lookup->outcome.has_value();
    if (is_late && answer.status != ARES_SUCCESS) return;
    (v6 ? lookup->v6 : lookup->v4) = std::move(answer);
    finish(lookup, is_late);
}

// With what there is. A late answer (the outcome is told already) only makes the cache better.
void Resolver::State::finish(const std::shared_ptr<Lookup>& lookup, bool time_is_up) {
    const auto& v6 = lookup->v6;
    const auto& v4 = lookup->v4;
    const Limits& limits = worker.limits();
    const bool is_good = (v6 && v6->status == ARES_SUCCESS) || (v4 && v4->status == ARES_SUCCESS);
    if (!time_is_up && !(v6 && v4)) {
        if (is_good) lookup->other_family.set(resolution_delay);
        return;
    }
    if (is_good) {
        static const std::vector<IpAddress> none;
        const bool good6 = v6 && v6->status == ARES_SUCCESS;
        const bool good4 = v4 && v4->status == ARES_SUCCESS;
        auto addresses = make_addresses(interleaved(good6 ? v6->addresses : none, good4 ? v4->addresses : none, limits.addresses_per_name));
        const std::chrono::milliseconds ttl = std::min(good6 ? v6->ttl : v4->ttl, good4 ? v4->ttl : v6->ttl);
        store(lookup->name, addresses, std::clamp(ttl, limits.dns_ttl_min, limits.dns_ttl_max));
        end(lookup, std::move(addresses));
        return;
    }
    if (!(v6 && v4)) {
        end(lookup, fail(Errc::timed_out, Side::server, "no name server answered in time", ARES_ETIMEOUT));
        return;
    }
    const Error error = failure_of(v6->status, v4->status);
    if (is_absence(v6->status) && is_absence(v4->status)) {
        const std::chrono::milliseconds ttl = std::min(v6->ttl, v4->ttl);
        store(lookup->name, std::unexpected(error), std::clamp(ttl, limits.dns_ttl_min, std::max(limits.dns_negative, limits.dns_ttl_min)));
    }
    end(lookup, std::unexpected(error));
}

void Resolver::State::end(const std::shared_ptr<Lookup>& lookup, Outcome outcome) {
    if (lookup->outcome) return;
    if (!outcome) ++counters.failures;
    lookup->outcome = std::move(outcome);
    lookup->other_family.cancel();
    lookup->limit.cancel();
    for (Waiter* waiter : lookup->waiters) waiter->wake();
    // A use of new servers may have begun the same name again.
    if (const auto running = lookups.find(lookup->name); running != lookups.end() && running->second == lookup) lookups.erase(running);
}

Resolver::Resolver(Worker& worker) : state_(std::make_unique<State>(worker)) {}

Resolver::~Resolver() { cancel(); }

void Resolver::use(const NameData& data) {
    State& state = *state_;
    state.hosts = data.hosts;
    if (state.channel && state.servers == data.servers) return;
    state.servers = data.servers;
    state.channel = std::make_shared<DnsChannel>(state.worker, data.servers);   // questions already asked go on with the old one
    std::erase_if(state.channels, [](const auto& channel) { return channel.expired(); });
    state.channels.push_back(state.channel);
    state.cache.clear();
    state.by_use.clear();
    state.lookups.clear();
}

Task<Outcome> Resolver::resolve(std::string_view host) {
    State& state = *state_;
    const std::size_t at_most = state.worker.limits().addresses_per_name;
    if (const auto literal = IpAddress::parse(host)) co_return make_addresses({literal->unmapped()});
    if (host.ends_with('.')) host.remove_suffix(1);
    if (state.hosts)
        if (const auto found = state.hosts->find(host); found != state.hosts->end()) co_return sorted(found->second, at_most);
    // RFC 6761 section 6.3: never asked of anybody.
    if (host == "localhost" || host.ends_with(".localhost"))
        co_return make_addresses({*IpAddress::parse("::1"), *IpAddress::parse("127.0.0.1")});
    if (const State::Cached* cached = state.find_cached(host)) {
        ++state.counters.cache_hits;
        co_return cached->outcome;
    }
    if (host.empty() || !state.channel || state.worker.is_ending())
        co_return fail(Errc::unresolved, Side::server, "the name cannot be resolved", host.empty() ? ARES_EBADNAME : ARES_ENOTINITIALIZED);
    const auto lookup = state.look_up(host);
    Waiter waiter;
    lookup->waiters.push_back(&waiter);
    while (!lookup->outcome) co_await waiter.wait();
    std::erase(lookup->waiters, &waiter);
    co_return *lookup->outcome;
}

const Resolver::Counters& Resolver::counters() const { return state_->counters; }

std::size_t Resolver::cached() const { return state_->cache.size(); }

void Resolver::cancel() {
    const auto running = std::move(state_->lookups);
    state_->lookups.clear();
    for (const auto& [name, lookup] : running) state_->end(lookup, fail(Errc::cancelled, Side::self, "resolving was cancelled"));
}

}  // namespace sluice::net
