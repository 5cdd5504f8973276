// SPDX-License-Identifier: Apache-2.0
// What is known of a transaction, by field. Values are views (addresses and numbers are kept): the caller owns the text and keeps it until
// the facts are cleared or set anew. Nothing is allocated, but for more tags than usual.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cassert>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/name_value.h"
#include "policy/field.h"

namespace sluice::policy {

class Facts {
public:
    Facts() { tags_.reserve(8); }

    // One value. A single string is fine for a field that may have many.
    void set(Field field, std::string_view text) { put(field, text.data(), text.size(), false); }
    template <std::integral I>
        requires(!std::same_as<I, bool>)
    void set(Field field, I number) {
        put(field, nullptr, static_cast<std::uint64_t>(static_cast<std::int64_t>(number)), false);
    }
    template <std::same_as<bool> B>
    void set(Field field, B value) {
        put(field, nullptr, value ? 1 : 0, false);
    }
    // `address` unmapped. Only client.ip and server.ip.
    void set(Field field, const IpAddress& address) {
        ip_[ip_index(field)] = address;
        put(field, nullptr, 0, false);
    }
    void set_many(Field field, std::span<const std::string_view> values) {
        if (values.empty()) return clear(field);
        put(field, values.data(), values.size(), true);
    }
    // Field::request_header or Field::response_header; names in any case.
    void set_headers(Field field, std::span<const NameValue> headers) { put(field, headers.data(), headers.size(), true); }
    void clear(Field field) { known_.reset(index(field)); }
    // Which of `Policy::body_patterns` were found: a bit for each, by its number. Without it, or where nothing was looked at, `body` is not
    // known.
    void set_body_found(std::span<const std::uint64_t> bits) { put(Field::body, bits.data(), bits.size(), true); }
    // Whether the payload is a program or a script, by its content, or may hold one for all that is known: what `unscanned` asks and no rule can.
    void set_program(bool is_program) { is_program_ = is_program; }
    void clear() {
        known_.reset();
        tags_.clear();
        is_program_ = false;
    }

    bool has(Field field) const { return field == Field::tags ? !tags_.empty() : known_.test(index(field)); }
    bool is_many(Field field) const { return slots_[index(field)].many; }
    std::string_view text(Field field) const { return {static_cast<const char*>(slots_[index(field)].data), slots_[index(field)].size}; }
    std::int64_t number(Field field) const { return static_cast<std::int64_t>(slots_[index(field)].size); }
    bool boolean(Field field) const { return slots_[index(field)].size != 0; }
    const IpAddress& ip(Field field) const { return ip_[ip_index(field)]; }
    std::span<const std::string_view> many(Field field) const {
        return {static_cast<const std::string_view*>(slots_[index(field)].data), slots_[index(field)].size};
    }
    std::span<const NameValue> headers(Field field) const {
        if (!has(field)) return {};
        return {static_cast<const NameValue*>(slots_[index(field)].data), slots_[index(field)].size};
    }

    std::span<const std::uint64_t> body_found() const {
        if (!has(Field::body)) return {};
        return {static_cast<const std::uint64_t*>(slots_[index(Field::body)].data), slots_[index(Field::body)].size};
    }
    bool is_program() const { return is_program_; }

    // Tags set by `tag` rules: views into the policy that set them, each once. A session that judges several transactions of one connection
    // keeps those of phase `connect`: `keep_tags(tags().size() then)`.
    std::span<const std::string_view> tags() const { return tags_; }
    bool add_tag(std::string_view tag) {  // false: it was there
        if (std::ranges::find(tags_, tag) != tags_.end()) return false;
        tags_.push_back(tag);
        return true;
    }
    void keep_tags(std::size_t first) { tags_.resize(std::min(first, tags_.size())); }

private:
    struct Slot {
        const void* data = nullptr;
        std::uint64_t size = 0;
        bool many = false;
    };
    static constexpr std::size_t index(Field field) { return static_cast<std::size_t>(field); }
    static std::size_t ip_index(Field field) {
        assert(field == Field::client_ip || field == Field::server_ip);
        return field == Field::client_ip ? 0 : 1;
    }
    void put(Field field, const void* data, std::uint64_t size, bool many) {
        slots_[index(field)] = {data, size, many};
        known_.set(index(field));
    }

    std::bitset<field_count> known_;
    std::array<Slot, field_count> slots_{};
    std::array<IpAddress, 2> ip_{};
    std::vector<std::string_view> tags_;
    bool is_program_ = false;
};

}  // namespace sluice::policy
