// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/pattern_set.h"

#include "inspect/signatures/content_hash.h"
#include "inspect/signatures/regular_expression.h"

#include <fmt/format.h>

#include <hs.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sluice::inspect {

namespace {

// In two pieces, here and in the program: in one, scanners would take our own files for infected.
std::string eicar() {
    constexpr std::string_view first = R"(X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-)";
    constexpr std::string_view second = "ANTIVIRUS-TEST-FILE!$H+H*";
    return std::string(first).append(second);
}

Signature eicar_signature() {
    Signature out;
    out.name.value = PatternSet::eicar_name;
    out.pattern.value = eicar();
    return out;
}

std::string hex_expression(std::string_view pairs) {
    std::string out;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
        out.append(pairs[i] == '?' ? "[\\x00-\\xff]" : "\\x").append(pairs[i] == '?' ? "" : pairs.substr(i, 2));
    return out;
}

// Vectorscan's words in ours, where there is something to be done about it.
std::string advice(std::string_view said) {
    if (said.starts_with("Pattern is too large") || said.starts_with("Resource limit"))
        return "this pattern is too large for Vectorscan: lower its repeat counts, or write several shorter ones";
    if (said.starts_with("Embedded start anchor")) return "`^` can stand at the beginning only";
    if (said.starts_with("Embedded end anchor")) return "`$` can stand at the end only";
    if (said.starts_with("Pattern can never match")) return "nothing can match this";
    return fmt::format("Vectorscan does not take this pattern: {}", said);
}

// Hashes values so that no two different lists of values give the same bytes.
class GenerationHash {
public:
    void add(std::string_view text) {
        add(text.size());
        hash_.feed(text);
    }
    void add(std::uint64_t number) {
        char bytes[sizeof number];
        std::memcpy(bytes, &number, sizeof number);
        hash_.feed({bytes, sizeof bytes});
    }
    std::optional<std::uint64_t> finish() {
        const auto digest = hash_.finish();
        if (!digest) return std::nullopt;
        std::uint64_t out = 0;
        std::memcpy(&out, digest->data(), sizeof out);
        return out;
    }

private:
    Sha256 hash_;
};

}  // namespace

void PatternSet::Free::operator()(hs_database* database) const { hs_free_database(database); }

std::size_t PatternSet::database_bytes() const {
    std::size_t out = 0;
    hs_database_size(database_.get(), &out);
    return out;
}

std::size_t PatternSet::stream_bytes() const {
    std::size_t out = 0;
    hs_stream_size(database_.get(), &out);
    return out;
}

class PatternSet::Compiler {
public:
    Compiler(const Limits& limits, Diagnostics& faults) : limits_(limits), faults_(faults) {}

    void add(const Signature& signature) {
        const auto [earlier, is_new] = places_.emplace(signature.name.value, signature.name.place);
        if (!is_new) return name_taken(signature.name, earlier->second);
        Meaning meaning{.kind = signature.effect == Signature::Effect::match ? Meaning::Kind::match : Meaning::Kind::infected,
                        .index = static_cast<std::uint32_t>(set_->names_.size())};
        set_->names_.push_back(signature.name.value);
        hash_.add(signature.name.value);
        hash_.add(static_cast<std::uint64_t>(signature.check));
        std::string expression;
        if (signature.kind == Signature::Kind::text) {
            expression = escaped(signature.pattern.value, signature.ignoring_case);
        } else if (signature.kind == Signature::Kind::hex) {
            expression = hex_expression(signature.pattern.value);
        } else {
            const auto parsed = parse(signature.pattern, signature.ignoring_case);
            if (!parsed) return;
            if (signature.check == Signature::Check::luhn && !check_luhn(signature.pattern, *parsed, meaning)) return;
            expression = parsed->vectorscan;
        }
        add(std::move(expression), signature.pattern, meaning);
    }

    void add(const RulePattern& rule) {
        const Meaning meaning{.kind = Meaning::Kind::rule, .index = static_cast<std::uint32_t>(set_->rules_++)};
        if (rule.kind == RulePattern::Kind::contains) return add(escaped(rule.pattern.value, rule.ignoring_case), rule.pattern, meaning);
        if (auto parsed = parse(rule.pattern, rule.ignoring_case)) add(std::move(parsed->vectorscan), rule.pattern, meaning);
    }

    // A zip may stand behind anything: programs find it from the file's end. What follows the signatures not all of them read.
    void add_archive() {
        std::uint32_t index = 0;
        for (const char* signature : {R"(PK\x03\x04)", R"(PK\x01\x02)", R"(PK\x05\x06)"}) {
            set_->meanings_.push_back({.kind = Meaning::Kind::archive, .index = index++});
            expressions_.emplace_back(signature);
            flags_.push_back(HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL);
            written_.push_back(&archive_);
        }
    }

    std::shared_ptr<const PatternSet> compile() {
        if (set_->names_.size() > limits_.signatures + 1)
            fault_of_all(fmt::format("there are more than {} signatures in all files", limits_.signatures));
        if (hs_valid_platform() != HS_SUCCESS) fault_of_all("this processor lacks the instructions that Vectorscan needs (SSE4.2)");
        while (!failed_ && !compile_once()) {}
        for (Diagnostic& refused : refused_) fault(std::move(refused));
        if (failed_) return nullptr;
        const auto generation = hash_.finish();
        if (!generation) fault_of_all("OpenSSL could not hash the signatures");
        set_->generation_ = generation.value_or(0);
        set_->rules_generation_ = rules_hash_.finish().value_or(0);
        return failed_ ? nullptr : std::shared_ptr<const PatternSet>(std::move(set_));
    }

private:
    void fault(Diagnostic diagnostic) {
        faults_.push_back(std::move(diagnostic));
        failed_ = true;
    }
    void fault_of_all(std::string message) { fault({{}, std::move(message), {}}); }

    void name_taken(const Text& name, const Place& earlier) {
        fault(at(name, 0,
                 earlier.line == 0 ? fmt::format("\"{}\" is the name of a built-in signature", name.value)
                                   : fmt::format("{}:{} has a signature of this name", earlier.file, earlier.line)));
    }

    std::optional<RegularExpression> parse(const Text& pattern, bool ignoring_case) {
        auto parsed = parse_regular_expression(pattern.value, ignoring_case, limits_);
        if (parsed) return std::move(*parsed);
        fault(at(pattern, parsed.error().position, std::move(parsed.error().message)));
        return std::nullopt;
    }

    bool check_luhn(const Text& pattern, const RegularExpression& expression, Meaning& meaning) {
        if (expression.longest > limits_.checked_match) {
            fault(at(pattern, 0, fmt::format("with `check`, a match has at most {} bytes", limits_.checked_match)));
            return false;
        }
        meaning.luhn = true;
        meaning.fewest_digits = static_cast<std::uint8_t>(std::max<std::size_t>(expression.fewest_digits, 2));
        meaning.most_digits = static_cast<std::uint8_t>(expression.most_digits);
        // Beyond the match: the byte before it, and one behind it where Vectorscan has to see what follows.
        set_->kept_bytes_ = limits_.checked_match + 2;
        return true;
    }

    void add(std::string expression, const Text& written, const Meaning& meaning) {
        if (expression.empty()) return fault(at(written, 0, "an empty pattern is found in every payload"));
        hash_.add(expression);
        hash_.add(static_cast<std::uint64_t>(meaning.kind));
        if (meaning.kind == Meaning::Kind::rule) rules_hash_.add(expression);
        // One match is enough, unless the first may fail its check.
        flags_.push_back(meaning.luhn ? 0U : static_cast<unsigned>(HS_FLAG_SINGLEMATCH));
        expressions_.push_back(std::move(expression));
        written_.push_back(&written);
        set_->meanings_.push_back(meaning);
    }

    // False: one pattern less is to be tried again, to find what is wrong with the others.
    bool compile_once() {
        std::vector<const char*> texts;
        for (const std::string& expression : expressions_) texts.push_back(expression.c_str());
        std::vector<unsigned> ids(texts.size());
        for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<unsigned>(i);
        hs_database_t* database = nullptr;
        hs_compile_error_t* error = nullptr;
        const hs_error_t result = hs_compile_multi(texts.data(), flags_.data(), ids.data(), static_cast<unsigned>(texts.size()),
                                                   HS_MODE_STREAM, nullptr, &database, &error);
        set_->database_.reset(database);
        if (result == HS_SUCCESS) return true;
        const std::string said = error == nullptr || error->message == nullptr ? "unknown error" : error->message;
        const int index = error == nullptr ? -1 : error->expression;
        hs_free_compile_error(error);
        if (index < 0 || static_cast<std::size_t>(index) >= written_.size()) {
            fault_of_all(fmt::format("Vectorscan cannot compile the signatures: {}", said));
            return true;
        }
        const auto position = static_cast<std::ptrdiff_t>(index);
        refused_.push_back(at(*written_[static_cast<std::size_t>(index)], 0, advice(said)));
        expressions_.erase(expressions_.begin() + position);
        flags_.erase(flags_.begin() + position);
        written_.erase(written_.begin() + position);
        return refused_.size() == limits_.pattern_faults || expressions_.empty();
    }

    const Limits& limits_;
    Diagnostics& faults_;
    bool failed_ = false;
    std::shared_ptr<PatternSet> set_{new PatternSet};
    std::unordered_map<std::string, Place> places_;           // of names
    GenerationHash hash_, rules_hash_;
    const Text archive_{};
    std::vector<std::string> expressions_;
    std::vector<unsigned> flags_;
    std::vector<const Text*> written_;
    Diagnostics refused_;                                     // by Vectorscan
};

std::shared_ptr<const PatternSet> PatternSet::compile(std::span<const Signature> signatures, std::span<const RulePattern> rules,
                                                      const Limits& limits, Diagnostics& faults) {
    const Signature built_in = eicar_signature();
    Compiler compiler(limits, faults);
    compiler.add(built_in);
    compiler.add_archive();
    for (const Signature& signature : signatures) compiler.add(signature);
    for (const RulePattern& rule : rules) compiler.add(rule);
    return compiler.compile();
}

}  // namespace sluice::inspect
