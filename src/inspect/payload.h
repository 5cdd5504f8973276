// SPDX-License-Identifier: Apache-2.0
// One payload on its way through a worker: what comes is looked at as it passes, what may go on comes out. Knows no protocol.
//
// How a session uses it:
//   begin            what is known before the first byte
//   step             what came out before is gone: before the next ones
//   push             the next bytes; nothing comes out before `deliver` or `release`
//   is_identified    from then on `type` is what the content is: time for phase `payload`, which says how to examine and deliver it
//   has_work         something is to be done that takes its time: `work`, before more is read. All of it, before it is over
//   end              no more comes
//   has_news         the verdict is to be judged: then `accept_news`, or nothing more goes on
//   is_over          all of it has come out
// What comes out are views, into the bytes that were pushed or into this object: they live until the next `step` or `work`, and so must those bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/findings.h"
#include "inspect/holding.h"
#include "inspect/inspection.h"
#include "inspect/plan.h"
#include "inspect/setup.h"
#include "inspect/verdict.h"
#include "inspect/verdict_cache.h"
#include "net/task.h"

namespace sluice::inspect {

class Payload {
public:
    using Views = std::vector<std::string_view>;

    // All of them outlive it.
    Payload(net::Worker& worker, Bench& bench, Shared& shared)
        : worker_(worker),
          shared_(shared),
          inspection_(bench),
          held_(worker, shared.storage, shared.files),
          copy_(worker, shared.storage, shared.files) {}

    // The views of `declared` live until this returns.
    void begin(std::shared_ptr<const Setup> setup, const Declared& declared);
    void step() { held_.forget_taken(); }
    // `last`: nothing follows.
    void push(std::string_view bytes, bool last, Views& out);
    // The same without a copy, where all that comes waits: room to read the next bytes into, and how many there were. Empty: `push` them.
    std::span<char> room() { return is_deferred_ && way_ == Way::delivering && !turns_ && !has_news() ? held_.room() : std::span<char>(); }
    void push_in_place(std::size_t size);
    // `whole`: the payload is complete in itself; else it ends as `truncated`.
    void end(bool whole);

    // Enough has come to say what it is, or all of it. What comes later may show that it is something riskier: then it is held from there on.
    bool is_identified() const { return ended_ || inspection_.looked_at() >= enough_to_identify || size_ >= tail_size; }
    // Its source pauses: with a few bytes there the type is taken for what it seems.
    bool is_identified_by_pause() const { return is_identified() || inspection_.looked_at() >= enough_in_a_pause; }
    const MediaType& type() const { return findings_ ? findings_->type : inspection_.type(); }

    void set_max_size(std::uint64_t bytes) { inspection_.set_max_size(bytes); }  // before `deliver`: a rule says so
    // Once, after it was identified: what may go now comes out.
    void deliver(const Delivery& delivery, Examination examination, Views& out);
    bool is_planned() const { return way_ != Way::waiting; }
    bool is_held() const { return way_ == Way::delivering && delivery_.mode == Mode::hold; }
    // Something waits that would not have to where its source pauses.
    bool gains_from_pause() const { return way_ == Way::waiting || (way_ == Way::delivering && delivery_.may_let_go && held_.size() > 0); }
    // The source pauses (see Delivery::may_let_go).
    void pause(Views& out);

    // Of what is held and may trickle, the next few bytes, for a receiver that would lose patience; what comes out later begins behind them. Never
    // more than a little of what has come. A view that lives until `clear`; empty: nothing now.
    std::string_view trickle();
    bool may_trickle() const { return is_held() && delivery_.trickles; }
    bool has_trickled() const { return trickled_ > 0; }

    bool has_work() const;
    // An error: what waited cannot be had again, and nothing more comes out.
    net::Task<Result<void>> work(Views& out);

    // Something is known that a rule of phase `verdict` should judge now: at the end, or where it is infected or cannot be scanned any more.
    bool has_news() const;
    void accept_news(Views& out);
    bool is_over() const { return ended_ && way_ == Way::passing && held_.size() == 0 && behind_.empty(); }

    // All content that has come, once a rule wants a copy and nothing more is pushed: codings undone, or as it came where they cannot be. truncated: it
    // was not kept. no_space, overloaded.
    struct Content {
        Descriptor descriptor;
        std::uint64_t size = 0;
    };
    net::Task<std::expected<Content, Reason>> content();

    const Outcome& outcome() const { return findings_ ? findings_->outcome : inspection_.outcome(); }
    std::string_view sha256() const { return findings_ ? std::string_view(findings_->sha256) : inspection_.sha256(); }
    BodyFound body_found() const { return findings_ ? findings_->body : inspection_.body_found(); }
    std::span<const MemberFindings> members() const {
        return findings_ ? std::span<const MemberFindings>(findings_->members) : std::span<const MemberFindings>();
    }
    // Before `deliver`, and instead of it: no engine is for this payload.
    void skip(Views& out);

    std::uint64_t size() const { return size_; }  // bytes that came
    bool has_ended() const { return ended_; }
    bool awaits_engines() const { return scans_ && !is_concluded_; }
    std::uint64_t looked_at() const { return inspection_.looked_at(); }
    // From the last byte to the verdict that was accepted, or to now; 0 before the last byte.
    std::int64_t scan_ns() const {
        if (!ended_ || scan_ns_ != 0) return scan_ns_;
        return std::chrono::nanoseconds(std::chrono::steady_clock::now() - ended_at_).count();
    }
    bool was_cached() const { return was_cached_; }
    bool asked_cache() const { return asked_cache_; }
    void clear();

private:
    // Bytes after which the first look at them is good enough: beyond every magic number but those of tar and iso.
    static constexpr std::uint64_t enough_to_identify = 512;
    static constexpr std::uint64_t enough_in_a_pause = 1;

    enum class Way : std::uint8_t { waiting, delivering, passing };
    void reconsider();
    std::size_t kept() const;
    void give(std::size_t keep, std::string_view bytes, bool last, Views& out);
    void release(Views& out);
    void keep_front(std::string_view bytes);
    void skip_trickled(Views& out);

    // payload_scan.cpp
    void plan_scan();
    bool wants_whole() const;
    bool needs_conclusion() const;
    bool can_read_back() const { return held_.stored() > 0 && held_.size() > (way_ == Way::passing ? 0 : kept()); }
    void copy_from_now_on();
    net::Task<void> catch_up(bool has_copy);
    bool has_all_here() const { return held_.size() + behind_.size() == size_; }  // none has gone on
    net::Task<void> examine(std::string_view bytes);
    net::Task<bool> decode_to_copy();
    void drop_copy();
    net::Task<void> turn_to_tail();
    net::Task<void> conclude();
    net::Task<void> scan(Findings& findings);
    net::Task<void> scan_object(Findings& findings);
    net::Task<bool> came_with(std::string_view text);
    // An engine outside that was asked; without a call: it is known to be down.
    struct Asked {
        std::string_view engine;
        std::shared_ptr<Outcome> outcome;
        std::shared_ptr<net::Aside::Call> call;
    };
    using Deadline = std::chrono::steady_clock::time_point;
    std::vector<Asked> ask_outside(const Descriptor& object, std::uint64_t size, Deadline deadline);
    net::Task<Outcome> ask_scanners(const Descriptor& object, std::uint64_t size, Deadline deadline, std::vector<MemberFindings>& members);
    std::optional<VerdictCache::Key> cache_key();
    net::Task<void> spill();
    net::Task<Result<void>> read_back(Views& out);

    net::Worker& worker_;
    Shared& shared_;
    std::shared_ptr<const Setup> setup_;
    Inspection inspection_;
    std::optional<ContentHash> hash_;
    Holding held_;  // as it came, what has not gone on
    Holding copy_;  // the content, decoded, where engines need it whole and `held_` is not that
    Delivery delivery_;
    Examination examination_;
    std::shared_ptr<const Findings> findings_;  // once all engines have looked
    Way way_ = Way::waiting;
    bool ended_ = false;
    bool whole_ = true;
    bool is_deferred_ = false;  // held: what comes is hashed, and examined at the end if it is new
    bool is_hashing_ = false;
    bool keeps_copy_ = false;  // of what is not held
    std::uint64_t examined_before_ = 0;  // bytes that came, and were examined, before it was known that it is held
    bool scans_ = false;  // engines get all of it at the end
    bool lacks_beginning_ = false;  // which had gone on before it was known that they would
    bool is_concluded_ = false;
    bool turns_ = false;  // it became too large to be held
    bool was_cached_ = false;
    bool asked_cache_ = false;
    Verdict judged_ = Verdict::clean;  // the worst that was judged before the end
    bool is_partial_ = false;
    bool wants_sha256_ = false;
    std::string coding_;
    std::uint64_t size_ = 0;
    std::chrono::steady_clock::time_point ended_at_{};
    std::int64_t scan_ns_ = 0;
    std::string front_;  // the first bytes, where they may trickle
    std::size_t trickled_ = 0;  // of those, how many have gone
    std::size_t skipped_ = 0;  // of those, how many have come out of what was held since
    std::string_view behind_;  // of the last `push`: what waits behind all that is held, uncopied
};

}  // namespace sluice::inspect
