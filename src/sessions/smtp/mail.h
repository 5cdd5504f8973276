// SPDX-License-Identifier: Apache-2.0
// A message on its way through a session, before the policy: what it says of itself, each of its parts as a payload of its own, and all of it as one
// that holds them. A reader of mail tells the parts (mime::MailReader); where readers could disagree, each reading is inspected.
//
// How a session uses it:
//   begin      the envelope is known
//   take       the next octets of the content, dots undone; what may go on is in `released` then, until the next call
//   end        all has come: what is left of `released`, or why the message does not go on
//   swallow    instead of both, once it does not: what a quarantine may want is kept
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/event.h"
#include "inspect/inspection.h"
#include "inspect/setup.h"
#include "net/task.h"
#include "net/worker.h"
#include "protocols/mime/mail_reader.h"
#include "protocols/smtp/content.h"
#include "sessions/smtp/settings.h"
#include "sessions/transaction/inspected.h"
#include "sessions/transaction/judgement.h"

namespace sluice::smtp {

class Mail final : private mime::MailSink {
public:
    using Denied = std::optional<sessions::Denial>;

    // All of them outlive it.
    Mail(net::Worker& worker, inspect::Bench& bench, inspect::Shared& shared, sessions::Judgement& judgement);
    ~Mail() override;

    // `is_held`: nothing goes on before all is known, because a rule may add to its head.
    void begin(std::shared_ptr<const Settings> settings, bool is_held);
    net::Task<Result<Denied>> take(std::span<const std::string_view> content);
    // `of_whole`: what rules of `verdict` may ask of the message that the session alone knows.
    net::Task<Result<Denied>> end(std::span<const sessions::Inspected::Number> of_whole);
    net::Task<void> swallow(std::span<const std::string_view> content);
    // It was recorded: nothing of it is kept until the next one.
    void clear();
    // Of what is held and came out: whatever is left to come out, piece by piece after `end`; false: nothing more.
    net::Task<Result<bool>> read_on();

    Views released;
    bool is_held() const { return is_held_; }
    // The header section as it came, up to and with the empty line; of one beyond the limits its beginning.
    std::string_view header_section() const { return std::string_view(header_section_).substr(0, head_.size); }
    bool is_header_section_whole() const { return head_.size <= header_section_.size(); }
    bool is_copy_lost() const { return is_kept_lost_; }
    const mime::MailHead& head() const { return head_; }
    std::uint64_t size() const { return size_; }

    sessions::Inspected& whole() { return whole_; }
    // What could not be inspected may be another time: a scanner's trouble, not the message's.
    bool has_scanner_failed() const;
    // email.*, file.* and scan.*; views of this object.
    void record(audit::Event& event, audit::MailEvent& mail, bool is_cut);
    void count(audit::MetricsShard& metrics, bool is_cut) const;

private:
    struct Open {
        mime::Part part;
        std::unique_ptr<sessions::Inspected> inspected;
        std::vector<std::string> planned_names;  // by which it was judged
        bool has_ended = false;
    };
    // What the event says of a part.
    struct Attachment {
        std::string name;
        std::string extension;
        std::string sha256;
        inspect::Outcome outcome;
        std::string_view mime_type;
        std::uint64_t size = 0;
    };
    template <class T>
    using Outcome = net::Task<Result<T>>;

    void on_head(const mime::MailHead& head) override;
    void on_part(const mime::Part& part) override;
    void on_data(const mime::Part& part, std::string_view decoded) override;
    void on_part_end(const mime::Part& part) override;
    Open* find(std::size_t id);

    Outcome<Denied> feed(mime::MailReader& reader, std::string_view piece);
    Denied plan_once();
    Outcome<Denied> settle();
    Outcome<Denied> settle_part(Open& open);
    Outcome<void> work_on(sessions::Inspected& inspected);
    void conclude(Open& open, bool is_denied = false);
    Denied plan_whole();
    Denied plan_part(Open& open);
    Denied judge_part(Open& open, bool is_over);
    Denied follow_up(Views& out);
    Outcome<Denied> read_otherwise();
    net::Task<bool> read_again(mime::MailReader& reader, const inspect::Descriptor& content, std::uint64_t size, Denied& denied);
    void add_ambiguities(const mime::MailReader& reader);
    void add_what_was_not_read();
    void add_what_did_not_end();
    inspect::Examination examination(const sessions::Inspected& inspected, const policy::InspectOptions& options) const;
    void set_head_facts();
    void set_ambiguity_facts();

    net::Worker& worker_;
    inspect::Bench& bench_;
    inspect::Shared& shared_;
    sessions::Judgement& judgement_;
    std::shared_ptr<const Settings> settings_;
    std::optional<mime::MailReader> reader_;
    bool is_held_ = false;
    bool is_inspected_ = false;
    bool is_planned_ = false;
    bool is_kept_lost_ = false;  // a copy for the quarantine has no room
    std::string waiting_;  // not inspected, and its head is not known
    std::uint64_t size_ = 0;
    std::chrono::nanoseconds scanned_{};  // engines' time so far
    std::span<const sessions::Inspected::Number> of_whole_;

    sessions::Inspected whole_{policy::Direction::upload};
    std::vector<Open> parts_;  // that are not concluded
    std::vector<std::unique_ptr<sessions::Inspected>> spare_;
    std::size_t begun_parts_ = 0;
    bool is_other_reading_ = false;
    bool has_too_many_ = false;  // parts, of all readings together
    Views dropped_;  // what comes out of parts goes nowhere

    std::string header_section_;
    bool is_head_known_ = false;
    mime::MailHead head_;
    std::vector<mime::Ambiguity> ambiguities_;
    std::vector<Attachment> attachments_;

    // What facts and the event have views of.
    std::vector<std::string_view> from_, to_, ambiguity_names_;
    std::vector<audit::Attachment> recorded_;
};

}  // namespace sluice::smtp
