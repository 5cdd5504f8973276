// SPDX-License-Identifier: Apache-2.0
// How a payload ends: the words that rules, the event log and the metrics use. No payload ends without one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {

// Who says that what a payload consists of cannot be told (`undecodable`): a multipart whose parts readers may see in two ways, a coding that hides
// something from who undoes it. It may hold anything.
inline constexpr std::string_view structure_engine = "structure";

// In order of gravity: of several engines the worst counts.
enum class Verdict : std::uint8_t { skipped, clean, unscannable, infected };

// Why a payload is `unscannable` (timeout to truncated), or `skipped` (tunnel to no_engine).
enum class Reason : std::uint8_t {
    none,
    timeout,  // an engine took longer than inspect.timeout after the last byte
    crashed,  // the scanner process ended in the middle
    overloaded,  // no scanner was free, or the held payloads' memory is used up
    no_space,  // the held payloads' files are used up, or the disk is full
    engine_down,  // clamd or the ICAP server cannot be reached
    too_large,  // beyond inspect.max_size, or an engine's own limit
    too_deep,  // more layers of coding or archives than are opened
    bomb,  // decoding or unpacking yields too much for what it came from
    encrypted,
    corrupt,  // broken inside: what it is meant to be cannot be read
    undecodable,  // a Content-Encoding that we do not know
    truncated,  // only a part of the object passed
    tunnel,
    upgrade,
    no_engine,
};

std::string_view to_string(Verdict verdict);  // as scan.verdict has it
std::string_view to_string(Reason reason);  // as scan.reason has it: "engine-down"; "" for none

// The scanner's trouble, its bounds, or an attack on it: not what ordinary files have by themselves.
bool is_failure(Reason reason);

// What one engine, or all of them together, say of one payload.
struct Outcome {
    Verdict verdict = Verdict::skipped;
    Reason reason = Reason::no_engine;
    std::string threat;  // of `infected`: the signature's or rule's name
    std::string_view engine;  // "hash", "signatures", "yara", "archive", "structure", "clamav", "icap"; a literal
    std::vector<std::string> matches;  // names of signatures with effect "match" that were found: scan.match

    static Outcome clean() { return {.verdict = Verdict::clean, .reason = Reason::none, .threat = {}, .engine = {}, .matches = {}}; }
    static Outcome unscannable(Reason reason, std::string_view engine = {}) {
        return {.verdict = Verdict::unscannable, .reason = reason, .threat = {}, .engine = engine, .matches = {}};
    }
    static Outcome infected(std::string threat, std::string_view engine) {
        return {.verdict = Verdict::infected, .reason = Reason::none, .threat = std::move(threat), .engine = engine, .matches = {}};
    }

    bool operator==(const Outcome&) const = default;

    // The worse of both stands, and of two that cannot be scanned what no benign payload has; matches of both are kept, each once.
    void add(const Outcome& other);
};

}  // namespace sluice::inspect
