// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/entry_table.h"

#include <sys/random.h>

#include <bit>
#include <limits>
#include <random>

namespace sluice::policy {

namespace {

// An entry in the text: its set, its length, its bytes; not aligned.
constexpr std::size_t header_bytes = sizeof(SetId) + sizeof(std::uint16_t);
// Where a search more often than not ends in its first bucket, and eight slots of 8 bytes are not wasted: half full.
constexpr std::size_t entries_a_bucket = 4;
// While building, up to 60 %.
constexpr bool is_crowded(std::size_t entries, std::size_t buckets) { return entries * 5 >= buckets * 24; }

struct Entry {
    std::byte* at;

    SetId set() const {
        SetId out;
        std::memcpy(&out, at, sizeof out);
        return out;
    }
    void set(SetId set) const { std::memcpy(at, &set, sizeof set); }
    std::string_view text() const {
        std::uint16_t length;
        std::memcpy(&length, at + sizeof(SetId), sizeof length);
        return {reinterpret_cast<const char*>(at + header_bytes), length};
    }
    std::size_t bytes() const { return header_bytes + text().size(); }
};

std::uint32_t tag_of(std::uint64_t hash) {
    const auto low = static_cast<std::uint32_t>(hash);
    return low != 0 ? low : 1;
}

std::size_t bucket_number(std::uint64_t hash, std::size_t buckets) {
    return static_cast<std::size_t>((static_cast<unsigned __int128>(hash) * buckets) >> 64);
}

// One bit for each slot of the bucket whose tag it is.
unsigned slots_with(const std::array<std::uint32_t, 8>& tags, std::uint32_t tag) {
    using Tags = std::uint32_t __attribute__((ext_vector_type(8)));
    using Equal = bool __attribute__((ext_vector_type(8)));
    const auto equal = __builtin_convertvector(__builtin_bit_cast(Tags, tags) == Tags(tag), Equal);
    return __builtin_bit_cast(std::uint8_t, equal);
}

}  // namespace

HashSeed HashSeed::of_process() {
    static const HashSeed seed = [] {
        HashSeed out;
        if (getrandom(out.key.data(), sizeof out.key, 0) != static_cast<ssize_t>(sizeof out.key)) {
            std::random_device source;
            for (auto& key : out.key) key = std::uint64_t{source()} << 32 | source();
        }
        for (auto& key : out.key) key |= 1;
        return out;
    }();
    return seed;
}

std::uint64_t hash_bytes(const HashSeed& seed, std::string_view text) { return hash_piece(seed, hash_start(seed), text); }

EntryTable::Builder::Builder(Hash hash, std::size_t expected_entries) : hash_(hash) { grow(expected_entries / entries_a_bucket + 1); }

bool EntryTable::Builder::add(std::string_view text, ListId list) {
    if (text.empty() || text.size() > longest_entry) return false;
    auto* buckets = reinterpret_cast<Bucket*>(buckets_.data());
    const std::uint64_t hash = hash_(seed_, text);
    const std::uint32_t tag = tag_of(hash);
    std::size_t number = bucket_number(hash, bucket_count_);
    for (;; number = number + 1 == bucket_count_ ? 0 : number + 1) {
        Bucket& bucket = buckets[number];
        for (unsigned slots = slots_with(bucket.tags, tag); slots != 0; slots &= slots - 1) {
            const Entry entry{text_.data() + bucket.places[static_cast<std::size_t>(std::countr_zero(slots))]};
            if (entry.text() != text) continue;
            const SetId old = entry.set();
            const SetId now = sets_.with(old, list);
            entry.set(now);
            return now != old;
        }
        const unsigned free = slots_with(bucket.tags, 0);
        if (free == 0) continue;

        const std::size_t end = text_size_ + header_bytes + text.size();
        if (end > std::numeric_limits<std::uint32_t>::max()) return false;
        if (end > text_.size()) text_.resize(end + end / 2 + 4096);
        const Entry entry{text_.data() + text_size_};
        const auto length = static_cast<std::uint16_t>(text.size());
        entry.set(sets_.with(0, list));
        std::memcpy(entry.at + sizeof(SetId), &length, sizeof length);
        std::memcpy(entry.at + header_bytes, text.data(), text.size());
        const auto slot = static_cast<std::size_t>(std::countr_zero(free));
        bucket.tags[slot] = tag;
        bucket.places[slot] = static_cast<std::uint32_t>(text_size_);
        text_size_ = end;
        ++entries_;
        if (is_crowded(entries_, bucket_count_)) grow(bucket_count_ * 2);
        return true;
    }
}

void EntryTable::Builder::remove(ListId list) {
    const std::vector<SetId> left = sets_.without(list);
    for (std::size_t at = 0; at < text_size_;) {
        const Entry entry{text_.data() + at};
        entry.set(left[entry.set()]);
        at += entry.bytes();
    }
    removed_ = true;
}

EntryTable EntryTable::Builder::build() && {
    if (removed_) {
        std::size_t kept = 0;
        entries_ = 0;
        for (std::size_t at = 0; at < text_size_;) {
            const Entry entry{text_.data() + at};
            const std::size_t bytes = entry.bytes();
            if (entry.set() != 0) {
                std::memmove(text_.data() + kept, entry.at, bytes);
                kept += bytes;
                ++entries_;
            }
            at += bytes;
        }
        text_size_ = kept;
    }
    const std::size_t wanted = entries_ / entries_a_bucket + 1;
    if (removed_ || bucket_count_ > wanted + wanted / 4) grow(wanted);
    text_.resize(text_size_);
    sets_.freeze();
    EntryTable out;
    out.seed_ = seed_;
    out.buckets_ = std::move(buckets_);
    out.text_ = std::move(text_);
    out.bucket_count_ = bucket_count_;
    out.text_size_ = text_size_;
    out.entries_ = entries_;
    out.sets_ = std::move(sets_);
    return out;
}

void EntryTable::Builder::grow(std::size_t count) {
    buckets_ = Pages();                                         // the old ones go first: everything is in the text
    buckets_.resize(count * sizeof(Bucket));
    bucket_count_ = count;
    auto* buckets = reinterpret_cast<Bucket*>(buckets_.data());
    for (std::size_t at = 0; at < text_size_;) {
        const Entry entry{text_.data() + at};
        const std::uint64_t hash = hash_(seed_, entry.text());
        std::size_t number = bucket_number(hash, count);
        unsigned free;
        while ((free = slots_with(buckets[number].tags, 0)) == 0) number = number + 1 == count ? 0 : number + 1;
        const auto slot = static_cast<std::size_t>(std::countr_zero(free));
        buckets[number].tags[slot] = tag_of(hash);
        buckets[number].places[slot] = static_cast<std::uint32_t>(at);
        at += entry.bytes();
    }
}

const EntryTable::Bucket* EntryTable::bucket_of(std::uint64_t hash) const {
    return reinterpret_cast<const Bucket*>(buckets_.data()) + bucket_number(hash, bucket_count_);
}

SetId EntryTable::find(std::uint64_t hash, std::string_view text) const {
    if (entries_ == 0) return 0;
    const auto* buckets = reinterpret_cast<const Bucket*>(buckets_.data());
    const std::uint32_t tag = tag_of(hash);
    std::size_t number = bucket_number(hash, bucket_count_);
    for (;; number = number + 1 == bucket_count_ ? 0 : number + 1) {
        const Bucket& bucket = buckets[number];
        for (unsigned slots = slots_with(bucket.tags, tag); slots != 0; slots &= slots - 1) {
            const Entry entry{const_cast<std::byte*>(text_.data()) + bucket.places[static_cast<std::size_t>(std::countr_zero(slots))]};
            if (entry.text() == text) return entry.set();
        }
        if (bucket.tags[7] == 0) return 0;                      // slots are taken from the front, and never given back
    }
}

void EntryTable::for_each(const std::function<void(std::string_view, std::span<const ListId>)>& each) const {
    for (std::size_t at = 0; at < text_size_;) {
        const Entry entry{const_cast<std::byte*>(text_.data()) + at};
        each(entry.text(), sets_.members(entry.set()));
        at += entry.bytes();
    }
}

}  // namespace sluice::policy
