// SPDX-License-Identifier: Apache-2.0
#include "inspect/payload.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace sluice::inspect {

namespace {

constexpr std::size_t everything = std::numeric_limits<std::size_t>::max();

// For the key of a verdict: no Content-Encoding is called so.
constexpr std::string_view network_lines = "\nlines";

// A trickle is for a receiver's patience, not for its disk: so much at once, in all, and of what has come.
constexpr std::size_t trickle_step = 16;
constexpr std::size_t trickle_most = 1024;
constexpr std::uint64_t trickle_share = 64;

}  // namespace

void Payload::begin(std::shared_ptr<const Setup> setup, const Declared& declared) {
    clear();
    setup_ = std::move(setup);
    coding_.assign(declared.has_network_lines ? network_lines : declared.coding);
    is_partial_ = declared.partial;
    wants_sha256_ = setup_->wants_sha256 || declared.wants_sha256;
    inspection_.begin(*setup_, declared);
}

void Payload::clear() {
    inspection_.clear();
    if (is_hashing_ && hash_) hash_.reset();                 // what it was fed is of no payload any more
    held_.clear();
    copy_.clear();
    delivery_ = {};
    findings_.reset();
    way_ = Way::waiting;
    whole_ = true;
    ended_ = is_deferred_ = is_hashing_ = keeps_copy_ = scans_ = lacks_beginning_ = is_concluded_ = turns_ = was_cached_ = asked_cache_ =
        false;
    judged_ = Verdict::clean;
    size_ = examined_before_ = 0;
    scan_ns_ = 0;
    front_.clear();
    trickled_ = skipped_ = 0;
    behind_ = {};
}

void Payload::push(std::string_view bytes, bool last, Views& out) {
    size_ += bytes.size();
    if (way_ == Way::passing) {
        if (!bytes.empty()) out.push_back(bytes);
        return;
    }
    if (delivery_.trickles) keep_front(bytes);
    if (is_hashing_) hash_->feed(bytes);
    if (!is_deferred_) inspection_.feed(bytes);
    else if (size_ > inspection_.max_size()) inspection_.give_up(Reason::too_large);
    if (way_ == Way::delivering) {
        behind_ = bytes;
        reconsider();
        behind_ = {};
    }
    give(kept(), bytes, last, out);
}

void Payload::push_in_place(std::size_t size) {
    if (delivery_.trickles) keep_front({held_.room().data(), size});
    if (is_hashing_) hash_->feed({held_.room().data(), size});
    held_.commit(size);
    size_ += size;
    if (size_ > inspection_.max_size()) inspection_.give_up(Reason::too_large);
    if (delivery_.automatic && size_ > automatic_hold) turns_ = true;
}

// What turns out to be risky is held from there on; what turns out to be larger than `automatic_hold` goes on but for its end.
void Payload::reconsider() {
    const bool holds = delivery_.automatic && delivery_.mode != Mode::hold && inspection_.is_risky() && size_ <= automatic_hold;
    if (holds) delivery_ = {.mode = Mode::hold, .automatic = true};
    if (holds || (!scans_ && wants_whole())) plan_scan();
    if (delivery_.automatic && delivery_.mode == Mode::hold && size_ > automatic_hold) turns_ = true;
}

// How many of the last bytes wait.
std::size_t Payload::kept() const {
    // Where something was found nothing goes on before a rule has said so.
    if (way_ == Way::waiting || has_news() || turns_) return everything;
    switch (delivery_.mode) {
        case Mode::hold: return everything;
        case Mode::tail: return tail_size;
        case Mode::stream:
            // What media looks like in its first bytes may turn out to be a program as well, which is then to be had whole.
            return delivery_.may_let_go && inspection_.looked_at() < sniff_length ? everything : 0;
    }
    return everything;
}

// Of what waits and `bytes`, in this order, the last `keep` stay; what is before them comes out. What must wait of the last bytes waits where it
// is, uncopied, unless engines need it in one place with the rest.
void Payload::give(std::size_t keep, std::string_view bytes, bool last, Views& out) {
    const std::uint64_t total = held_.size() + bytes.size();
    const std::uint64_t free = held_.stored() == 0 && total > keep ? total - keep : 0;
    const auto old = static_cast<std::size_t>(std::min<std::uint64_t>(free, held_.size()));
    held_.take(old, out);
    const auto fresh = static_cast<std::size_t>(free - old);
    if (fresh > 0) out.push_back(bytes.substr(0, fresh));
    bytes.remove_prefix(fresh);
    if (last) behind_ = bytes;
    else held_.append(bytes);
    skip_trickled(out);
}

void Payload::keep_front(std::string_view bytes) {
    if (front_.size() < trickle_most) front_ += bytes.substr(0, trickle_most - front_.size());
}

std::string_view Payload::trickle() {
    if (!may_trickle() || has_news() || outcome().verdict >= Verdict::unscannable) return {};
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(front_.size(), size_ / trickle_share));
    if (trickled_ >= most) return {};
    const std::string_view piece = std::string_view(front_).substr(trickled_, std::min(trickle_step, most - trickled_));
    trickled_ += piece.size();
    return piece;
}

void Payload::skip_trickled(Views& out) {
    for (std::string_view& view : out) {
        const std::size_t gone = std::min(view.size(), trickled_ - skipped_);
        view.remove_prefix(gone);
        skipped_ += gone;
    }
}

void Payload::end(bool whole) {
    ended_ = true;
    whole_ = whole;
    ended_at_ = std::chrono::steady_clock::now();
    if (way_ != Way::passing && !is_deferred_) inspection_.finish(whole);
}

void Payload::deliver(const Delivery& delivery, Examination examination, Views& out) {
    delivery_ = delivery;
    examination_ = std::move(examination);
    way_ = Way::delivering;
    if (!examination_.engines.has(policy::Engine::signatures)) inspection_.leave_out_signatures();
    if (delivery_.trickles) held_.each([this](std::string_view piece) { keep_front(piece); });
    plan_scan();
    reconsider();
    if (!ended_ && !has_news()) give(kept(), {}, false, out);
}

void Payload::pause(Views& out) {
    if (way_ == Way::delivering && delivery_.may_let_go && !ended_ && !has_news()) give(0, {}, false, out);
}

bool Payload::has_news() const {
    if (way_ == Way::passing) return false;
    if (!ended_) return inspection_.is_decided() && (inspection_.outcome().verdict > judged_ || inspection_.gave_up());
    return way_ == Way::delivering && !needs_conclusion();
}

void Payload::accept_news(Views& out) {
    if (ended_) {
        scan_ns_ = scan_ns();
        return release(out);
    }
    // What cannot be decoded may still turn out to be infected. Nothing more is to be learnt where that is known, or where nobody looks any more.
    judged_ = inspection_.outcome().verdict;
    if (judged_ == Verdict::infected || inspection_.gave_up()) release(out);
    else give(kept(), {}, false, out);
}

void Payload::skip(Views& out) {
    inspection_.skip();
    release(out);
}

void Payload::release(Views& out) {
    way_ = Way::passing;
    turns_ = false;
    if (held_.stored() > 0) return;  // the file first: see `work`
    held_.take(static_cast<std::size_t>(held_.size()), out);
    if (!behind_.empty()) out.push_back(behind_);
    behind_ = {};
    skip_trickled(out);
}

}  // namespace sluice::inspect
