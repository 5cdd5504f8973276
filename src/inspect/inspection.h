// SPDX-License-Identifier: Apache-2.0
// The engines that look at a payload's bytes as they pass, in the worker: its type, its codings undone, signatures over what came and over what
// it decodes to, SHA-256 of the content.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "inspect/content/decoder.h"
#include "inspect/content/media_type.h"
#include "inspect/signatures/content_hash.h"
#include "inspect/signatures/pattern_stream.h"
#include "inspect/verdict.h"

namespace sluice::inspect {

// What a generation of the configuration inspects with; immutable, shared by all workers.
struct Setup {
    std::shared_ptr<const PatternSet> patterns;          // null: the engine `signatures` is off
    bool wants_sha256 = false;                           // a rule reads it
    std::uint64_t max_size = 0;                          // of a payload, as it comes and decoded: beyond it is too-large
    Limits limits;
};

// What is said of a payload before its first byte.
struct Declared {
    std::string_view coding;                             // Content-Encoding, its lines joined by commas; empty: none
    bool partial = false;                                // a range of something larger
};

// What a worker's payloads share.
struct Bench {
    explicit Bench(const Limits& limits) : patterns(limits) {}
    PatternScratch patterns;
    std::array<char, 64 * 1024> decoded;
};

class Inspection {
public:
    explicit Inspection(Bench& bench) : bench_(bench) {}

    // `setup` outlives the inspection. `bytes` and `whole`: see Payload.
    void begin(const Setup& setup, const Declared& declared);
    void feed(std::string_view bytes);
    void finish(bool whole);
    // It cannot be inspected further.
    void give_up(Reason reason);
    // A rule leaves out engines: that one; all of them, so that the payload is `skipped`.
    void leave_out_signatures();
    void skip();
    void clear();

    // Infected, or unscannable: whatever comes, it does not become better.
    bool is_decided() const { return outcome_.verdict >= Verdict::unscannable; }
    // Before `finish` only what is decided counts.
    const Outcome& outcome() const { return outcome_; }
    const MediaType& type() const { return type_; }
    std::uint64_t looked_at() const { return first_.size(); }      // bytes of the content that `type` was told from
    // In small hexadecimal digits, of the decoded content; empty where it was not wanted, or before `finish`.
    std::string_view sha256() const { return sha256_; }
    std::uint64_t content_size() const { return content_size_; }   // decoded, so far
    // Whether the policy's pattern of `body` was found, by its index.
    bool holds(std::size_t body_pattern) const;

private:
    void see_content(std::string_view bytes);
    void search(std::optional<PatternStream>& stream, std::string_view bytes);
    void end_search(std::optional<PatternStream>& stream);

    Bench& bench_;
    const Setup* setup_ = nullptr;
    std::optional<Decoder> decoder_;                     // none: the payload has no coding
    std::optional<PatternStream> raw_;
    std::optional<PatternStream> decoded_;               // where there is a coding
    std::optional<Sha256> hash_;
    std::string first_;                                  // of the content
    MediaType type_;
    Outcome outcome_;
    bool partial_ = false;
    bool gave_up_ = false;
    std::uint64_t size_ = 0;
    std::uint64_t content_size_ = 0;
    std::string sha256_;
};

}  // namespace sluice::inspect
