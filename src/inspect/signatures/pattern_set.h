// SPDX-License-Identifier: Apache-2.0
// All patterns that payloads are searched for, in one automaton (Vectorscan, streaming): the signatures of all files, what rules ask of `body`,
// EICAR's test string, found anywhere, and what an archive begins with. Immutable once compiled, shared by all workers; searched with a PatternStream (pattern_stream.h).
// Matches may overlap; each view of a payload (raw, decoded) is a stream of its own.
#pragma once

#include "base/diagnostic.h"
#include "base/limits.h"
#include "base/result.h"
#include "inspect/signatures/signature.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct hs_database;

namespace sluice::inspect {

// What a rule asks of a payload: `body contains "…"` (the bytes themselves) or `body matches "…"` (a regular expression).
struct RulePattern {
    enum class Kind : std::uint8_t { contains, matches };
    Kind kind = Kind::contains;
    Text pattern;
    bool ignoring_case = false;
};

class PatternSet {
public:
    // The name that EICAR's test string is found by.
    static constexpr std::string_view eicar_name = "EICAR-Test-File";

    // Takes as long as Vectorscan needs (bench/signature_bench): seconds for many thousands. In the caller's thread. nullptr after an error in `faults`.
    // Rules' patterns are answered by their index. Of them a single byte is enough; what is asked of signatures is in signature_file.h.
    static std::shared_ptr<const PatternSet> compile(std::span<const Signature> signatures, std::span<const RulePattern> rules,
                                                     const Limits& limits, Diagnostics& faults);

    // The set as bytes, for another process of this machine and this binary, and back again. overloaded: no memory; malformed: that is no image, or a changed one.
    Result<std::string> to_image() const;
    static Result<std::shared_ptr<const PatternSet>> from_image(std::string_view image);

    PatternSet(const PatternSet&) = delete;
    PatternSet& operator=(const PatternSet&) = delete;
    ~PatternSet() = default;

    // The same for two sets exactly when they answer alike: a hash of all patterns in their order, and of what is asked of them.
    std::uint64_t generation() const { return generation_; }
    std::uint64_t rules_generation() const { return rules_generation_; }  // the same for rules' patterns alone
    std::size_t signatures() const { return names_.size(); }  // EICAR's among them
    std::size_t rules() const { return rules_; }
    std::string_view name(std::uint32_t signature) const { return names_[signature]; }
    std::size_t database_bytes() const;
    std::size_t stream_bytes() const;  // that Vectorscan takes for one stream

private:
    friend class PatternScratch;
    friend class PatternStream;

    // What finding the pattern with Vectorscan's id of this position means.
    struct Meaning {
        enum class Kind : std::uint8_t { infected, match, rule, archive };
        Kind kind = Kind::infected;
        bool luhn = false;
        std::uint8_t fewest_digits = 0, most_digits = 0;
        std::uint32_t index = 0;  // of the signature's name, of the rule's pattern, or of what a zip has: member, directory, end
    };
    static constexpr std::uint32_t archive_signatures = 3;
    struct Free {
        void operator()(hs_database* database) const;
    };
    class Compiler;

    PatternSet() = default;

    std::unique_ptr<hs_database, Free> database_;
    std::vector<Meaning> meanings_;
    std::vector<std::string> names_;
    std::size_t rules_ = 0;
    std::size_t kept_bytes_ = 0;  // of what has passed, for checks; 0: there are none
    std::uint64_t generation_ = 0;
    std::uint64_t rules_generation_ = 0;
};

}  // namespace sluice::inspect
