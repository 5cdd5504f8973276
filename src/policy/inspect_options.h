// SPDX-License-Identifier: Apache-2.0
// How a payload is to be inspected, as far as rules say: the keys of `inspect`. What no rule says is [inspect]'s. The words are the same there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "policy/field.h"

namespace sluice::policy {

struct Rule;
struct Effects;

enum class Engine : std::uint8_t { hash, signatures, yara, clamav, icap };
enum class Deliver : std::uint8_t { automatic, hold, tail, stream };
enum class Whole : std::uint8_t { risky, all };  // payloads for which whole-object engines run
enum class Ranges : std::uint8_t { automatic, whole, pass, block };

// In the order of the enumerators.
inline constexpr std::array<std::string_view, 5> engine_words{"hash", "signatures", "yara", "clamav", "icap"};
inline constexpr std::array<std::string_view, 4> deliver_words{"auto", "hold", "tail", "stream"};
inline constexpr std::array<std::string_view, 2> whole_words{"risky", "all"};
inline constexpr std::array<std::string_view, 4> ranges_words{"auto", "whole", "pass", "block"};

class EngineSet {
public:
    constexpr EngineSet() = default;
    constexpr EngineSet(std::initializer_list<Engine> engines) {
        for (const Engine engine : engines) add(engine);
    }
    constexpr void add(Engine engine) { bits_ = static_cast<std::uint8_t>(bits_ | 1U << static_cast<unsigned>(engine)); }
    constexpr bool has(Engine engine) const { return (bits_ >> static_cast<unsigned>(engine) & 1U) != 0; }
    constexpr bool empty() const { return bits_ == 0; }
    // Those that are in both.
    constexpr EngineSet among(EngineSet other) const {
        EngineSet out;
        out.bits_ = static_cast<std::uint8_t>(bits_ & other.bits_);
        return out;
    }
    friend constexpr bool operator==(EngineSet, EngineSet) = default;

private:
    std::uint8_t bits_ = 0;
};

// Of one rule, or what several say together.
struct InspectOptions {
    std::optional<EngineSet> engines;  // none of them: the payload is `skipped`, by `engines_rule`
    std::optional<Deliver> deliver;
    std::optional<Whole> whole;
    std::optional<Ranges> ranges;  // of what is asked for: a response, or FTP's RETR, STOR and APPE
    std::optional<std::uint64_t> max_size;  // bytes
    std::optional<bool> trickle;
    const Rule* engines_rule = nullptr;  // that said `engines`; lives as long as the policy
};

// What the `inspect` rules that held so far say of the payload that goes this way: for each key the first in file order, in whatever phase it
// held. Ask for `ranges` before the request goes upstream, for the rest after phase `payload`. `direction`: upload or download.
InspectOptions inspect_options(const Effects& effects, Direction direction);

}  // namespace sluice::policy
