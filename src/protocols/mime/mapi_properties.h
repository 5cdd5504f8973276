// SPDX-License-Identifier: Apache-2.0
// A list of MAPI properties as TNEF has it (MS-OXTNEF 2.1.3.4), as it streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::mime {

class MapiProperties {
public:
    static constexpr std::uint16_t string8 = 0x1e;
    static constexpr std::uint16_t unicode = 0x1f;
    static constexpr std::uint16_t object = 0x0d;
    static constexpr std::uint16_t binary = 0x102;
    static constexpr std::uint16_t many = 0x1000;  // the flag of a type of which there are several values

    struct Property {
        std::uint16_t id = 0;
        std::uint16_t type = 0;
    };
    // Hears the values whose size is not fixed, in pieces. Views live until the call returns.
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual void on_value_begin(Property property) = 0;
        virtual void on_value(Property property, std::string_view octets) = 0;
    };

    explicit MapiProperties(Listener& listener) : listener_(listener) {}  // which outlives it

    void feed(std::string_view in);
    bool is_over() const { return state_ == State::over; }  // all that it announced came
    bool is_broken() const { return state_ == State::broken; }

private:
    // What the next octets are.
    enum class State : std::uint8_t { count, tag, named, named_id, name_length, value_count, value_length, value, skipped, over, broken };

    void want(State state, std::uint64_t octets);
    void step();
    void value_follows();
    void next_value();
    void property_over();
    void skip(std::uint64_t octets, State next);
    void skipped_over();
    std::uint32_t number() const;

    Listener& listener_;
    State state_ = State::count;
    std::string gathered_;
    std::uint64_t needed_ = 4;  // octets to gather, or that remain of what streams
    State behind_skipped_ = State::tag;
    Property property_;
    std::uint32_t properties_left_ = 0;
    std::uint32_t values_left_ = 0;
    std::uint32_t padding_ = 0;
};

}  // namespace sluice::mime
