// SPDX-License-Identifier: Apache-2.0
// The engines that look at a payload's bytes as they pass, in the worker: its type, its codings undone, signatures over what came and over what
// it decodes to, SHA-256 of the content.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "inspect/body_found.h"
#include "inspect/content/decoder.h"
#include "inspect/content/media_type.h"
#include "inspect/signatures/content_hash.h"
#include "inspect/signatures/pattern_stream.h"
#include "inspect/verdict.h"

namespace sluice::inspect {

struct Setup;
class Holding;

// What is said of a payload before its first byte.
struct Declared {
    std::string_view coding;  // Content-Encoding, its lines joined by commas; empty: none
    bool partial = false;  // a range of something larger
    // Lines end with CRLF on the way and with LF for some receivers (FTP's type A): signatures are looked for in both forms.
    bool has_network_lines = false;
    bool wants_sha256 = false;  // the record has it, whether a rule reads it or not
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

    // `setup` outlives the inspection.
    void begin(const Setup& setup, const Declared& declared);
    void feed(std::string_view bytes);
    // No more comes. `whole`: the payload is complete in itself; else it ends as `truncated`.
    void finish(bool whole);
    // It cannot be inspected further.
    void give_up(Reason reason);
    // Rules leave out the engine `signatures` (what they ask of `body` is still looked for); or look at no more than so many bytes; or leave out all engines, so that the payload is `skipped`.
    void leave_out_signatures();
    void set_max_size(std::uint64_t bytes) { max_size_ = bytes; }
    void skip();
    // From now on the decoded content is appended there too; null: no more.
    void copy_content_to(Holding* copy) { copy_ = copy; }
    void clear();

    // Infected, or unscannable: whatever comes, it does not become better.
    bool is_decided() const { return outcome_.verdict >= Verdict::unscannable; }
    // Before `finish` only what is decided counts.
    const Outcome& outcome() const { return outcome_; }
    const MediaType& type() const { return type_; }
    // Whether it is of those that are held and opened: programs, scripts, archives, documents, and what holds a zip's member somewhere.
    bool is_risky() const {
        if (inspect::is_risky(type_.kind) || hides_archive()) return true;
        const std::optional<PatternStream>& content = decoder_ ? decoded_ : raw_;
        return content && content->has_archive();
    }
    std::uint64_t looked_at() const { return first_.size(); }  // bytes of the content that `type` was told from
    bool has_coding() const { return decoder_.has_value(); }
    bool gave_up() const { return gave_up_; }
    // Whether all that came so far could be decoded and looked at.
    bool is_content_whole() const { return !gave_up_ && (!decoder_ || decoder_->fault() == Reason::none); }
    std::uint64_t max_size() const { return max_size_; }
    // The content of bytes from the payload's beginning, decoded once more.
    Decoder another_decoder() const;
    std::span<char> scratch() const { return bench_.decoded; }
    // In small hexadecimal digits, of the decoded content; empty where it was not wanted, or before `finish`.
    std::string_view sha256() const { return sha256_; }
    // Which of the policy's patterns of `body` were found, so far.
    BodyFound body_found() const;

private:
    // Who takes it as it came has an archive that is not in the content.
    bool hides_archive() const { return decoder_ && decoded_ && raw_ && raw_->has_whole_archive() && !decoded_->has_archive(); }
    void see_content(std::string_view bytes);
    void take_as_it_came(std::string_view bytes);
    void look_for_iso(std::string_view bytes);
    void search(std::optional<PatternStream>& stream, std::string_view bytes);
    void search_with_lf(std::string_view bytes);
    void end_search(std::optional<PatternStream>& stream);

    Bench& bench_;
    const Setup* setup_ = nullptr;
    std::vector<Coding> codings_;
    std::optional<Decoder> decoder_;  // none: the payload has no coding
    std::optional<PatternStream> raw_;
    std::optional<PatternStream> decoded_;  // where there is a coding; of network lines: with LF
    bool has_network_lines_ = false;
    bool has_cr_ = false;  // of those, as the last octet so far
    std::optional<Sha256> hash_;
    bool is_hashing_ = false;
    Holding* copy_ = nullptr;
    std::string first_;  // of the content
    std::string first_raw_;  // as they came, where there is a coding
    MediaType type_;
    std::size_t iso_seen_ = 0;
    bool is_iso_ = false;
    Outcome outcome_;
    bool partial_ = false;
    bool gave_up_ = false;
    bool ignores_signatures_ = false;
    std::uint64_t max_size_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t content_size_ = 0;
    std::string sha256_;
};

}  // namespace sluice::inspect
