// SPDX-License-Identifier: Apache-2.0
// Text -> set of lists, for millions of entries: an exact, immutable hash table of about 16 bytes a slot beside the text itself.
//
// A bucket is one cache line: eight tags (32 bits of the hash) and eight places in the text. A text that is not there costs that one line;
// one that is there another, for its text. The hash is keyed with random numbers of the process, and how long a search is was settled
// when the table was built: a hostile name cannot make it longer.
#pragma once

#include "policy/lists/list_sets.h"
#include "policy/lists/pages.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

namespace sluice::policy {

struct HashSeed {
    std::array<std::uint64_t, 3> key{};
    static HashSeed of_process();                               // random, the same for the life of the process
};

// Multiplies to 128 bits and folds: the step of a fast keyed hash.
inline std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Goes on hashing from `state` with one piece (a label, a segment, a whole text).
inline std::uint64_t hash_piece(const HashSeed& seed, std::uint64_t state, std::string_view piece) {
    const char* at = piece.data();
    std::size_t left = piece.size();
    const auto load64 = [](const char* from) {
        std::uint64_t word;
        std::memcpy(&word, from, 8);
        return word;
    };
    const auto load32 = [](const char* from) {
        std::uint32_t word;
        std::memcpy(&word, from, 4);
        return std::uint64_t{word};
    };
    const auto load8 = [](const char* from) { return std::uint64_t{static_cast<unsigned char>(*from)}; };
    for (; left > 8; left -= 8, at += 8) state = fold(state ^ load64(at), seed.key[1]);
    std::uint64_t last = 0;
    if (left >= 4) last = load32(at) | load32(at + left - 4) << 32;
    else if (left > 0) last = load8(at) | load8(at + left / 2) << 8 | load8(at + left - 1) << 16;
    return fold(state ^ last, seed.key[2] ^ piece.size());
}

inline std::uint64_t hash_start(const HashSeed& seed) { return seed.key[0]; }
std::uint64_t hash_bytes(const HashSeed& seed, std::string_view text);

class EntryTable {
    struct alignas(64) Bucket {
        std::array<std::uint32_t, 8> tags;                      // 0: free; taken from the front
        std::array<std::uint32_t, 8> places;                    // of the entry in the text, in bytes
    };

public:
    static constexpr std::size_t longest_entry = 4096;          // bytes
    using Hash = std::uint64_t (*)(const HashSeed& seed, std::string_view text);

    class Builder {
    public:
        explicit Builder(Hash hash, std::size_t expected_entries = 0);
        // False: was in that list already, is empty or longer than `longest_entry`, or the table is full (4 GiB of text).
        bool add(std::string_view text, ListId list);
        void remove(ListId list);                               // slow: for a list that came out bad
        EntryTable build() &&;

    private:
        friend class EntryTable;
        void grow(std::size_t buckets);

        Hash hash_;
        HashSeed seed_ = HashSeed::of_process();
        Pages buckets_, text_;
        std::size_t bucket_count_ = 0, text_size_ = 0, entries_ = 0;
        ListSets sets_;
        bool removed_ = false;
    };

    EntryTable() = default;
    const HashSeed& seed() const { return seed_; }
    void prefetch(std::uint64_t hash) const { __builtin_prefetch(bucket_of(hash)); }
    // The set of lists that hold `text`; 0: none. `hash`: as the builder's function makes it.
    SetId find(std::uint64_t hash, std::string_view text) const;
    const ListSets& sets() const { return sets_; }
    void for_each(const std::function<void(std::string_view, std::span<const ListId>)>& each) const;
    bool empty() const { return entries_ == 0; }
    std::size_t size() const { return entries_; }
    std::size_t memory_bytes() const { return buckets_.size() + text_.size() + sets_.memory_bytes(); }

private:
    const Bucket* bucket_of(std::uint64_t hash) const;

    HashSeed seed_;
    Pages buckets_, text_;
    std::size_t bucket_count_ = 0, text_size_ = 0, entries_ = 0;
    ListSets sets_;
};

}  // namespace sluice::policy
