// SPDX-License-Identifier: Apache-2.0
// Phases `payload` and `verdict`, for a payload and for what is in it.
#include <fmt/format.h>

#include "base/text.h"
#include "sessions/transaction/inspected.h"

namespace sluice::sessions {

using policy::Direction;
using policy::Field;
using policy::Phase;

std::optional<Denial> Inspected::judge_type(Judgement& judgement, std::uint64_t declared_size) {
    planned_type_ = type().mime;
    if (!judgement.has_rules(Phase::payload)) return std::nullopt;
    fill_file_facts(judgement.facts, name, extension, type());
    if (declared_size > 0) judgement.facts.set(Field::file_size, declared_size);
    if (auto denial = deny(judgement, Phase::payload, {})) return denial;
    return judge_other_names(judgement, Phase::payload, {});
}

std::optional<Denial> Inspected::judge_verdict(Judgement& judgement, std::span<const Number> of_whole) {
    if (judgement.trusted) return std::nullopt;
    if (auto denial = judge_members(judgement)) return denial;
    // What it seemed to be at first was judged before; what it is, is judged too.
    if (type().mime != planned_type_ && judgement.has_rules(Phase::payload)) {
        fill_file_facts(judgement.facts, name, extension, type());
        if (auto denial = deny(judgement, Phase::payload, {})) return denial;
        if (auto denial = judge_other_names(judgement, Phase::payload, {})) return denial;
    }
    return judge_whole(judgement, of_whole);
}

std::optional<Denial> Inspected::judge_whole(Judgement& judgement, std::span<const Number> of_whole) {
    policy::Facts& facts = judgement.facts;
    judged_outcome_ = outcome(false);
    const inspect::Outcome& found = judged_outcome_;
    fill_file_facts(facts, name, extension, type());
    fill_scan_facts(facts, found, payload->sha256(), payload->size());
    // What nobody can tell may be one.
    if (found.engine == inspect::structure_engine) facts.set_program(true);
    for (const auto& [field, number] : of_whole) facts.set(field, number);
    const std::vector<std::string_view> matches(found.matches.begin(), found.matches.end());
    facts.set_many(Field::scan_match, matches);
    const inspect::BodyFound body = payload->body_found();
    set_body_found(judgement, body);
    auto denial = deny(judgement, Phase::verdict, found.threat);
    if (!denial) denial = judge_other_names(judgement, Phase::verdict, found.threat);
    facts.clear(Field::scan_match);                      // views of what ends here
    facts.clear(Field::body);
    return denial;
}

// Members of an archive, or parts of a form, are judged as if each came by itself: what it is, and what was found in it.
std::optional<Denial> Inspected::judge_members(Judgement& judgement) {
    policy::Facts& facts = judgement.facts;
    for (const inspect::MemberFindings& member : payload->members()) {
        const std::string_view member_name = std::string_view(member.path).substr(member.path.find_last_of("/\\") + 1);
        fill_file_facts(facts, member_name, member.extension, member.type);
        facts.set(Field::file_size, member.size);
        std::optional<Denial> denial;
        if (judgement.has_rules(Phase::payload)) denial = deny(judgement, Phase::payload, {});
        if (!denial) {
            fill_scan_facts(facts, member.outcome, member.sha256, member.size);
            set_body_found(judgement, member.body);
            const std::vector<std::string_view> matches(member.outcome.matches.begin(), member.outcome.matches.end());
            facts.set_many(Field::scan_match, matches);
            denial = deny(judgement, Phase::verdict, member.outcome.threat);
            facts.clear(Field::scan_match);              // views of what ends here
        }
        facts.clear(Field::body);
        if (denial) return denial;
    }
    return std::nullopt;
}

// As if it came under each of its other names.
std::optional<Denial> Inspected::judge_other_names(Judgement& judgement, Phase phase, std::string_view threat) {
    for (const std::string& other : other_names) {
        const std::string other_extension = file_extension(other);
        fill_name_facts(judgement.facts, other, other_extension);
        auto denial = deny(judgement, phase, threat);
        fill_name_facts(judgement.facts, name, extension);
        if (!denial) continue;
        denial->other_name = other;
        return denial;
    }
    return std::nullopt;
}

std::optional<Denial> Inspected::deny(Judgement& judgement, Phase phase, std::string_view threat) {
    auto denial = judgement.settle(judgement.evaluate(phase), phase);
    if (!denial || threat.empty()) return denial;
    reason_ = denial->reason.empty() ? std::string(threat) : fmt::format("{} ({})", denial->reason, threat);
    denial->reason = reason_;
    return denial;
}

// Of the payload, or of a member of it.
void Inspected::fill_file_facts(policy::Facts& facts, std::string_view file_name, std::string_view file_extension,
                                const inspect::MediaType& media_type) const {
    for (const Field field : {Field::file_mime_type, Field::file_size, Field::file_sha256, Field::scan_verdict, Field::scan_threat,
                              Field::scan_engine, Field::scan_reason, Field::scan_match, Field::body})
        facts.clear(field);
    facts.set(Field::payload_direction, std::string_view(direction == Direction::upload ? "upload" : "download"));
    fill_name_facts(facts, file_name, file_extension);
    facts.set(Field::file_mime_type, media_type.mime);
    facts.set_program(media_type.kind == inspect::MediaClass::program || media_type.kind == inspect::MediaClass::script);
}

void Inspected::fill_name_facts(policy::Facts& facts, std::string_view file_name, std::string_view file_extension) {
    for (const auto& [field, value] : {std::pair(Field::file_name, file_name), std::pair(Field::file_extension, file_extension)}) {
        if (value.empty()) facts.clear(field);
        else facts.set(field, value);
    }
}

void Inspected::fill_scan_facts(policy::Facts& facts, const inspect::Outcome& outcome, std::string_view sha256, std::uint64_t size) {
    facts.set(Field::file_size, size);
    if (!sha256.empty()) facts.set(Field::file_sha256, sha256);
    facts.set(Field::scan_verdict, to_string(outcome.verdict));
    if (!outcome.threat.empty()) facts.set(Field::scan_threat, std::string_view(outcome.threat));
    if (!outcome.engine.empty()) facts.set(Field::scan_engine, outcome.engine);
    if (outcome.reason != inspect::Reason::none) facts.set(Field::scan_reason, to_string(outcome.reason));
}

void Inspected::set_body_found(Judgement& judgement, const inspect::BodyFound& found) {
    const std::size_t words = (judgement.policy().body_patterns().size() + 63) / 64;
    if (words == 0) return;
    body_found_.assign(found.bits().begin(), found.bits().end());
    body_found_.resize(words);
    judgement.facts.set_body_found(body_found_);
}

}  // namespace sluice::sessions
