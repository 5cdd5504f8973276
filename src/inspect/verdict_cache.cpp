// SPDX-License-Identifier: Apache-2.0
#include "inspect/verdict_cache.h"

#include "net/timer.h"

#include <utility>

namespace sluice::inspect {

namespace {

// As often somebody who waits looks whether its worker ends.
constexpr std::chrono::milliseconds look_time{250};

}  // namespace

net::Task<VerdictCache::Answer> VerdictCache::ask(net::Worker& worker, Key key) {
    bool has_waited = false;
    while (!worker.is_ending()) {
        std::shared_ptr<Waiting> waiting;
        {
            Part& part = part_of(key);
            const std::lock_guard lock(part.mutex);
            const auto [entry, is_new] = part.entries.try_emplace(key);
            if (!is_new && entry->second.findings && entry->second.until <= Clock::now()) {
                forget(part, entry);
                continue;
            }
            if (is_new) co_return Answer{.findings = nullptr, .turn = Turn(this, key), .is_shared = false};
            if (entry->second.findings) {
                part.order.splice(part.order.begin(), part.order, entry->second.place);
                co_return Answer{.findings = entry->second.findings, .turn = {}, .is_shared = has_waited};
            }
            waiting = std::make_shared<Waiting>(worker);
            entry->second.waiting.push_back(waiting);
        }
        has_waited = true;
        net::Timer look(worker.timers(), [&] { waiting->gate.open(); });
        while (!waiting->is_answered && !worker.is_ending()) {
            waiting->gate.shut();
            look.set(look_time);
            co_await waiting->gate.wait();
        }
        if (waiting->findings) co_return Answer{.findings = waiting->findings, .turn = {}, .is_shared = true};
    }
    co_return Answer{};
}

void VerdictCache::forget(Part& part, std::unordered_map<Key, Entry, KeyHash>::iterator entry) {
    part.size -= entry->second.size;
    part.order.erase(entry->second.place);
    part.entries.erase(entry);
}

void VerdictCache::end(const Key& key, std::shared_ptr<const Findings> findings, Clock::time_point until) {
    std::vector<std::shared_ptr<Waiting>> waiting;
    {
        Part& part = part_of(key);
        const std::lock_guard lock(part.mutex);
        const auto entry = part.entries.find(key);
        waiting = std::move(entry->second.waiting);
        if (!findings || findings->outcome.verdict == Verdict::unscannable) {
            part.entries.erase(entry);
        } else {
            entry->second.findings = findings;
            entry->second.until = until;
            entry->second.size = findings->size() + entry_size;
            part.order.push_front(key);
            entry->second.place = part.order.begin();
            part.size += entry->second.size;
            while (part.size > bytes_ && part.order.size() > 1) forget(part, part.entries.find(part.order.back()));
        }
    }
    for (std::shared_ptr<Waiting>& each : waiting) {
        net::Worker& worker = each->worker;
        worker.post([each = std::move(each), findings] {
            each->findings = findings;
            each->is_answered = true;
            each->gate.open();
        });
    }
}

void VerdictCache::Turn::finish(std::shared_ptr<const Findings> findings, Clock::time_point until) {
    if (cache_) std::exchange(cache_, nullptr)->end(key_, std::move(findings), until);
}

void VerdictCache::Turn::give_up() {
    if (cache_) std::exchange(cache_, nullptr)->end(key_, nullptr, {});
}

}  // namespace sluice::inspect
