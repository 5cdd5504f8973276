// SPDX-License-Identifier: Apache-2.0
// What the rules see of a message and its parts, and what the record says of it.
#include <algorithm>

#include "sessions/smtp/mail.h"

namespace sluice::smtp {

using policy::Field;
using policy::Phase;

void Mail::set_head_facts() {
    policy::Facts& facts = judgement_.facts;
    from_.assign(head_.from.begin(), head_.from.end());
    to_.assign(head_.to.begin(), head_.to.end());
    facts.set_many(Field::email_from, from_);
    facts.set_many(Field::email_to, to_);
    if (!head_.subject.empty()) facts.set(Field::email_subject, std::string_view(head_.subject));
    if (!head_.message_id.empty()) facts.set(Field::email_message_id, std::string_view(head_.message_id));
}

void Mail::set_ambiguity_facts() {
    ambiguity_names_.clear();
    for (const mime::Ambiguity ambiguity : ambiguities_) ambiguity_names_.push_back(to_string(ambiguity));
    judgement_.facts.set(Field::email_ambiguous, !ambiguities_.empty());
    judgement_.facts.set_many(Field::email_ambiguities, ambiguity_names_);
}

inspect::Examination Mail::examination(const sessions::Inspected& inspected, const policy::InspectOptions& options) const {
    inspect::Examination out = inspected.examination(*settings_, options);
    // One time for all of it, which its sender waits.
    const auto all = std::chrono::duration_cast<std::chrono::milliseconds>(settings_->limits.smtp_scan);
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(scanned_);
    out.at_most = std::max(all - spent, std::chrono::milliseconds(1));
    return out;
}

// Its head is known, and nothing of it has gone on.
Mail::Denied Mail::plan_whole() {
    set_head_facts();
    is_planned_ = true;
    if (!is_inspected_) return judgement_.trusted ? std::nullopt : judgement_.settle(judgement_.evaluate(Phase::payload), Phase::payload);
    if (Denied denied = whole_.judge_type(judgement_, 0)) return denied;
    const auto options = whole_.options(judgement_);
    if (!options) {
        whole_.payload->skip(released);
        return std::nullopt;
    }
    if (options->max_size) whole_.payload->set_max_size(*options->max_size);
    const bool is_held = is_held_ || options->deliver.value_or(settings_->deliver) == policy::Deliver::hold;
    is_held_ = is_held;
    inspect::Examination how = examination(whole_, *options);
    how.keeps_content = true;  // other readings of it begin at its beginning
    whole_.payload->deliver({.mode = is_held ? inspect::Mode::hold : inspect::Mode::stream}, std::move(how), released);
    return std::nullopt;
}

// Enough of it has come to say what it is; or its names have come, behind its content.
Mail::Denied Mail::plan_part(Open& open) {
    sessions::Inspected& inspected = *open.inspected;
    inspected.set_names(open.part.names);
    open.planned_names = open.part.names;
    if (!judgement_.trusted)
        if (Denied denied = inspected.judge_type(judgement_, 0)) return denied;
    if (inspected.payload->is_planned()) return std::nullopt;
    const auto options = inspected.options(judgement_);
    if (!options) {
        inspected.payload->skip(dropped_);
        dropped_.clear();
        return std::nullopt;
    }
    if (options->max_size) inspected.payload->set_max_size(*options->max_size);
    // It goes nowhere, so nothing of it waits but what engines want whole.
    inspected.payload->deliver({.mode = inspect::Mode::stream}, examination(inspected, *options), dropped_);
    dropped_.clear();
    return std::nullopt;
}

// The message as a whole, with all that is known of it by now.
Mail::Denied Mail::follow_up(Views& out) {
    sessions::Inspected& inspected = whole_;
    if (inspected.payload->has_ended() && !judgement_.trusted) {
        set_ambiguity_facts();
        if (judgement_.has_rules(Phase::payload) &&
            (judgement_.policy().reads(Field::email_ambiguous) || judgement_.policy().reads(Field::email_ambiguities)))
            if (Denied denied = inspected.judge_type(judgement_, inspected.payload->size())) return denied;
        if (!inspected.payload->has_news()) return std::nullopt;  // no engine was for it
    }
    if (Denied denied = inspected.judge_verdict(judgement_, of_whole_)) return denied;
    inspected.payload->accept_news(out);
    return std::nullopt;
}

bool Mail::has_scanner_failed() const { return is_inspected_ && whole_.has_scanner_failed(); }

void Mail::record(audit::Event& event, audit::MailEvent& mail, bool is_cut) {
    from_.assign(head_.from.begin(), head_.from.end());
    to_.assign(head_.to.begin(), head_.to.end());
    mail.from = from_;
    mail.to = to_;
    mail.subject = head_.subject;
    mail.message_id = head_.message_id;
    ambiguity_names_.clear();
    for (const mime::Ambiguity ambiguity : ambiguities_) ambiguity_names_.push_back(to_string(ambiguity));
    mail.ambiguities = ambiguity_names_;
    recorded_.clear();
    for (const Attachment& each : attachments_)
        recorded_.push_back({.name = each.name,
                             .extension = each.extension,
                             .mime_type = each.mime_type,
                             .size = each.size,
                             .sha256 = each.sha256,
                             .verdict = to_string(each.outcome.verdict),
                             .threat = each.outcome.threat,
                             .engine = each.outcome.engine,
                             .reason = to_string(each.outcome.reason)});
    mail.attachments = recorded_;
    if (is_inspected_) {
        whole_.record(event, is_cut);
    } else if (size_ > 0) {
        event.file_size = size_;
        event.scan_verdict = "skipped";
        event.scan_reason = judgement_.trusted && !judgement_.rule.empty() ? judgement_.rule : std::string_view("no-engine");
    }
}

void Mail::count(audit::MetricsShard& metrics, bool is_cut) const {
    if (is_inspected_) whole_.count(metrics, is_cut);
}

}  // namespace sluice::smtp
