// SPDX-License-Identifier: Apache-2.0
// How a message comes: read, taken apart, each part inspected as soon as it is whole.
#include "sessions/smtp/mail.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sluice::smtp {

namespace {

constexpr inspect::MediaType message_type{"message/rfc822", inspect::MediaClass::text};
constexpr std::size_t most_attachments = 256;  // that an event lists
constexpr std::size_t piece_size = 256 * 1024;
// Parts that are whole give their memory to the next ones: of few octets there may be many.
constexpr std::size_t slice_size = 4 * 1024;
constexpr std::size_t most_open_parts = 8;
// Where nothing is inspected there is no verdict to say so.
constexpr sessions::Denial long_head{.name = {}, .reason = "The message's header section is too long."};

}  // namespace

Mail::Mail(net::Worker& worker, inspect::Bench& bench, inspect::Shared& shared, sessions::Judgement& judgement)
    : worker_(worker),
      bench_(bench),
      shared_(shared),
      judgement_(judgement) {}

Mail::~Mail() = default;

void Mail::begin(std::shared_ptr<const Settings> settings, bool is_held) {
    settings_ = std::move(settings);
    is_held_ = is_held;
    size_ = 0;
    scanned_ = {};
    parts_.clear();
    begun_parts_ = 0;
    is_other_reading_ = has_too_many_ = is_head_known_ = is_planned_ = false;
    waiting_.clear();
    header_section_.clear();
    head_ = {};
    is_kept_lost_ = false;
    of_whole_ = {};
    ambiguities_.clear();
    attachments_.clear();
    released.clear();
    whole_.begin(worker_, bench_, shared_, *settings_, judgement_, {});
    whole_.known_type = message_type;
    whole_.set_names({});
    is_inspected_ = whole_.is_on;
    mime::MailSink& sink = *this;
    reader_.emplace(mime::Reading::usual, settings_->limits, sink);
}

void Mail::on_head(const mime::MailHead& head) {
    if (is_other_reading_) return;
    head_ = head;
    is_head_known_ = true;
}

Mail::Open* Mail::find(std::size_t id) {
    const auto found = std::ranges::find_if(parts_, [&](const Open& open) { return open.part.id == id && !open.has_ended; });
    return found == parts_.end() ? nullptr : &*found;
}

void Mail::on_part(const mime::Part& part) {
    if (!is_inspected_ || judgement_.trusted) return;
    if (++begun_parts_ > settings_->limits.mail_ambiguous_parts) {
        has_too_many_ = true;
        return;
    }
    Open open{.part = part, .inspected = nullptr, .planned_names = {}};
    if (spare_.empty()) {
        open.inspected = std::make_unique<sessions::Inspected>(policy::Direction::upload);
    } else {
        open.inspected = std::move(spare_.back());
        spare_.pop_back();
    }
    inspect::Declared declared;
    declared.wants_sha256 = true;
    open.inspected->begin(worker_, bench_, shared_, *settings_, judgement_, declared);
    parts_.push_back(std::move(open));
}

void Mail::on_data(const mime::Part& part, std::string_view decoded) {
    if (Open* open = find(part.id)) {
        open->inspected->payload->push(decoded, false, dropped_);
        dropped_.clear();
    }
}

void Mail::on_part_end(const mime::Part& part) {
    if (Open* open = find(part.id)) {
        open->part = part;  // its names may have come last
        if (part.is_encrypted) open->inspected->inside = inspect::Outcome::unscannable(inspect::Reason::encrypted);
        open->inspected->payload->end(true);
        open->has_ended = true;
    }
}

Mail::Outcome<Mail::Denied> Mail::feed(mime::MailReader& reader, std::string_view piece) {
    const std::size_t most = settings_->limits.mail_header_bytes;
    while (!piece.empty()) {
        const std::string_view slice = piece.substr(0, slice_size);
        piece.remove_prefix(slice.size());
        if (!is_head_known_ && header_section_.size() < most) header_section_ += slice.substr(0, most - header_section_.size());
        reader.feed(slice);
        if (const Denied denied = plan_once()) co_return denied;
        if (parts_.size() > most_open_parts)
            if (const Denied denied = CO_TRY(co_await settle())) co_return denied;
    }
    co_return Denied{};
}

// As soon as its head is known, and before any part is.
Mail::Denied Mail::plan_once() {
    if (!is_head_known_ || is_planned_) return std::nullopt;
    if (!is_inspected_ && head_.size > settings_->limits.mail_header_bytes) return long_head;
    if (const Denied denied = plan_whole()) return denied;
    if (!waiting_.empty()) released.push_back(waiting_);
    return std::nullopt;
}

net::Task<Result<Mail::Denied>> Mail::take(std::span<const std::string_view> content) {
    released.clear();
    if (is_inspected_) {
        // What came out the last time has gone on by now, and its memory may be given back.
        whole_.payload->step();
        if (whole_.payload->has_work()) CO_TRY(co_await work_on(whole_));
    }
    // All of it first: a copy has what came with what is refused.
    for (const std::string_view piece : content) {
        size_ += piece.size();
        if (is_inspected_) whole_.payload->push(piece, false, released);
        else if (is_planned_) released.push_back(piece);
        else waiting_ += piece;
    }
    if (is_inspected_ || !is_head_known_)
        for (const std::string_view piece : content)
            if (const Denied denied = CO_TRY(co_await feed(*reader_, piece))) co_return denied;
    if (!is_planned_ && waiting_.size() > settings_->limits.mail_header_bytes) co_return long_head;
    if (!is_inspected_) co_return Denied{};
    if (const Denied denied = CO_TRY(co_await settle())) co_return denied;
    if (whole_.payload->is_planned() && whole_.payload->has_news()) co_return follow_up(released);
    co_return Denied{};
}

net::Task<void> Mail::swallow(std::span<const std::string_view> content) {
    released.clear();
    if (!is_inspected_) co_return;
    whole_.payload->step();
    for (const std::string_view piece : content) size_ += piece.size();
    if (is_kept_lost_) co_return;
    for (const std::string_view piece : content) {
        whole_.payload->push(piece, false, dropped_);
        dropped_.clear();
    }
    if (!whole_.payload->has_work()) co_return;
    const auto done = co_await work_on(whole_);
    is_kept_lost_ = !done || whole_.payload->has_work();  // there is no room for it
}

Mail::Outcome<void> Mail::work_on(sessions::Inspected& inspected) {
    const auto before = std::chrono::steady_clock::now();
    Views& out = &inspected == &whole_ ? released : dropped_;
    while (inspected.payload->has_work()) {
        if (auto done = co_await inspected.payload->work(out); !done) co_return std::unexpected(done.error());
        if (&inspected == &whole_ && !out.empty()) break;  // they live until the next step
        if (!inspected.payload->has_ended()) break;  // once is enough: what could not be done is told as news
        dropped_.clear();
    }
    scanned_ += std::chrono::steady_clock::now() - before;
    co_return Result<void>{};
}

// All parts as far as they have come.
Mail::Outcome<Mail::Denied> Mail::settle() {
    for (std::size_t i = 0; i < parts_.size(); ++i)
        if (const Denied denied = CO_TRY(co_await settle_part(parts_[i]))) co_return denied;
    std::erase_if(parts_, [](const Open& open) { return !open.inspected; });
    co_return Denied{};
}

Mail::Outcome<Mail::Denied> Mail::settle_part(Open& open) {
    inspect::Payload& payload = *open.inspected->payload;
    const bool is_first = !payload.is_planned() && payload.is_identified();
    // Some formats have a name behind the content.
    const bool is_renamed = open.has_ended && payload.is_planned() && open.part.names != open.planned_names;
    if (is_first || is_renamed)
        if (const Denied denied = judge_part(open, false)) {
            conclude(open, true);
            co_return denied;
        }
    if (payload.has_work()) CO_TRY(co_await work_on(*open.inspected));
    if (payload.has_news()) {
        if (const Denied denied = judge_part(open, true)) {
            conclude(open, true);
            co_return denied;
        } else if (!open.has_ended) {
            payload.accept_news(dropped_);
            dropped_.clear();
        }
    }
    if (open.has_ended) conclude(open);
    co_return Denied{};
}

// What a rule of `inspect`, or one that trusts, says of this part, or of a member of it, is of no other.
Mail::Denied Mail::judge_part(Open& open, bool is_over) {
    if (judgement_.trusted && is_over) return std::nullopt;
    const std::size_t inspections = judgement_.effects.inspections.size();
    const bool was_trusted = judgement_.trusted;
    const std::string_view rule = judgement_.rule;
    Denied denied = is_over ? open.inspected->judge_verdict(judgement_) : plan_part(open);
    judgement_.effects.inspections.resize(inspections);
    if (judgement_.trusted && !was_trusted && !denied) judgement_.rule = rule;
    judgement_.trusted = was_trusted;
    return denied;
}

// What is known of it is kept, and its place is the next one's.
void Mail::conclude(Open& open, bool is_denied) {
    sessions::Inspected& inspected = *open.inspected;
    inspect::Outcome outcome = inspected.outcome(!open.has_ended);
    if (!whole_.inside) whole_.inside = outcome;
    else whole_.inside->add(outcome);
    const bool is_bad = outcome.verdict >= inspect::Verdict::unscannable;
    if ((is_bad || (open.part.is_attachment && !open.part.is_alternative)) && attachments_.size() < most_attachments)
        attachments_.push_back({.name = inspected.name,
                                .extension = inspected.extension,
                                .sha256 = std::string(inspected.payload->sha256()),
                                .outcome = std::move(outcome),
                                .mime_type = inspected.payload->type().mime,
                                .size = inspected.payload->size()});
    inspected.payload->clear();
    using policy::Field;
    for (const Field field : {Field::file_name, Field::file_extension, Field::file_sha256, Field::scan_threat, Field::scan_engine})
        judgement_.facts.clear(field);  // views of it
    // A denial has its words from it.
    if (is_denied || spare_.size() < most_open_parts) spare_.push_back(std::move(open.inspected));
    else open.inspected.reset();
}

net::Task<Result<Mail::Denied>> Mail::end(std::span<const sessions::Inspected::Number> of_whole) {
    of_whole_ = of_whole;
    released.clear();
    reader_->finish();
    add_ambiguities(*reader_);
    if (!is_inspected_) {
        if (is_planned_) co_return Denied{};
        released.push_back(waiting_);
        co_return plan_whole();
    }
    if (const Denied denied = CO_TRY(co_await settle())) co_return denied;
    add_what_did_not_end();
    whole_.payload->step();
    whole_.payload->end(true);
    if (!is_planned_) {
        if (const Denied denied = plan_whole()) co_return denied;
        // What follows may take its memory away; it is no more than a header section without an end.
        for (const std::string_view piece : released) waiting_ += piece;
        released.clear();
    }
    if (whole_.payload->has_work()) CO_TRY(co_await work_on(whole_));
    if (const Denied denied = CO_TRY(co_await read_otherwise())) co_return denied;
    add_what_was_not_read();
    if (!waiting_.empty()) released.insert(released.begin(), waiting_);
    co_return follow_up(released);
}

net::Task<Result<bool>> Mail::read_on() {
    released.clear();
    if (!is_inspected_) co_return false;
    whole_.payload->step();
    if (whole_.payload->has_work()) CO_TRY(co_await work_on(whole_));
    co_return !released.empty();
}

// The reader ends each part that it has begun. Should it not, nobody has looked at the rest of one.
void Mail::add_what_did_not_end() {
    if (parts_.empty()) return;
    if (!whole_.inside) whole_.inside = inspect::Outcome::clean();
    whole_.inside->add(inspect::Outcome::unscannable(inspect::Reason::truncated, inspect::structure_engine));
    parts_.clear();
}

// Beyond the reader's bounds there is content that nobody has looked at: as with an archive of too many members.
void Mail::add_what_was_not_read() {
    const auto has = [this](mime::Ambiguity what) { return std::ranges::find(ambiguities_, what) != ambiguities_.end(); };
    if (!has_too_many_ && !has(mime::Ambiguity::too_many) && !has(mime::Ambiguity::too_deep)) return;
    if (!whole_.inside) whole_.inside = inspect::Outcome::clean();
    whole_.inside->add(inspect::Outcome::unscannable(inspect::Reason::bomb, inspect::structure_engine));
}

void Mail::clear() {
    parts_.clear();
    spare_.clear();
    if (whole_.payload) whole_.payload->clear();
    waiting_ = {};
    header_section_ = {};
    released.clear();
    is_inspected_ = false;
}

void Mail::add_ambiguities(const mime::MailReader& reader) {
    for (const mime::Ambiguity ambiguity : reader.ambiguities())
        if (std::ranges::find(ambiguities_, ambiguity) == ambiguities_.end()) ambiguities_.push_back(ambiguity);
}

// Union scanning: as other readers see the same octets, from the beginning.
Mail::Outcome<Mail::Denied> Mail::read_otherwise() {
    const std::vector<mime::Reading> others = reader_->other_readings();
    if (others.empty() || judgement_.trusted) co_return Denied{};
    const auto content = co_await whole_.payload->content();
    if (!whole_.inside) whole_.inside = inspect::Outcome::clean();
    if (!content) {
        whole_.inside->add(inspect::Outcome::unscannable(content.error(), inspect::structure_engine));
        co_return Denied{};
    }
    is_other_reading_ = true;
    for (const mime::Reading reading : others) {
        mime::MailReader reader(reading, settings_->limits, *this);
        Denied denied;
        if (!co_await read_again(reader, content->descriptor, content->size, denied) && !denied)
            whole_.inside->add(inspect::Outcome::unscannable(inspect::Reason::no_space, inspect::structure_engine));
        if (denied) co_return denied;
        add_ambiguities(reader);
    }
    co_return Denied{};
}

// False: it could not be read to its end.
net::Task<bool> Mail::read_again(mime::MailReader& reader, const inspect::Descriptor& content, std::uint64_t size, Denied& denied) {
    std::string piece;
    for (std::uint64_t at = 0; at < size;) {
        ssize_t got = 0;
        piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size - at)));
        const bool was_read =
            co_await shared_.files.run(worker_, [&] { got = ::pread(content.get(), piece.data(), piece.size(), static_cast<off_t>(at)); });
        if (!was_read || got <= 0) co_return false;
        const auto fed = co_await feed(reader, std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
        if (!fed) co_return false;
        if ((denied = *fed)) co_return false;
        at += static_cast<std::uint64_t>(got);
        if (at == size) reader.finish();
        auto settled = co_await settle();
        if (!settled) co_return false;
        if ((denied = *settled)) co_return false;
    }
    add_what_did_not_end();
    co_return true;
}

}  // namespace sluice::smtp
