// SPDX-License-Identifier: Apache-2.0
// What is known of contents that passed lately, so that each is scanned once; who asks while it is being scanned waits for that scan. Shared by all
// workers, in parts with a lock each. Bounded in octets: what was not asked for longest goes first.
#pragma once

#include "inspect/findings.h"
#include "inspect/signatures/content_hash.h"
#include "net/gate.h"
#include "net/worker.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace sluice::inspect {

class VerdictCache {
public:
    using Clock = std::chrono::steady_clock;
    // A keyed hash of the content and of all that the answer depends on, and the content's length.
    struct Key {
        ContentHash::Value hash{};
        std::uint64_t length = 0;
        bool operator==(const Key&) const = default;
    };

    explicit VerdictCache(std::size_t bytes) : bytes_(bytes / parts) {}
    VerdictCache(const VerdictCache&) = delete;
    VerdictCache& operator=(const VerdictCache&) = delete;

    // Who has one must scan; what it finds goes to those who wait. Destroyed without `finish`: one of them gets the next one.
    class Turn {
    public:
        Turn() = default;
        Turn(Turn&& other) noexcept : cache_(std::exchange(other.cache_, nullptr)), key_(other.key_) {}
        Turn& operator=(Turn&& other) noexcept {
            if (this != &other) give_up();
            cache_ = std::exchange(other.cache_, nullptr);
            key_ = other.key_;
            return *this;
        }
        ~Turn() { give_up(); }

        // Kept until `until`, unless the content could not be scanned.
        void finish(std::shared_ptr<const Findings> findings, Clock::time_point until = Clock::time_point::max());
        explicit operator bool() const { return cache_ != nullptr; }

    private:
        friend class VerdictCache;
        Turn(VerdictCache* cache, const Key& key) : cache_(cache), key_(key) {}
        void give_up();
        VerdictCache* cache_ = nullptr;
        Key key_;
    };
    struct Answer {
        std::shared_ptr<const Findings> findings;  // null: `turn` is held
        Turn turn;
        bool is_shared = false;  // of a scan that somebody else had begun
    };

    // From a worker. Until there is an answer, or the worker ends (then neither is held).
    net::Task<Answer> ask(net::Worker& worker, Key key);

private:
    // One who waits. Woken by a call posted to its worker.
    struct Waiting {
        net::Worker& worker;
        net::Gate gate;
        std::shared_ptr<const Findings> findings;
        bool is_answered = false;
    };
    struct Entry {
        std::shared_ptr<const Findings> findings;  // null: being scanned
        Clock::time_point until = Clock::time_point::max();
        std::vector<std::shared_ptr<Waiting>> waiting;
        std::list<Key>::iterator place;  // in `order`, where there are findings
        std::size_t size = 0;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept {
            std::size_t out = 0;  // nobody outside can choose it
            std::memcpy(&out, key.hash.data() + 8, sizeof out);
            return out;
        }
    };
    struct Part {
        std::mutex mutex;
        std::unordered_map<Key, Entry, KeyHash> entries;
        std::list<Key> order;  // asked for last at the front
        std::size_t size = 0;
    };
    static constexpr std::size_t parts = 16;
    static constexpr std::size_t entry_size = 256;  // of the containers, about

    Part& part_of(const Key& key) { return parts_[key.hash[0] % parts]; }
    void forget(Part& part, std::unordered_map<Key, Entry, KeyHash>::iterator entry);
    void end(const Key& key, std::shared_ptr<const Findings> findings, Clock::time_point until);

    const std::size_t bytes_;  // of a part
    std::array<Part, parts> parts_;
};

}  // namespace sluice::inspect
